"""A world's card as Markdown: what was fitted, what is assumed, and how true it is to its log."""

from typing import Any

from recgym.sim.world import World
from recgym.storage import refusing


def card_markdown(world: World) -> str:
    """The card; a world without one says so. ValueError where it is not as `fit` writes it."""
    if not world.card:
        return f"# {world.name}\n\nThis world has no card.\n"
    with refusing(f"the card of world {world.name}"):
        return _markdown(world)


def _markdown(world: World) -> str:
    card = world.card
    worse = worse_than_baselines(card)
    lines = [*([f"**{worse}**", ""] if worse else []), f"# {world.name} ({world.domain})", ""]
    if card.get("unfinished"):
        left = " and ".join(card["unfinished"]["left"])
        lines += [f"Its fit was stopped before its {left}: the same command goes on.", ""]
    lines += [f"* {name}: {_text(card[name])}" for name in _HEAD if card.get(name)]
    if card.get("planning"):
        lines.append(f"* planning: {planning_text(card['planning'])}")
        lines += ["", *planning_terms_table(card["planning"].get("terms", []))]
    lines += ["", "## How true it is to its log", "", *_figures(card), ""]
    lines += ["## What is fitted and what is assumed", "", *_terms(card.get("terms", [])), ""]
    if card.get("notes"):
        lines += ["## Notes", "", *(f"* {note}" for note in card["notes"]), ""]
    return "\n".join(lines)


LOSS, MARGIN = "log-loss of ", 0.001  # figures that are losses in nats; what rounding may add


def worse_than_baselines(card: dict[str, Any]) -> str:
    """On which figures of its own log a world forecasts worse than a baseline, in one line; empty where on none."""
    found = []
    for row in card.get("figures", []):
        if row["toy"] is None or not row["figure"].startswith(LOSS) or "gain on" in row["figure"]:
            continue
        if row["world"] - row["toy"] > MARGIN:
            found.append(
                f"{row['figure'].removeprefix(LOSS)} {row['world']:.3f} nats against {row['toy']:.3f} of "
                f"{row['toy_name']} ({row['n']:,} rows, judges the {row['judges']})"
            )
    return f"On its own log this world loses to a baseline: {'; '.join(found)}" if found else ""


_HEAD = ("sources", "licence", "citation", "period", "rows", "command", "log", "validated", "rewards_assumed")


def planning_text(worth: dict[str, Any]) -> str:
    """How much planning is worth, as one line: oracle-plan over oracle on the same users."""
    share = 100.0 / max(abs(worth["oracle"]), 1e-9)
    low, high = worth["low"], worth["high"]
    return (
        f"looking ahead is worth {worth['difference']:+.3f} a session, 95 % [{low:+.3f}, {high:+.3f}], "
        f"{worth['difference'] * share:+.1f} % [{low * share:+.1f}, {high * share:+.1f}] of the "
        f"oracle's {worth['oracle']:.3f}, over {worth['sessions']} users"
        + ("; possibly nothing: a bandit" if worth["is_bandit"] else "")
    )


def planning_terms_table(terms: list[dict[str, Any]]) -> list[str]:
    """What each term of the session model adds to the worth of planning, as lines of Markdown; none without terms."""
    if not terms:
        return []
    lines = [
        "## What makes planning worth something",
        "",
        "Gain of oracle-plan over oracle with the term switched off (visits last as before), and what the term adds.",
        "",
        "| term | gain without it | 95 % | adds |",
        "| --- | --- | --- | --- |",
    ]
    return lines + [
        f"| {row['term']} | {100 * row['gain']:+.1f} % | {100 * row['low']:+.1f} to {100 * row['high']:+.1f} | "
        f"{100 * row['adds']:+.1f} |"
        for row in terms
    ]


def _figures(card: dict[str, Any]) -> list[str]:
    """The table of figures, with what the log said nothing about below it."""
    lines = [
        "| figure | judges | log | world | toy | 95 % | noise | n |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in card.get("figures", []):
        toy = _text(row["toy"]) + (f" ({row['toy_name']})" if row.get("toy_name") else "")
        bounds = "" if row["low"] is None else f"{_text(row['low'])} to {_text(row['high'])}"
        cells = [
            row["figure"],
            row["judges"],
            _text(row["log"]),
            _text(row["world"]) + _outside(row),
            toy,
            bounds,
            _text(row.get("noise")),
            f"{row['n']:,}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    told = [f"* judged on {', '.join(card['judged'])}"] if card.get("judged") else []
    told += [f"* left out: {row['figures']}: {row['why']}" for row in card.get("left_out", [])]
    return [*lines, "", *_HOW, *told]


_HOW = (
    "* 95 % is the log's interval, the world's where the log has no such figure by itself. Of distances (calibration "
    "error, largest gap, Kolmogorov-Smirnov) it leaves out what chance alone adds.",
    "* noise bounds, 19 times in 20, how far two random halves of the log lie apart; the classifier's is its figure "
    "for two simulations of one world. A classifier at .5 tells nothing apart.",
    "* of several toys the best is shown. Gain on boosted trees: what the world's forecasts gain on those of trees "
    "that are given the same; the trees' own figure stands as the toy.",
    "* drawn to match: the world was drawn to have it, so it says nothing of what is held out.",
)


def _outside(row: dict[str, Any]) -> str:
    """A mark where the world's figure leaves the interval of the log's; what never happened in the log has none."""
    if row["log"] is None or row["low"] is None or row["low"] <= row["world"] <= row["high"]:
        return ""
    return "" if row["low"] == row["high"] == 0 else " (outside)"


def _terms(terms: list[dict[str, Any]]) -> list[str]:
    lines = ["| term | status | value | where from |", "| --- | --- | --- | --- |"]
    for row in terms:
        cells = [row["term"], row["status"], _text(row["value"]), row["source"]]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(_text(entry) for entry in value) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_text(entry)}" for key, entry in value.items())
    return str(value)
