"""Generated tables of README.md and docs/.

They are between the marks `<!-- begin: NAME -->` and `<!-- end: NAME -->`. `python -m recgym.bench.readme`, in the
folder of README.md, updates them; a test fails where they are not up to date.
"""

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from recgym.bench.all_environments import aggregate_of
from recgym.bench.leaderboard import tables_of
from recgym.bench.raw_rows import preset_of, read_runs
from recgym.bench.suite import PRESETS
from recgym.bench.who_is_best import who_is_best
from recgym.envs import ENVIRONMENTS
from recgym.envs.arguments import Arguments
from recgym.envs.rewards import REWARDS
from recgym.envs.spaces import feature_blocks
from recgym.envs.task_engine import make_engine, task_world
from recgym.envs.world_lookup import WORLDS
from recgym.events import EVENTS
from recgym.fidelity.card_metrics import Figure, figures_of
from recgym.logs.registry import SOURCES
from recgym.sim.assumptions import assumed_settings, range_of
from recgym.sim.schema import PARAMS
from recgym.sim.world import World

TABLE = Path("results/tasks")  # of the preset ladder, by the latest frozen code


def markdown_table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A table of Markdown."""
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
    return markdown_table(head, rows)


def _status(row: dict[str, Any] | None) -> str:
    if row is None:
        return "-"
    if row["status"] == "absent":
        return "absent"
    value = row["value"]
    shown = f"{value:.3g}" if isinstance(value, int | float) else str(value or "")
    return f"{row['status']} ({shown})" if shown and len(shown) <= 12 else str(row["status"])


def _worlds() -> list[World]:
    """The worlds of the environments, in the order of the table."""
    return [World.load(WORLDS / name) for name in dict.fromkeys(row.world for row in ENVIRONMENTS)]


def terms() -> str:
    """Provenance in each shipped world: one row for each term, one column for each world."""
    worlds = _worlds()
    cards = [{row["term"]: row for row in world.card.get("terms", ())} for world in worlds]
    names = list(dict.fromkeys(name for card in cards for name in card))
    meaning = {param.name: f"`{param.name}`: {param.meaning}" for param in PARAMS}
    rows = [(meaning.get(name, f"`{name}`"), *(_status(card.get(name)) for card in cards)) for name in names]
    return markdown_table(("term", *(world.name for world in worlds)), rows)


# ids of the figures that README shows, in this order
HEADLINES = (
    "page_log_loss",
    "catalogue_log_loss",
    "repeat_share",
    "log_loss/leaving",
    "auc/leaving",
    "leaving_after_step/1",
    "leaving_run_gap/12",
    "length/mean",
    "auc/click",
    "auc/long_view",
    "trees_auc_gain/click",
    "trees_auc_gain/long_view",
    "calibration_error/click",
    "rate/click",
    "rate/long_view",
    "rate/like",
    "user_variance/click",
    "autocorrelation/click",
    "held_out_recall/20",
    "friends_auc",
    "transitivity",
    "shared_items",
    "classifier_auc",
)


def headline_figures(world: World) -> list[Figure]:
    """The figures of HEADLINES that the card has, in their order."""
    figures = {row.id: row for row in figures_of(world.card)}
    return [figures[name] for name in HEADLINES if name in figures]


def fidelity() -> str:
    """Headline figures of the cards of the shipped worlds."""
    rows = []
    for world in _worlds():
        for row in headline_figures(world):
            name = f" ({row.baseline_name})" * bool(row.baseline_name)
            baseline = "" if row.baseline is None else f"{row.baseline:.4g}{name}"
            log = "" if row.log is None else f"{row.log:.4g}"
            rows.append((world.name, row.text, row.judges, log, f"{row.world:.4g}", baseline))
    return markdown_table(("world", "figure", "judges", "log", "world's", "baseline's"), rows)


def agents() -> str:
    """The table of agents."""
    from agents import AGENTS

    return markdown_table(
        ("agent", "family", "what it does"), ((f"`{a.name}`", a.family, a.about) for a in AGENTS)
    )


def families() -> str:
    """The agents of each family."""
    from agents import AGENTS

    names: dict[str, list[str]] = {}
    for agent in AGENTS:
        names.setdefault(agent.family, []).append(f"`{agent.name}`")
    return markdown_table(("family", "agents"), ((name, ", ".join(found)) for name, found in names.items()))


def ladder() -> str:
    """Who is best where, by the published table."""
    (runs, _), preset = read_runs(TABLE), preset_of(TABLE)
    return markdown_table(
        *who_is_best(tables_of(preset, runs), aggregate_of(runs, PRESETS[preset].reference))
    )


def events() -> str:
    """The events of each domain."""
    rows = (
        (domain, f"`{event.name}`", f"`{event.needs}`" if event.needs else "-", f"{event.engagement:g}")
        for domain, table in EVENTS.items()
        for event in table
    )
    return markdown_table(("domain", "event", "needs", "weight"), rows)


def rewards() -> str:
    """The named rewards."""
    return markdown_table(("reward", "pays"), ((f"`{name}`", pays) for name, pays in REWARDS.items()))


def observation() -> str:
    """First and last column of each block of the observation "features", with the default arguments of the ids."""
    columns = []
    for row in ENVIRONMENTS:
        asked = Arguments.parse({"row": row._asdict()})
        engine, _ = make_engine(asked, task_world(asked), 1)
        columns.append((row.id.removeprefix("recgym/"), feature_blocks(engine)))
    places: dict[str, list[str]] = {}  # by block, one cell for each id
    for _, blocks in columns:
        first = 0
        for name, width in blocks.items():
            last = first + width - 1
            cell = "-" if width == 0 else f"{first}" if width == 1 else f"{first} to {last}"
            places.setdefault(name, []).append(cell)
            first += width
    return markdown_table(
        ("block", *(name for name, _ in columns)),
        ((name, *row) for name, row in places.items() if set(row) != {"-"}),
    )


def assumptions() -> str:
    """Low, middle and high of each assumed term of the shipped worlds, with the reason of the range."""
    rows: dict[str, list[str]] = {}
    worlds = _worlds()
    for world in worlds:
        for term, values in assumed_settings(world).items():
            cells = rows.setdefault(term, ["-"] * len(worlds))
            cells[worlds.index(world)] = " / ".join(f"{value:.3g}" for value in values)
    found = ((term, range_of(term)) for term in rows)
    reasons = {term: limits.reason for term, limits in found if limits is not None}
    return markdown_table(
        ("term", *(world.name for world in worlds), "range"),
        ((f"`{term}`", *cells, reasons[term]) for term, cells in rows.items()),
    )


def datasets() -> str:
    """The data sets that have a reader."""
    rows = (
        (
            row.about,
            f"`{name}`",
            row.domain or "stated",
            "; ".join(f"`{option}` {values}".strip() for option, values in row.options.items()),
            row.limits,
        )
        for name, row in SOURCES.items()
    )
    return markdown_table(("data set", "`source`", "domain", "options", "what to know"), rows)


Blocks = Mapping[str, Callable[[], str]]

README: Blocks = {"environments": environments, "families": families, "ladder": ladder}
PAGES: Mapping[str, Blocks] = {
    "README.md": README,
    "README.zh-CN.md": README,
    "docs/interface.md": {"agents": agents},
    "docs/fidelity.md": {"fidelity": fidelity, "terms": terms},
    "docs/own-log.md": {"datasets": datasets},
    "docs/contract.md": {
        "environments": environments,
        "events": events,
        "rewards": rewards,
        "observation": observation,
        "assumptions": assumptions,
    },
}
"""The generated tables of each page."""


def fill(text: str, blocks: Blocks) -> str:
    """The text with every block updated; ValueError where a mark is missing."""
    for name, make in blocks.items():
        pattern = re.compile(rf"(<!-- begin: {name} -->\n).*?(<!-- end: {name} -->)", re.DOTALL)
        found = pattern.search(text)
        if found is None:
            raise ValueError(f"the page lacks the marks <!-- begin: {name} --> and <!-- end: {name} -->")
        before, inside, after = text[: found.end(1)], make(), text[found.start(2) :]
        text = f"{before}{inside}\n{after}"
    return text


if __name__ == "__main__":
    root = Path(sys.argv[1] if len(sys.argv) > 1 else "README.md").parent
    for page, blocks in PAGES.items():
        place = root / page
        place.write_text(fill(place.read_text(encoding="utf-8"), blocks), encoding="utf-8")
