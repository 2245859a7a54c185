"""The tables of README.md that come from code: environments, and what is fitted and what is assumed.

They stand between the marks `<!-- begin: NAME -->` and `<!-- end: NAME -->`. `python -m recgym.bench.readme
README.md` brings them up to date; a test fails where they are not.
"""

import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from recgym.envs import ENVIRONMENTS
from recgym.envs.tasks import REWARDS, load_world, shipped_worlds
from recgym.sim.schema import PARAMS


def _markdown(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def environments() -> str:
    """The table of environments."""
    rows = [
        (
            f"`{row.id}`",
            row.world,
            "all" if row.n_items is None else str(row.n_items),
            str(row.slate_size),
            str(row.horizon),
            f"{row.reward}: {REWARDS[row.reward]}",
            row.about,
        )
        for row in ENVIRONMENTS
    ]
    head = ("id", "world", "items", "slate", "horizon", "default reward", "the agent's task")
    return _markdown(head, rows)


def _status(row: dict[str, Any] | None) -> str:
    if row is None:
        return "-"
    if row["status"] == "absent":
        return "absent"
    value = row["value"]
    shown = f"{value:.3g}" if isinstance(value, int | float) else str(value or "")
    return f"{row['status']} ({shown})" if shown and len(shown) <= 12 else str(row["status"])


def _place(name: str, order: list[str]) -> tuple[int, str]:
    return (order.index(name) if name in order else len(order), name)


def terms() -> str:
    """What is fitted and what is assumed in each shipped world: a row a term, a column a world."""
    order = [row.world for row in ENVIRONMENTS]
    worlds = [load_world(name) for name in sorted(shipped_worlds(), key=lambda name: _place(name, order))]
    cards = [{row["term"]: row for row in world.card.get("terms", ())} for world in worlds]
    names = list(dict.fromkeys(name for card in cards for name in card))
    if not names:
        return "No world ships yet."
    meaning = {param.name: f"`{param.name}`: {param.meaning}" for param in PARAMS}
    rows = [(meaning.get(name, f"`{name}`"), *(_status(card.get(name)) for card in cards)) for name in names]
    return _markdown(("term", *(world.name for world in worlds)), rows)


BLOCKS: dict[str, Callable[[], str]] = {"environments": environments, "terms": terms}


def fill(text: str) -> str:
    """The text with every block made anew; ValueError for a mark that is missing."""
    for name, make in BLOCKS.items():
        pattern = re.compile(rf"(<!-- begin: {name} -->\n).*?(<!-- end: {name} -->)", re.DOTALL)
        found = pattern.search(text)
        if found is None:
            raise ValueError(f"README lacks the marks <!-- begin: {name} --> and <!-- end: {name} -->")
        before, inside, after = text[: found.end(1)], make(), text[found.start(2) :]
        text = f"{before}{inside}\n{after}"
    return text


if __name__ == "__main__":
    readme = Path(sys.argv[1] if len(sys.argv) > 1 else "README.md")
    readme.write_text(fill(readme.read_text(encoding="utf-8")), encoding="utf-8")
