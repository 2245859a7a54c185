"""Runs to leaderboards: one table for each experiment, one row for each agent."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median_low
from typing import Any, NamedTuple

import numpy as np

from recgym.bench.judged_runs import (
    ORACLE,
    ORACLE_PLAN,
    RANDOM,
    JudgedRun,
    SeedRuns,
    agent_score,
    difference,
    fewer_sessions,
    runs_by_agent,
    shared_seeds,
)
from recgym.bench.suite import PRESETS
from recgym.evaluate.metrics import Score
from recgym.evaluate.stats import Interval, t_interval

MIN_SEEDS_RANKED, MIN_SEEDS_PUBLISHED = 10, 20


class Row(NamedTuple):
    """One agent in one experiment."""

    agent: str
    seeds: int
    value: Interval  # mean return over seeds and sessions
    gain: Interval | None  # over random, paired; None for random itself and where no seed is shared
    reference_gain: Interval | None  # of the preset's reference over this agent, paired; None as for `gain`
    score: Score | None
    length: float
    response_rate: float
    coverage: float
    gini: float
    seconds: float  # of the CPU, preparing and training
    reference_seeds: int = 0  # shared with the reference
    fewer_sessions: int = 0  # judged for each seed, where other agents have more; else 0
    paired_return: float | None = None  # where `fewer_sessions`: mean return of random plus `gain`
    is_above_plan: bool = False  # the interval of its paired difference to oracle-plan is above 0

    @property
    def compared(self) -> float:
        """The return beside those of the other rows: of fewer sessions by the paired gain over random."""
        return self.value.mean if self.paired_return is None else self.paired_return


@dataclass(frozen=True)
class Leaderboard:
    """One experiment of a preset."""

    preset: str
    experiment: str
    env_id: str
    world: str
    env_steps: int
    sessions: int  # judged, for each seed
    seeds: int  # lower median over the agents; those with fewer are in `notes`
    rows: tuple[Row, ...]
    planning: Interval | None  # oracle-plan over oracle, paired
    card_planning: Any  # the worth of planning on the world's card
    is_assumed: bool  # the reward rests on assumed parameters
    notes: tuple[str, ...] = ()
    arguments: str = ""  # JSON of the environment's, where not the preset's
    reference: str = ""  # the preset's reference agent
    learning: Interval | None = None  # reference as tuned over itself at discount 0, paired
    is_myopic: bool = False  # the reference as tuned has discount 0

    @property
    def is_ranked(self) -> bool:
        """Whether it has seeds enough for its rows to be in order."""
        return self.seeds >= MIN_SEEDS_RANKED

    @property
    def mark(self) -> str:
        """Remark on too few seeds; "" for a table that may be published."""
        if not self.is_ranked:
            return f"smoke run: {self.seeds} seed{'s' * (self.seeds != 1)}, not ranked"
        return f"preliminary: {self.seeds} seeds" if self.seeds < MIN_SEEDS_PUBLISHED else ""


def tables_of(preset: str, runs: list[JudgedRun]) -> list[Leaderboard]:
    """One table for each experiment, in the order of the suite."""
    names = sorted({run.record["experiment"] for run in runs}, key=lambda name: _order(preset, name))
    return [_table(preset, name, [run for run in runs if run.record["experiment"] == name]) for name in names]


def _order(preset: str, experiment: str) -> tuple[int, str]:
    names = [row.name for row in PRESETS[preset].experiments] if preset in PRESETS else []
    plain = experiment.partition("+")[0]
    return (names.index(plain) if plain in names else len(names), experiment)


def _agent_order(preset: str, line: str) -> tuple[int, str]:
    names = [entry.line for entry in PRESETS[preset].entries] if preset in PRESETS else []
    return (names.index(line) if line in names else len(names), line)


def _table(preset: str, experiment: str, runs: list[JudgedRun]) -> Leaderboard:
    agents = runs_by_agent(runs)
    reference = PRESETS[preset].reference if preset in PRESETS else ""
    ordered = sorted(agents, key=lambda name: _agent_order(preset, name))
    fewer = fewer_sessions(agents)
    rows = [_row(agents, agent, reference, fewer.get(agent, 0)) for agent in ordered]
    seeds = median_low(row.seeds for row in rows)
    if seeds >= MIN_SEEDS_RANKED:
        rows.sort(key=lambda row: -row.compared)
    first = runs[0]
    return Leaderboard(
        preset,
        experiment,
        first.record["env"]["id"],
        first.record["env"]["world"],
        first.record["budget"]["env_steps"],
        max(len(run.returns) for run in runs),
        seeds,
        tuple(rows),
        _gain_over(agents, ORACLE_PLAN, ORACLE),
        first.facts["planning"],
        bool(first.facts["reward_is_assumed"]),
        (*_notes(rows, fewer), *_seed_notes(rows, seeds)),
        json.dumps(first.record["env"]["kwargs"]) if "+" in experiment else "",
        reference,
        _gain_over(agents, reference, PRESETS[preset].myopic) if preset in PRESETS else None,
        any(run.record["agent"]["params"].get("discount") == 0 for run in agents.get(reference, {}).values()),
    )


def _gain_over(agents: dict[str, SeedRuns], agent: str, other: str) -> Interval | None:
    """Paired difference of two agents; None where they are one, or where one has no run."""
    if agent == other or not {agent, other} <= agents.keys():
        return None
    return difference(agents[agent], agents[other])


def _row(agents: dict[str, SeedRuns], agent: str, reference: str, fewer: int) -> Row:
    runs = [agents[agent][run] for run in sorted(agents[agent])]

    def mean(values: Iterable[float]) -> float:
        return float(np.mean(list(values)))

    single = len(runs) == 1
    gain, paired = _gain_over(agents, agent, RANDOM), None
    over_plan = _gain_over(agents, agent, ORACLE_PLAN)
    if fewer and gain is not None:
        paired = mean(run.returns.mean() for run in agents[RANDOM].values()) + gain.mean
    return Row(
        agent,
        len(runs),
        t_interval(runs[0].returns if single else [run.returns.mean() for run in runs]),
        gain,
        _gain_over(agents, reference, agent),
        agent_score(agents, agent),
        mean(run.length for run in runs),
        mean(run.response_rate for run in runs),
        mean(run.coverage for run in runs),
        mean(run.gini for run in runs),
        mean(run.record["timing"]["prepare_s"] + run.record["timing"]["train_s"] for run in runs),
        shared_seeds(agents[reference], agents[agent]) if reference in agents else 0,
        fewer,
        paired,
        over_plan is not None and over_plan.low > 0,
    )


def _seed_notes(rows: list[Row], seeds: int) -> list[str]:
    """Lines that have fewer seeds than most of the table: the runs that are still to come."""
    lines = [f"{row.agent} {row.seeds}" for row in rows if row.seeds < seeds]
    return [f"fewer seeds, preliminary: {', '.join(lines)}"] if lines else []


def _notes(rows: list[Row], fewer: dict[str, int]) -> tuple[str, ...]:
    notes = [
        f"{row.agent} is above oracle-plan, the reference of score 1: to be investigated"
        for row in rows
        if row.is_above_plan
    ]
    undefined = {row.score.note for row in rows if row.score is not None and row.score.value is None}
    notes += [f"score undefined: {note}" for note in sorted(undefined)]
    notes += [
        f"{line} is judged on the first {num} of these sessions; comparisons with it use only these"
        for line, num in fewer.items()
    ]
    return tuple(notes)
