"""Folders of runs with drawn returns, as `recgym bench` writes them: tables of any size without a simulator."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from bench_runs import env_of

from recgym.bench.experiment import EVALUATE, Entry, Experiment, Run
from recgym.bench.run import sessions_table
from recgym.bench.run_folder import SCHEMA, run_folder
from recgym.rollout.play import final_figures

MEANS = {"random": 1.0, "popularity": 1.4, "ucb1": 1.5, "oracle": 2.6, "oracle-plan": 3.0, "dcf-dqn": 2.4}
COMMIT = "a" * 40
ITEMS = 20


def record_of(
    experiment, agent, seed, *, commit=COMMIT, entropy=7, world="w" * 64, digest="00000000", params=None
):
    return {
        "schema": SCHEMA,
        "run_id": f"{experiment}-{agent}-{seed:03d}-{digest}",
        "experiment": experiment,
        "env": {
            "id": env_of(experiment.partition("@")[0]),
            "kwargs": {},
            "world": f"{experiment}-1",
            "world_sha256": world,
        },
        "agent": {"name": agent, "params": params or {}},
        "budget": {"env_steps": 1000, "offline_rows": 50},
        "seed": {"entropy": entropy, "run": seed},
        "status": "ok",
        "error": None,
        "final": {},
        "timing": {"prepare_s": 0.25, "train_s": 1.5 + seed, "evaluate_s": 0.125},
        "versions": {"python": "3.11", "recgym": "0.1.0"},
        "host": {"system": "Linux", "machine": "x", "cpu": "A <b>CPU</b>", "cores": 2},
        "git": {"sha": commit, "dirty": False},
        "files": {},
    }


def write_run(out, experiment, agent, seed, *, mean=None, sessions=30, error=None, **changes):
    record = record_of(experiment, agent, seed, **changes)
    words = [seed, *experiment.encode()]
    users = np.random.default_rng(words).integers(0, 9, sessions)
    rng = np.random.default_rng([*words, *agent.encode()])
    if error is not None:
        record |= {"status": "error", "error": error, "final": {}}
        with run_folder(out, record):
            return record
    shown = rng.integers(1, 6, sessions)
    own = Experiment(name=experiment, env_id=record["env"]["id"])
    entropy = record["seed"]["entropy"]
    judged = Run(experiment=own, entry=Entry(agent=agent), run=seed, entropy=entropy).env_seed(EVALUATE)
    columns = {
        "session": np.arange(sessions, dtype=np.int32),
        "seed": np.arange(sessions, dtype=np.uint64) + np.uint64(judged),
        "user": users.astype(np.int32),
        "context": np.zeros(sessions, np.int32),
        "return": rng.poisson(MEANS[agent] if mean is None else mean, sessions) + 0.1 * users,
        "length": shown.astype(np.int32),
        "shown": shown.astype(np.int32),
        "terminated": np.ones(sessions, np.bool_),
        "click": rng.integers(0, 2, sessions).astype(np.int32),
        "items": rng.integers(0, ITEMS, shown.sum()).astype(np.int32),
        "offsets": np.r_[0, np.cumsum(shown)].astype(np.int32),
    }
    facts = {
        "num_items": ITEMS,
        "events": ["click"],
        "reward_is_assumed": 0,
        "planning": None,
        "offline_sessions": 10,
        "training_kwargs": {},
    }
    record["final"] = final_figures(columns, facts)
    steps = [100 * k for k in range(1, 6)] if agent in ("ucb1", "dcf-dqn") else []
    curve = {
        "stage": ["train"] * len(steps),
        "env_steps": steps,
        "seconds": [0.1 * each for each in steps],
        "figure": ["return"] * len(steps),
        "value": [float(rng.normal(2.0)) for _ in steps],
    }
    kinds = (pa.string(), pa.int64(), pa.float64(), pa.string(), pa.float64())
    arrays = {name: pa.array(values, kind) for (name, values), kind in zip(curve.items(), kinds, strict=True)}
    with run_folder(out, record) as work:
        pq.write_table(sessions_table(columns, facts), work / "sessions.parquet")
        pq.write_table(pa.table(arrays), work / "curve.parquet")
    return json.loads((out / record["run_id"] / "run.json").read_text())


def write_table(out, experiments=("content", "social"), agents=tuple(MEANS), seeds=3, **changes):
    for experiment in experiments:
        for agent in agents:
            for seed in range(seeds):
                write_run(out, experiment, agent, seed, **changes)
    return out
