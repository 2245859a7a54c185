"""Leaderboards as text: the head, cells and remarks of a table."""

import math
from collections.abc import Collection, Iterable

from recgym.bench.leaderboard import Leaderboard, Row
from recgym.evaluate.stats import Interval

GAIN_HEAD = "over random, paired 95 %"
REFERENCE_HEAD = "{} over it, paired 95 %"  # of the preset's reference agent


def head(table: Leaderboard) -> list[str]:
    """Names of the columns."""
    reference = [REFERENCE_HEAD.format(table.reference)] * bool(table.reference)
    measures = ["score", "response rate", "length", "coverage", "CPU seconds"]
    return ["agent", "return", GAIN_HEAD, *reference, *measures]


def cells(table: Leaderboard, row: Row) -> list[str]:
    """A row as text, in the order of `head`; a row of fewer sessions says so, and has no coverage."""
    scored = "" if row.score is None else "undefined" if row.score.value is None else f"{row.score.value:.2f}"
    if row.score is not None and row.score.low is not None:
        scored += f" [{row.score.low:.2f}, {row.score.high:.2f}]"
    if row.is_above_plan:
        scored += " (!)"
    return [
        row.agent,
        format_number(row.value.mean) + on_sessions(row),
        with_bounds(row.gain),
        *[with_bounds(row.reference_gain)] * bool(table.reference),
        scored,
        f"{row.response_rate:.3f}",
        f"{row.length:.1f}",
        "" if row.fewer_sessions else f"{format_number(100 * row.coverage, 2)} %",
        f"{row.seconds:.1f}",
    ]


def on_sessions(row: Row) -> str:
    """What stands behind the return of a row that is judged on fewer sessions than others; "" for another row."""
    return f" on {row.fewer_sessions:,} sessions" if row.fewer_sessions else ""


def filled_names(tables: Iterable[Leaderboard]) -> set[str]:
    """Names of the columns that a row of one of the tables fills: not of a reference, or a score, that no run has."""
    return {
        name
        for table in tables
        for row in table.rows
        for name, text in zip(head(table), cells(table, row), strict=True)
        if text
    }


def filled_columns(table: Leaderboard, filled: Collection[str]) -> tuple[list[str], list[list[str]]]:
    """Names and rows of a table without the columns that are not in `filled`, see `filled_names`."""
    names = head(table)
    kept = [k for k, name in enumerate(names) if name in filled]
    rows = [cells(table, row) for row in table.rows]
    return [names[k] for k in kept], [[row[k] for k in kept] for row in rows]


def format_number(value: float, digits: int = 3) -> str:
    """A number with some significant digits and no exponent; "-" for NaN."""
    if math.isnan(value):
        return "-"
    if value == 0:
        return "0"
    places = max(digits - 1 - math.floor(math.log10(abs(value))), 0)
    return f"{value:.{min(places, 6)}f}"


def with_bounds(interval: Interval | None) -> str:
    """A difference with the bounds of its interval, where it has some; "" for None."""
    if interval is None:
        return ""
    mean = f"{interval.mean:+.2f}"
    if math.isnan(interval.low):
        return mean
    return f"{mean} [{interval.low:+.2f}, {interval.high:+.2f}]"


def describe_judged(table: Leaderboard) -> str:
    """How a table was judged, what its reward rests on, and the worth of planning."""
    seeds = "1 seed: intervals are over its sessions" if table.seeds == 1 else f"{table.seeds} seeds"
    judged = f"{table.sessions:,} judged sessions a seed, {seeds}."
    assumed = "The reward rests on assumed parameters." if table.is_assumed else ""
    return " ".join(filter(None, (judged, assumed, describe_planning(table))))


def describe_learning(table: Leaderboard) -> str:
    """What reinforcement learning adds, in one sentence; "" where no run shows it."""
    if table.learning is not None:
        adds = with_bounds(table.learning)
        return f"Reinforcement learning ({table.reference} as tuned over itself at discount 0) adds {adds}."
    if table.reference and table.is_myopic:
        return f"Reinforcement learning adds nothing: {table.reference} as tuned has discount 0."
    return ""


def describe_planning(table: Leaderboard) -> str:
    """The worth of planning in one sentence; "" where no run shows it."""
    if table.planning is None:
        return ""
    worth = with_bounds(table.planning)
    if table.planning.high < 0:
        return f"Planning (oracle-plan over oracle) is worth {worth}: oracle-plan earns less."
    if table.planning.low <= 0:
        return f"Planning (oracle-plan over oracle) is worth {worth}: possibly nothing, as in a bandit."
    return f"Planning (oracle-plan over oracle) is worth {worth}."
