"""The second table of a report: what its runs show beyond return."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from recgym.bench.judged_runs import (
    ORACLE_PLAN,
    JudgedRun,
    SeedRuns,
    difference,
    fewer_sessions,
    runs_by_agent,
)
from recgym.bench.session_metrics import BY_SESSIONS, COLUMNS
from recgym.bench.table_text import format_number

SESSION_REGRET = "regret a session"
TIMES = {"act_1_ms": "act on 1 [ms]", "act_256_ms": "act on 256 [ms]"}


def beyond_return(runs: Iterable[JudgedRun], order: Sequence[str]) -> list[list[str]]:
    """The table of one experiment as text, head first: means over seeds; columns without a value are left out.

    An agent that is judged on fewer sessions than others has no figures that depend on their number (`BY_SESSIONS`).

    Args:
        runs: of one experiment.
        order: names of the agents, in the order of the rows.
    """
    agents = runs_by_agent(runs)
    columns: dict[str, list[float | None]] = {SESSION_REGRET: [_regret(agents, name) for name in order]}
    short = fewer_sessions(agents)
    columns |= {
        head: [None if name in short and key in BY_SESSIONS else _mean(agents[name], key) for name in order]
        for key, (head, _) in COLUMNS.items()
    }
    columns |= {head: [_mean(agents[name], key) for name in order] for key, head in TIMES.items()}
    kept = {head: values for head, values in columns.items() if any(value is not None for value in values)}
    if not kept:
        return []
    rows = [["agent", *kept]]
    for place, name in enumerate(order):
        values = [values[place] for values in kept.values()]
        rows.append([name, *("" if value is None else format_number(value) for value in values)])
    return rows


def _regret(agents: Mapping[str, SeedRuns], name: str) -> float | None:
    """Mean return of oracle-plan less that of an agent, on the sessions that both have."""
    if ORACLE_PLAN not in agents:
        return None
    found = difference(agents[ORACLE_PLAN], agents[name])
    return None if found is None else found.mean


def _mean(runs: SeedRuns, key: str) -> float | None:
    """Mean of a metric or a time over the seeds; None where a seed lacks it."""
    values = [{**run.facts.get("metrics", {}), **run.record["timing"]}.get(key) for run in runs.values()]
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None


def describe_columns() -> str:
    """What the columns of the second table mean, in one paragraph."""
    parts = [f"{head}: {about}" for head, about in COLUMNS.values()]
    first = f"{SESSION_REGRET}: return of oracle-plan less that of the agent, on the same sessions"
    last = (
        "act on 1 and 256: CPU milliseconds of one decision for so many sessions at once, the least of five"
    )
    return "Beyond return, means over seeds; " + "; ".join([first, *parts, last]) + "."
