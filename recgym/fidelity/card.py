"""The card of a world as Markdown: fidelity figures and the provenance of each term."""

from collections.abc import Iterable, Mapping
from typing import Any

from recgym.fidelity.card_metrics import RANDOM, Figure, figures_of
from recgym.fidelity.card_summary import summary
from recgym.sim.world import World
from recgym.storage import refusing


def card_markdown(world: World) -> str:
    """The card, or a line that there is none; ValueError where the card is not as `fit` writes it."""
    if not world.card:
        return f"# {world.name}\n\nThis world has no card.\n"
    with refusing(f"the card of world {world.name}"):
        return _markdown(world)


def _markdown(world: World) -> str:
    card = world.card
    worse = worse_than_baselines(card)
    lines = [*([f"**{worse}**", ""] if worse else []), f"# {world.name} ({world.domain})", ""]
    for line in summary(card):  # paragraphs: a list would join the one below
        lines += [line, ""]
    if card.get("unfinished"):
        left = " and ".join(card["unfinished"]["left"])
        lines += [f"Its fit was stopped before its {left}: the same command resumes it.", ""]
    lines += [f"* {name}: {value_text(card[name])}" for name in _HEAD if card.get(name)]
    if card.get("planning"):
        lines.append(f"* planning: {planning_text(card['planning'], card.get('terms', []))}")
        lines += ["", *planning_terms_table(card["planning"].get("terms", []))]
    lines += ["", "## Fidelity to its log", "", *_figure_lines(card), ""]
    lines += ["## What is fitted and what is assumed", "", *_term_lines(card.get("terms", [])), ""]
    if card.get("notes"):
        lines += ["## Notes", "", *(f"* {note}" for note in card["notes"]), ""]
    return "\n".join(lines)


ADVICE = (
    "Agents may learn what is not so. A loss below the figure's noise may be chance; else fit more days of the log, "
    "or fewer learnt terms: FitConfig(guard=4) in Python keeps those that gain 4 standard errors on held-out rows"
)


def worse_than_baselines(card: dict[str, Any]) -> str:
    """The log-losses of a card that are above those of a baseline, as one line; empty where there are none."""
    places: dict[str, list[str]] = {"its own log": [], "the randomised test": []}
    for row in figures_of(card):
        if row.is_worse:
            place = "the randomised test" if row.id.startswith(RANDOM) else "its own log"
            places[place].append(
                f"{row.text.removeprefix('randomised test: ').removeprefix('log-loss of ')} {row.world:.3f} nats "
                f"against {row.baseline:.3f} of {row.baseline_name} ({row.n:,} rows, judges the {row.judges})"
            )
    found = [
        f"On {place} this world loses to a baseline: {'; '.join(lines)}"
        for place, lines in places.items()
        if lines
    ]
    return ". ".join([*found, ADVICE]) if found else ""


_HEAD = (
    "sources", "licence", "citation", "period", "looked_at", "rows", "population", "command", "log", "validated",
    "rewards_assumed",
)  # fmt: skip


# terms by which a slate changes later steps: planning is worth what they say
_DYNAMIC = ("leave_run", "leave_repeat", "leave_item", "leave_idle", "push", "eta", "kappa", "rho")


def planning_text(worth: dict[str, Any], terms: Iterable[Mapping[str, Any]] = ()) -> str:
    """The worth of planning as one line: the return of oracle-plan less that of oracle, on the same users.

    It names those of a card's `terms` that are assumed and by which a slate changes later steps.
    """
    assumed = [row["term"] for row in terms if row["status"] == "assumed" and row["term"] in _DYNAMIC]
    share = 100.0 / max(abs(worth["oracle"]), 1e-9)
    low, high = worth["low"], worth["high"]
    return (
        f"planning is worth {worth['difference']:+.3f} a session, 95 % [{low:+.3f}, {high:+.3f}], "
        f"{worth['difference'] * share:+.1f} % [{low * share:+.1f}, {high * share:+.1f}] of the "
        f"oracle's {worth['oracle']:.3f}, over {worth['sessions']} users"
        + ("; possibly nothing: a bandit" if worth["is_bandit"] else "")
        + (f"; rests on {', '.join(assumed)}, assumed" if assumed else "")
    )


