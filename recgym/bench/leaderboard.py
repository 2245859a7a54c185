"""Runs -> rows of the leaderboard: pairs on common random numbers, scores, marks for too few seeds."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from recgym.bench.report_page import line_of
from recgym.bench.run_folder import load_record, run_folders
from recgym.bench.suite import PRESETS
from recgym.evaluate.metrics import Score, coverage, exposure_counts, exposure_gini, response_rate, score
from recgym.evaluate.stats import Interval, paired_difference, t_interval
from recgym.storage import check_keys, parse_json, refusing

RANDOM, ORACLE, PLAN, OURS = "random", "oracle", "oracle-plan", "dcf-dqn"
UNLEARNED = frozenset((RANDOM, ORACLE, PLAN, "logged"))  # their sessions, not their seeds, are the units
PUBLISHED, PRELIMINARY = 20, 10  # seeds
_MOST_ITEMS = 10_000_000  # of an environment, in what a report reads


class Judged(NamedTuple):
    """One run that worked: its record, the returns of its sessions, and its figures from them."""

    record: dict[str, Any]
    first: int  # seed of the first session, the others follow it: what must agree for a pair
    returns: NDArray[np.float64]  # (S,)
    length: float
    response_rate: float
    coverage: float
    gini: float
    facts: dict[str, Any]


class Row(NamedTuple):
    """One agent in one experiment."""

    agent: str
    seeds: int
    value: Interval  # mean return over seeds and sessions
    gain: Interval | None  # over random, paired; None for random itself and where no pair exists
    lead: Interval | None  # of OURS over it, paired; None for OURS itself and where no pair exists
    score: Score | None
    length: float
    response_rate: float
    coverage: float
    gini: float
    seconds: float  # of the CPU, preparing and training


@dataclass(frozen=True)
class Leaderboard:
    """One experiment of a preset."""

    preset: str
    experiment: str
    env_id: str
    world: str
    env_steps: int
    sessions: int  # judged, a seed
    seeds: int  # the fewest of any agent
    rows: tuple[Row, ...]
    planning: Interval | None  # oracle-plan over oracle, paired
    card_planning: Any  # the same from the world's card, as it stands there
    is_assumed: bool  # the reward rests on assumed parameters
    notes: tuple[str, ...] = field(default=())
    arguments: str = ""  # JSON of the environment's, where the experiment has its own

    @property
    def mark(self) -> str:
        """What too few seeds forbid, "" for a table that may be published."""
        if self.seeds < PRELIMINARY:
            return f"smoke run: {self.seeds} seed{'s' * (self.seeds != 1)}, not ranked"
        return f"preliminary: {self.seeds} seeds" if self.seeds < PUBLISHED else ""


def read_runs(out: Path) -> tuple[list[Judged], list[dict[str, Any]]]:
    """Runs of a folder that worked, and the records of those that failed; both in the order of their ids.

    ValueError where one is damaged.
    """
    judged, failed = [], []
    for folder in run_folders(out):
        record = load_record(folder)
        if record["status"] == "error":
            failed.append(record)
        else:
            with refusing(folder / "sessions.parquet"):
                judged.append(_judge(record, folder / "sessions.parquet"))
    return judged, failed


def _judge(record: dict[str, Any], path: Path) -> Judged:
    table = pq.read_table(path)
    facts = parse_json(table.schema.metadata[b"recgym"], "its metadata")
    kinds = {"num_items": int, "events": list, "reward_is_assumed": int, "planning": (dict, type(None))}
    check_keys(facts, kinds, "its metadata")
    if not 1 <= facts["num_items"] <= _MOST_ITEMS or not np.isfinite(table["return"].to_numpy()).all():
        raise ValueError("num_items or a return is out of range")
    items = table["items"].combine_chunks().flatten().to_numpy()
    counts = exposure_counts(items, facts["num_items"])
    return Judged(
        record,
        table["seed"][0].as_py(),
        table["return"].to_numpy(),
        float(table["length"].to_numpy().mean()),
        response_rate(table[facts["events"][0]].to_numpy(), table["shown"].to_numpy()),
        coverage(counts),
        exposure_gini(counts),
        facts,
    )


def _pairs(ours: dict[int, Judged], theirs: dict[int, Judged]) -> list[int]:
    """Seeds at which both met the same users in the same world and task; one may have met the first few alone."""
    return [
        run
        for run in sorted(ours.keys() & theirs.keys())
        if ours[run].first == theirs[run].first and _setting(ours[run]) == _setting(theirs[run])
    ]


def _setting(run: Judged) -> tuple[str, dict[str, Any]]:
    """The world as it is, wherever it is stored, and the environment's other arguments."""
    env = run.record["env"]
    return env["world_sha256"], {name: value for name, value in env["kwargs"].items() if name != "world"}


