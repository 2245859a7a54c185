"""Who is best where: the reference of a preset beside the best other agent, one row an environment."""

from collections.abc import Sequence

from recgym.bench.all_environments import Aggregate, decisions
from recgym.bench.judged_runs import ORACLE, ORACLE_PLAN, RANDOM
from recgym.bench.leaderboard import Leaderboard, Row
from recgym.bench.suite import PRESETS
from recgym.bench.table_text import format_number, with_bounds

_READ_THE_SIMULATOR = (ORACLE, ORACLE_PLAN)


def who_is_best(
    tables: Sequence[Leaderboard], aggregate: Aggregate | None
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Head and rows as text: returns, and what the reference earns over the best other agent.

    Of an agent that is judged on fewer sessions (`oracle-plan`) the return is the mean of `random` on all sessions plus
    its paired gain over `random`. The best other agent is that of the highest return beside the reference's lines and
    the references that read the simulator. Differences are paired, with 95 % intervals. The decision is by Holm's
    correction over all comparisons, so it may be "undecided" where the interval excludes 0; a table that is not ranked
    has none.

    Args:
        tables: of one preset that has a reference.
        aggregate: of the same runs; its scores are the last row.
    """
    preset = PRESETS[tables[0].preset]
    decided = decisions(tables)
    shown = RANDOM, *_READ_THE_SIMULATOR, preset.reference
    not_other = {preset.reference, preset.myopic, *_READ_THE_SIMULATOR}
    rows = []
    for table in tables:
        agents = {row.agent: row for row in table.rows}
        others = [row for row in table.rows if row.agent not in not_other]
        best = max(others, key=lambda row: row.compared)
        decision = decided.get((table.experiment, best.agent), "").partition(" ")[0]
        rows.append(
            (
                f"`{table.env_id.removeprefix('recgym/')}`",
                *(_return(agents.get(name)) for name in shown),
                f"`{best.agent}` {_return(best)}",
                ", ".join(filter(None, (with_bounds(best.reference_gain), decision))),
                with_bounds(table.learning) or "discount 0" * table.is_myopic,
            )
        )
    if aggregate is not None:
        rows.append(_over_all(aggregate, not_other))
    returns = (f"`{name}`" for name in shown)
    seeds = min(table.seeds for table in tables)
    return (
        f"environment ({seeds} seeds)",
        *returns,
        "best other",
        f"`{preset.reference}` over it",
        "RL adds",
    ), rows


def _over_all(found: Aggregate, not_other: set[str]) -> tuple[str, ...]:
    """The row of scores; those of random and oracle-plan are 0 and 1."""
    iqm = {row.agent: f"{row.iqm.mean:.2f}" for row in found.rows}
    best = next(row for row in found.rows if row.agent not in not_other)
    chance = (
        ""
        if best.improvement is None
        else "probability of improvement {:.2f} [{:.2f}, {:.2f}]".format(*best.improvement)
    )
    own = iqm.get(found.reference, "")
    return "all: score", "0", iqm.get(ORACLE, ""), "1", own, f"`{best.agent}` {iqm[best.agent]}", chance, ""


def _return(row: Row | None) -> str:
    return "" if row is None else format_number(row.compared)
