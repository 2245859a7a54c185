"""Agents compared over all environments of a preset: interquartile mean of scores, improvement, Holm's correction.

Axes: S random seeds of an environment.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from recgym.arrays import Array
from recgym.bench.experiment import title_of
from recgym.bench.judged_runs import (
    MIN_SEEDS_COMPARED,
    ORACLE_PLAN,
    RANDOM,
    UNLEARNED,
    JudgedRun,
    runs_by_agent,
    seed_scores,
)
from recgym.bench.leaderboard import Leaderboard, Row
from recgym.evaluate.aggregate import holm, iqm_interval, probability_of_improvement, t_p_value
from recgym.evaluate.stats import Interval

LEVEL = 0.05  # of the tests together
MIN_ENVIRONMENTS = 2
UNDECIDED = (
    "* undecided although its 95 % interval excludes 0: the interval is of one comparison, "
    f"the correction keeps the chance of any wrong decision among all of them below {LEVEL:g}"
)
_HEAD = "agent", "interquartile mean of scores, 95 %", "probability that {} improves on it"
SCALE_ENDS = (RANDOM, ORACLE_PLAN)  # their scores are 0 and 1


class AggregateRow(NamedTuple):
    """One agent over all environments."""

    agent: str
    iqm: Interval  # of the scores of all seeds
    improvement: Interval | None  # probability that a seed of the reference is above one of this agent


class Aggregate(NamedTuple):
    """The agents of a preset that have scores in all of its environments."""

    environments: tuple[str, ...]
    reference: str
    rows: tuple[AggregateRow, ...]  # largest interquartile mean first
    left_out: tuple[str, ...] = ()  # agents without a score in some of the environments


def aggregate_of(runs: Sequence[JudgedRun], reference: str) -> Aggregate | None:
    """The comparison; None where fewer than two environments have scores of two shared seeds."""
    experiments: dict[str, list[JudgedRun]] = {}
    for run in runs:
        experiments.setdefault(run.record["experiment"], []).append(run)
    names = {name: title_of(own[0].record["env"]["id"], name) for name, own in experiments.items()}
    scores: dict[str, dict[str, Array]] = {}
    agents: set[str] = set()
    for name, own in experiments.items():
        lines = runs_by_agent(own)
        agents |= lines.keys()
        found = {line: seed_scores(lines, line) for line in lines}
        known = {line: values for line, values in found.items() if values is not None}
        if known:
            scores[name] = known
    if len(scores) < MIN_ENVIRONMENTS:
        return None
    everywhere = set.intersection(*(set(each) for each in scores.values()))
    tasks = {line: [scores[name][line] for name in scores] for line in sorted(everywhere - set(SCALE_ENDS))}
    if not tasks:
        return None
    rows = [
        AggregateRow(
            line,
            iqm_interval(own),
            probability_of_improvement(tasks[reference], own)
            if reference in tasks and line != reference
            else None,
        )
        for line, own in tasks.items()
    ]
    rows.sort(key=lambda row: -row.iqm.mean)
    left_out = tuple(sorted(agents - tasks.keys() - set(SCALE_ENDS)))
    return Aggregate(tuple(names[name] for name in scores), reference, tuple(rows), left_out)


def describe_left_out(found: Aggregate) -> str:
    """The agents that the comparison lacks, in one sentence; "" where it has all."""
    if not found.left_out:
        return ""
    return f"Left out, without a score in every one of these environments: {', '.join(found.left_out)}."


def aggregate_table(found: Aggregate) -> tuple[list[str], list[list[str]]]:
    """Names and rows as text; without the column of the reference where that has no runs in all environments."""
    rows = [
        [
            row.agent,
            *("" if each is None else "{:.2f} [{:.2f}, {:.2f}]".format(*each[:3]) for each in row[1:]),
        ]
        for row in found.rows
    ]
    width = 3 if any(row[2] for row in rows) else 2
    return [name.format(found.reference) for name in _HEAD[:width]], [row[:width] for row in rows]


def decisions(tables: Sequence[Leaderboard]) -> dict[tuple[str, str], str]:
    """Whether the reference is "above", "below" or "undecided against" each agent of each experiment.

    By Holm's correction over all comparisons of the ranked tables; agents without one are left out, and where one of
    the two learns those that share fewer than two seeds with the reference: one training decides nothing.
    """
    gains = {
        (table.experiment, row.agent): row.reference_gain
        for table in tables
        if table.is_ranked
        for row in table.rows
        if row.reference_gain is not None
        and (row.reference_seeds >= MIN_SEEDS_COMPARED or {table.reference, row.agent} <= UNLEARNED)
    }
    adjusted = holm({"\n".join(key): t_p_value(gain) for key, gain in gains.items()}) if gains else {}
    return {
        key: ("above" if gain.mean > 0 else "below")
        if adjusted["\n".join(key)] < LEVEL
        else "undecided against"
        for key, gain in gains.items()
    }


def _is_remarkable(table: Leaderboard, row: Row, found: Mapping[tuple[str, str], str]) -> bool:
    """Whether a comparison is undecided although its interval excludes 0."""
    gain, side = row.reference_gain, found.get((table.experiment, row.agent), "")
    return gain is not None and side.startswith("undecided") and not gain.low <= 0.0 <= gain.high


def corrected_lines(tables: Sequence[Leaderboard]) -> list[str]:
    """Agents that the reference is above, below, or undecided against in each environment, by Holm's correction."""
    found = decisions(tables)
    if not found:
        return []
    reference = tables[0].reference
    lines = [f"With Holm's correction over {len(found)} comparisons (level {LEVEL:g}), {reference} is"]
    for table in tables:
        groups: dict[str, list[str]] = {"above": [], "below": [], "undecided against": []}
        for row in table.rows:
            if (side := found.get((table.experiment, row.agent))) is not None:
                groups[side].append(row.agent)
        named = "; ".join(f"{side} {', '.join(agents)}" for side, agents in groups.items() if agents)
        if named:
            lines.append(f"* in {title_of(table.env_id, table.experiment)}: {named}")
    if any(_is_remarkable(table, row, found) for table in tables for row in table.rows):
        lines.append(UNDECIDED)
    return lines
