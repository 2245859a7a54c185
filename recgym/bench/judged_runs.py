"""Completed runs read from their folders, and comparisons of agents under common random numbers."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recgym.arrays import Array, Doubles
from recgym.bench.experiment import EVALUATE, Entry, Experiment, Run, line_of
from recgym.bench.session_metrics import catalogue_of, session_metrics
from recgym.evaluate.metrics import (
    Score,
    coverage,
    exposure_counts,
    exposure_gini,
    paired_score,
    response_rate,
)
from recgym.evaluate.stats import Interval, paired_difference
from recgym.storage import check_keys, parse_json, read_parquet

RANDOM, ORACLE, ORACLE_PLAN = "random", "oracle", "oracle-plan"
PRIVILEGED = ORACLE, ORACLE_PLAN, "logged"  # agents that read the simulator; hollow in plots
# agents that learn nothing: the units of their intervals are sessions, not seeds
UNLEARNED = frozenset((RANDOM, *PRIVILEGED))
MIN_SEEDS_COMPARED = 2  # shared, for what a comparison says of trainings
CURVE = "train", "return"  # stage and figure of the learning curve
MAX_ITEMS = 10_000_000  # of an environment, as a bound on what is read
_PLANNING = {
    **dict.fromkeys(("difference", "low", "high", "oracle"), (int, float)),
    "sessions": int,
    "is_bandit": bool,
}


class JudgedRun(NamedTuple):
    """A completed run: its record, the returns of its S judged sessions, and figures of these."""

    record: dict[str, Any]
    first_seed: int  # of the first judged session; session i has first_seed + i
    returns: NDArray[np.float64]  # (S,)
    length: float  # mean slates of a session
    response_rate: float
    coverage: float
    gini: float
    facts: dict[str, Any]
    curve: tuple[tuple[int, float], ...] = ()  # mean return of training sessions by environment steps

    @property
    def setting(self) -> tuple[str, dict[str, Any]]:
        """Digest of the world, wherever it is stored, and the other arguments of the environment."""
        env = self.record["env"]
        return env["world_sha256"], {name: value for name, value in env["kwargs"].items() if name != "world"}


SeedRuns = dict[int, JudgedRun]  # runs of one agent in one experiment, by number of the random seed


def judged_run(record: dict[str, Any], folder: Path) -> JudgedRun:
    """A completed run from the files of its folder."""
    table = read_parquet(folder / "sessions.parquet")
    curve = read_parquet(folder / "curve.parquet").to_pylist()
    facts = parse_json(table.schema.metadata[b"recgym"], "its metadata")
    check_judged(facts, table["return"].to_numpy())
    columns = session_columns(table)
    check_first_seed(record, table["seed"][0].as_py())
    counts = exposure_counts(columns["items"], facts["num_items"])
    facts["metrics"] = session_metrics(columns, facts, catalogue_of(record["env"]))
    return JudgedRun(
        record,
        table["seed"][0].as_py(),
        table["return"].to_numpy(),
        float(table["length"].to_numpy().mean()),
        response_rate(table[facts["events"][0]].to_numpy(), table["shown"].to_numpy()),
        coverage(counts),
        exposure_gini(counts),
        facts,
        tuple((row["env_steps"], row["value"]) for row in curve if (row["stage"], row["figure"]) == CURVE),
    )


def session_columns(table: Any) -> dict[str, Array]:
    """Columns of sessions.parquet: of each session, and `items` of all sessions in order with `offsets` into them."""
    lists = {name: table[name].combine_chunks() for name in ("items", "named") if name in table.column_names}
    flat = {name: table[name].to_numpy() for name in table.column_names if name not in lists}
    flat |= {name: each.flatten().to_numpy() for name, each in lists.items()}
    return {**flat, "offsets": lists["items"].offsets.to_numpy()}


def check_judged(facts: dict[str, Any], returns: Doubles) -> None:
    """ValueError where facts of judged sessions are incomplete, or a number is out of range."""
    kinds = {"num_items": int, "events": list, "reward_is_assumed": int, "planning": (dict, type(None))}
    check_keys(facts, kinds, "the facts of its sessions")
    if not 1 <= facts["num_items"] <= MAX_ITEMS or not len(returns) or not np.isfinite(returns).all():
        raise ValueError("num_items or a return is out of range")
    metrics = facts.get("metrics", {})
    check_keys({"metrics": metrics}, {"metrics": dict}, "the facts of its sessions")
    check_keys(metrics, dict.fromkeys(metrics, (int, float)), "metrics")
    if odd := [name for name, value in metrics.items() if not np.isfinite(value)]:
        raise ValueError(f"metrics: {odd[0]} is {metrics[odd[0]]}, expected a finite number")
    if facts["planning"] is not None:
        check_keys(facts["planning"], _PLANNING, "planning")


def check_first_seed(record: Mapping[str, Any], first_seed: int) -> None:
    """ValueError unless the judged sessions have the users of the run's seed: else no agent has them."""
    own, entry = record["seed"], Entry(agent=record["agent"]["name"])
    experiment = Experiment(name=record["experiment"], env_id=record["env"]["id"])
    seed = Run(experiment=experiment, entry=entry, run=own["run"], entropy=own["entropy"]).env_seed(EVALUATE)
    if first_seed != seed:
        raise ValueError(f"its first_seed is {first_seed}, and {seed} follows from its seed and entropy")