def planning_terms_table(terms: list[dict[str, Any]]) -> list[str]:
    """The contribution of each term of the session model to the worth of planning, as Markdown; empty without terms."""
    if not terms:
        return []
    lines = [
        "## The worth of planning by term",
        "",
        "Gain of oracle-plan over oracle without the term (at the same mean session length), and the difference.",
        "",
        "| term | gain without it | 95 % | adds |",
        "| --- | --- | --- | --- |",
    ]
    return lines + [
        f"| {row['term']} | {100 * row['gain']:+.1f} % | {100 * row['low']:+.1f} to {100 * row['high']:+.1f} | "
        f"{100 * row['adds']:+.1f} |"
        for row in terms
    ]


def _figure_lines(card: dict[str, Any]) -> list[str]:
    """The table of figures, and below it what was judged and what was left out."""
    lines = [
        "| figure | judges | log | world | baseline | 95 % | noise | n |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in figures_of(card):
        cells = [
            row.text,
            row.judges,
            value_text(row.log),
            value_text(row.world) + (" (outside)" if row.is_outside else ""),
            baseline_text(row),
            bounds_text(row),
            value_text(row.noise),
            f"{row.n:,}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    judged = [f"* no value: {row.text}: {row.why}" for row in figures_of(card) if row.why]
    judged += [f"* judged on {', '.join(card['judged'])}"] if card.get("judged") else []
    judged += [f"* left out: {row['figures']}: {row['why']}" for row in card.get("left_out", [])]
    return [*lines, "", *_NOTES, *judged]


_NOTES = (
    "* 95 %: interval of the log's figure, or of the world's where the log has none. Intervals of distances "
    "(calibration error, largest gap, Kolmogorov-Smirnov) are corrected for sampling noise.",
    "* noise: 95 % bound of the difference of two random halves of the log; for a free-running distance or classifier, "
    "its figure for two halves; for the classifier one step ahead, for two simulations. A classifier at .5 cannot "
    "separate log and world.",
    "* free-running: the world draws whole visits under its logging policy; other figures are one step ahead of a log.",
    "* one step ahead, forecasts (log-loss, AUC, calibration, correlation with the row before) use the posterior means "
    "of users; rates, variance between users, tastes and the classifier use simulated users, who are drawn from their "
    "posterior where the world has one, as in free-running visits and environments.",
    "* baseline: the best of several. Gain on boosted trees: the world's figure less that of trees with the same "
    "inputs; the baseline is the figure of the trees.",
    "* drawn to match: the draw of the world aimed at the log's figure; the world's is what it reached, no forecast of "
    "held-out rows.",
)


def _term_lines(terms: list[dict[str, Any]]) -> list[str]:
    lines = ["| term | status | value | source |", "| --- | --- | --- | --- |"]
    for row in terms:
        cells = [row["term"], row["status"], value_text(row["value"]), row["source"]]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def baseline_text(row: Figure) -> str:
    """A figure's baseline and its name; empty without one."""
    return value_text(row.baseline) + (f" ({row.baseline_name})" if row.baseline_name else "")


def bounds_text(row: Figure) -> str:
    """A figure's interval; empty without one."""
    return "" if row.low is None else f"{value_text(row.low)} to {value_text(row.high)}"


def value_text(value: Any) -> str:
    """A value of a card as a cell of a table: four significant digits of a number, empty for None."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value + 0.0:.4g}"
    if isinstance(value, list):
        return ", ".join(value_text(entry) for entry in value) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{key} {value_text(entry)}" for key, entry in value.items())
    return str(value)