def _shared(*runs: Judged) -> tuple[NDArray[np.float64], ...]:
    """Returns of the visits that all of them played."""
    num = min(len(run.returns) for run in runs)
    return tuple(run.returns[:num] for run in runs)


def _difference(ours: dict[int, Judged], theirs: dict[int, Judged]) -> Interval | None:
    runs = _pairs(ours, theirs)
    if not runs:
        return None
    names = {judged[runs[0]].record["agent"]["name"] for judged in (ours, theirs)}
    returns = [_shared(ours[run], theirs[run]) for run in runs]
    return paired_difference(
        [mine for mine, _ in returns],
        [their for _, their in returns],
        is_learned=not names <= UNLEARNED,
    )


def _score(agents: dict[str, dict[int, Judged]], agent: str) -> Score | None:
    """Score on the seeds and visits that the agent, random and oracle-plan share; None where there are none."""
    if RANDOM not in agents or PLAN not in agents:
        return None
    runs = set(_pairs(agents[agent], agents[RANDOM])) & set(_pairs(agents[agent], agents[PLAN]))
    if not runs:
        return None
    lines = [agents[name] for name in (agent, RANDOM, PLAN)]
    means = np.mean(
        [[r.mean() for r in _shared(*(line[run] for line in lines))] for run in sorted(runs)], axis=0
    )
    return score(*(float(mean) for mean in means))


def _row(agents: dict[str, dict[int, Judged]], agent: str) -> Row:
    runs = [agents[agent][run] for run in sorted(agents[agent])]

    def mean(values: Iterable[float]) -> float:
        return float(np.mean(list(values)))

    single = len(runs) == 1
    return Row(
        agent,
        len(runs),
        t_interval(runs[0].returns if single else [run.returns.mean() for run in runs]),
        _difference(agents[agent], agents[RANDOM]) if agent != RANDOM and RANDOM in agents else None,
        _difference(agents[OURS], agents[agent]) if agent != OURS and OURS in agents else None,
        _score(agents, agent),
        mean(run.length for run in runs),
        mean(run.response_rate for run in runs),
        mean(run.coverage for run in runs),
        mean(run.gini for run in runs),
        mean(run.record["timing"]["prepare_s"] + run.record["timing"]["train_s"] for run in runs),
    )


def _order(preset: str, experiment: str) -> tuple[int, str]:
    names = [row.name for row in PRESETS[preset].experiments] if preset in PRESETS else []
    plain = experiment.partition("+")[0]
    return (names.index(plain) if plain in names else len(names), experiment)


def _agent_order(preset: str, line: str) -> tuple[int, str]:
    names = [entry.line for entry in PRESETS[preset].entries] if preset in PRESETS else []
    return (names.index(line) if line in names else len(names), line)