def runs_by_agent(runs: Iterable[JudgedRun]) -> dict[str, SeedRuns]:
    """Runs of one experiment by the line of their agent in tables, then by number of the random seed."""
    agents: dict[str, SeedRuns] = {}
    for run in runs:
        line = line_of(run.record["run_id"], run.record["experiment"])
        agents.setdefault(line, {})[run.record["seed"]["run"]] = run
    return agents


def fewer_sessions(agents: Mapping[str, SeedRuns]) -> dict[str, int]:
    """Agents that are judged on fewer sessions for a seed than others, with that number, the smallest of its seeds."""
    sessions = {line: min(len(run.returns) for run in runs.values()) for line, runs in agents.items()}
    most = max(sessions.values())
    return {line: num for line, num in sessions.items() if num < most}


def _paired_seeds(first: SeedRuns, second: SeedRuns) -> list[int]:
    """Seeds at which both agents met the same users in the same world and task."""
    return [
        seed
        for seed in sorted(first.keys() & second.keys())
        if first[seed].first_seed == second[seed].first_seed and first[seed].setting == second[seed].setting
    ]


def shared_seeds(first: SeedRuns, second: SeedRuns) -> int:
    """Number of seeds at which two agents are compared, see `difference`."""
    return len(_paired_seeds(first, second))


def _common_returns(*runs: JudgedRun) -> tuple[NDArray[np.float64], ...]:
    """Returns of the first sessions, as many as all of the runs have."""
    num = min(len(run.returns) for run in runs)
    return tuple(run.returns[:num] for run in runs)


def difference(first: SeedRuns, second: SeedRuns) -> Interval | None:
    """Paired difference in return of two agents, first less second; None where no seed is shared."""
    seeds = _paired_seeds(first, second)
    if not seeds:
        return None
    names = {runs[seeds[0]].record["agent"]["name"] for runs in (first, second)}
    returns = [_common_returns(first[seed], second[seed]) for seed in seeds]
    return paired_difference(
        [ours for ours, _ in returns],
        [theirs for _, theirs in returns],
        is_learned=not names <= UNLEARNED,
    )


def _scored_seeds(agents: dict[str, SeedRuns], agent: str) -> list[tuple[NDArray[np.float64], ...]]:
    """Returns of an agent, random and oracle-plan on the sessions that all three share, one entry a shared seed."""
    if RANDOM not in agents or ORACLE_PLAN not in agents:
        return []
    runs = agents[agent]
    seeds = set(_paired_seeds(runs, agents[RANDOM])) & set(_paired_seeds(runs, agents[ORACLE_PLAN]))
    rows = [agents[name] for name in (agent, RANDOM, ORACLE_PLAN)]
    return [_common_returns(*(row[seed] for row in rows)) for seed in sorted(seeds)]


def _seed_means(returns: Sequence[tuple[NDArray[np.float64], ...]]) -> NDArray[np.float64]:
    """Mean returns (3, S) of each seed."""
    return np.array([[each.mean() for each in same] for same in returns]).T


def agent_score(agents: dict[str, SeedRuns], agent: str) -> Score | None:
    """Score on the seeds and sessions that the agent, random and oracle-plan share; None where there are none.

    The units of its interval are seeds; sessions where one seed is shared.
    """
    returns = _scored_seeds(agents, agent)
    if not returns:
        return None
    return paired_score(*(returns[0] if len(returns) == 1 else _seed_means(returns)))


def seed_scores(agents: dict[str, SeedRuns], agent: str) -> NDArray[np.float64] | None:
    """Scores (S,) of the seeds that the agent, random and oracle-plan share, on the scale of all of them together.

    None where they share fewer than two, or the score is undefined.
    """
    returns, found = _scored_seeds(agents, agent), agent_score(agents, agent)
    if len(returns) < MIN_SEEDS_COMPARED or found is None or found.value is None:
        return None
    own, random, plan = _seed_means(returns)
    return np.asarray((own - random) / (plan - random).mean())