def _notes(rows: list[Row], agents: dict[str, dict[int, Judged]]) -> tuple[str, ...]:
    notes = []
    for row in rows:
        if row.score is not None and row.score.is_above_oracle_plan:
            notes.append(f"{row.agent} lies above oracle-plan, the reference of score 1: to be looked into")
    undefined = {row.score.note for row in rows if row.score is not None and row.score.value is None}
    notes += [f"score undefined: {note}" for note in sorted(undefined)]
    visits = {line: min(len(run.returns) for run in runs.values()) for line, runs in agents.items()}
    notes += [
        f"{line} is judged on the first {num} of these visits, and set beside others on these alone"
        for line, num in visits.items()
        if num < max(visits.values())
    ]
    settings = [_setting(run) for runs in agents.values() for run in runs.values()]
    worlds = {world for world, _ in settings}
    if len(worlds) > 1:
        notes.append(
            f"runs come from {len(worlds)} versions of the world; only those of one version are paired"
        )
    kinds = {json.dumps(arguments, sort_keys=True) for _, arguments in settings}
    if len(kinds) > 1:
        notes.append(
            f"runs come from {len(kinds)} settings of the environment; only those of one setting are paired"
        )
    return tuple(notes)


def _table(preset: str, experiment: str, runs: list[Judged]) -> Leaderboard:
    agents: dict[str, dict[int, Judged]] = {}
    for run in runs:
        agents.setdefault(line_of(run.record["run_id"], run.record["experiment"]), {})[
            run.record["seed"]["run"]
        ] = run
    rows = [_row(agents, agent) for agent in sorted(agents, key=lambda name: _agent_order(preset, name))]
    seeds = min(row.seeds for row in rows)
    if seeds >= PRELIMINARY:
        rows.sort(key=lambda row: -row.value.mean)
    planning = _difference(agents[PLAN], agents[ORACLE]) if {PLAN, ORACLE} <= agents.keys() else None
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
        planning,
        first.facts["planning"],
        bool(first.facts["reward_is_assumed"]),
        _notes(rows, agents),
        json.dumps(first.record["env"]["kwargs"]) if "+" in experiment else "",
    )


def tables_of(preset: str, runs: list[Judged]) -> list[Leaderboard]:
    """One table an experiment, in the suite's order."""
    names = sorted({run.record["experiment"] for run in runs}, key=lambda name: _order(preset, name))
    return [_table(preset, name, [run for run in runs if run.record["experiment"] == name]) for name in names]


def text(value: float, digits: int = 3) -> str:
    """A number of some significant digits without an exponent; a dash for NaN."""
    if math.isnan(value):
        return "-"
    if value == 0:
        return "0"
    places = max(digits - 1 - math.floor(math.log10(abs(value))), 0)
    return f"{value:.{min(places, 6)}f}"


def cells(row: Row) -> list[str]:
    """A row as text, in the order of HEAD."""
    gain = "" if row.gain is None else _with_bounds(row.gain)
    scored = "" if row.score is None else "undefined" if row.score.value is None else f"{row.score.value:.2f}"
    if row.score is not None and row.score.is_above_oracle_plan:
        scored += " (!)"
    return [
        row.agent,
        text(row.value.mean),
        gain,
        "" if row.lead is None else _with_bounds(row.lead),
        scored,
        f"{row.response_rate:.3f}",
        f"{row.length:.1f}",
        f"{text(100 * row.coverage, 2)} %",
        f"{row.seconds:.1f}",
    ]


HEAD = (
    "agent",
    "return",
    "over random, paired 95 %",
    "dcf-dqn over it, paired 95 %",
    "score",
    "response rate",
    "length",
    "coverage",
    "CPU seconds",
)


def _with_bounds(interval: Interval) -> str:
    mean = f"{interval.mean:+.2f}"
    if math.isnan(interval.low):
        return mean
    return f"{mean} [{interval.low:+.2f}, {interval.high:+.2f}]"


def describe_planning(table: Leaderboard) -> str:
    """How much planning is worth here, in one sentence; "" where nothing tells."""
    if table.planning is None:
        return ""
    worth = _with_bounds(table.planning)
    if table.planning.low <= 0:
        return f"Planning (oracle-plan over oracle) is worth {worth}: possibly nothing, as in a bandit."
    return f"Planning (oracle-plan over oracle) is worth {worth}."
