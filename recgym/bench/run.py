"""One run: makes the environment and the agent, prepares on a log, trains, judges, and writes a folder."""

import hashlib
import json
import time
import traceback
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import recgym
from recgym.bench import run_folder
from recgym.bench.experiment import AGENT, EVALUATE, LOG, PREPARE, TRAIN, Run
from recgym.bench.latency import act_times
from recgym.bench.machine import git, host, versions
from recgym.bench.perturbations import log_for, perturbed_task, perturbed_vector
from recgym.envs import row_of
from recgym.envs.world_lookup import world_of
from recgym.rollout.play import Columns, bound, final_figures, play


@dataclass(frozen=True)
class Job:
    """A run and its folder, as sent to a worker."""

    run: Run
    out: str
    run_id: str
    world: str
    world_sha256: str
    also: tuple["Job", ...] = ()  # other runs of the same trained agent, which are judged in other settings


def job_of(run: Run, out: Path) -> Job:
    """The job of a run. Its id ends in a digest of all that its rows depend on, except the code."""
    experiment = run.experiment
    kwargs = experiment.kwargs
    row = row_of(experiment.env_id)
    world = world_of(row, kwargs.get("world"), kwargs.get("member"), kwargs.get("assume"))
    params = settings_of(run.entry.agent, json.dumps(dict(run.entry.params), sort_keys=True))
    setting = asdict(run) | {"world": world.sha256, "version": recgym.__version__, "params": params}
    setting["experiment"].pop("tags")
    if experiment.trained is None:
        setting["experiment"].pop("trained")
    digest = hashlib.sha256(json.dumps(setting, sort_keys=True, default=str).encode()).hexdigest()[:8]
    run_id = f"{experiment.name}-{run.entry.line}-{run.run:03d}-{digest}"
    return Job(run, str(out), run_id, world.name, world.sha256)


@cache
def settings_of(agent: str, overrides: str) -> dict[str, Any]:
    """Parameters of an agent, defaults included; `overrides` is JSON."""
    from agents import agent_class
    from agents.params import parse_params

    return asdict(parse_params(agent, agent_class(agent).config, json.loads(overrides)))


class Curve:
    """Figures that an agent reports while it learns, as rows; called as its `report`."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, int, float, str, float]] = []
        self.stage, self.begun = "prepare", time.process_time()  # [CPU seconds]

    def enter(self, stage: str) -> float:
        """Starts a stage with its clock at 0."""
        self.stage, self.begun = stage, time.process_time()
        return self.begun

    def __call__(self, env_steps: int, figures: Any) -> None:
        """Keeps one report."""
        seconds = time.process_time() - self.begun
        for name, value in figures.items():
            self.rows.append((self.stage, int(env_steps), seconds, name, float(value)))

    def table(self) -> Any:
        """One row for each figure: stage, env_steps, CPU seconds since the start of the stage, figure, value."""
        names = ("stage", "env_steps", "seconds", "figure", "value")
        kinds = (pa.string(), pa.int64(), pa.float64(), pa.string(), pa.float64())
        columns = zip(*self.rows, strict=True) if self.rows else ((),) * len(names)
        return pa.table(
            {name: pa.array(list(c), kind) for name, kind, c in zip(names, kinds, columns, strict=True)}
        )


def sessions_table(columns: Columns, facts: dict[str, Any]) -> Any:
    """Sessions as an Arrow table, with the facts that reports need in its metadata under "recgym"."""
    offsets = {"items": columns["offsets"], "named": np.r_[0, np.cumsum(columns["length"])].astype(np.int32)}
    table = pa.table({name: values for name, values in columns.items() if name not in ("offsets", *offsets)})
    for name in offsets.keys() & columns.keys():
        lists = pa.ListArray.from_arrays(pa.array(offsets[name]), pa.array(columns[name]))
        table = table.append_column(name, lists)
    return table.replace_schema_metadata({"recgym": json.dumps(facts, sort_keys=True)})


class _TrainedAgent:
    """The agent of a run, trained when it is first judged, and then judged in one setting after another."""

    def __init__(self, run: Run) -> None:
        self.run, self.curve = run, Curve()
        self.learnt: dict[str, Any] | None = None  # budget and seconds of the training
        self.failure: Exception | None = None  # of the training
        self.agent: Any = None
        self.state: Any = None  # of its random numbers after training

    def measure(self, run: Run, record: dict[str, Any]) -> dict[str, Any]:
        """The tables of a run, by the names of `run_folder.TABLES`; the same whatever was judged before."""
        if self.failure is not None:
            raise self.failure
        if self.learnt is None:
            try:
                self._train(record)
            except Exception as error:
                self.failure = error
                raise
        assert self.learnt is not None
        record |= {key: dict(self.learnt[key]) for key in ("budget", "timing")}
        self.agent.rng.bit_generator.state = self.state
        columns, facts = judge(run, record, self.agent)
        facts |= {
            "offline_sessions": run.experiment.offline_sessions,
            "training_kwargs": dict(run.experiment.training_kwargs),
        }
        record["final"] = final_figures(columns, facts)
        record["timing"] |= act_times(self.agent, run.experiment.env_id, judged_kwargs(run, self.agent))
        return dict(zip(run_folder.TABLES, (self.curve.table(), sessions_table(columns, facts)), strict=True))

    def _train(self, record: dict[str, Any]) -> None:
        self.agent, env = agent_and_env(self.run, "cpu")
        learn(self.run, record, self.curve, self.agent, env)
        self.state = self.agent.rng.bit_generator.state
        self.learnt = {key: dict(record[key]) for key in ("budget", "timing")}


def execute(job: Job) -> str:
    """Makes a run, and those of `job.also`, and writes their folders, also where they fail.

    Returns "ok", or the first error in one line. OSError where a folder cannot be written; this is not a failure of the
    run.
    """
    trained, outcome = _TrainedAgent(job.run), "ok"
    for each in (job, *job.also):
        error = _execute(each, trained)
        outcome = error if outcome == "ok" else outcome
    return outcome


def _execute(job: Job, trained: _TrainedAgent) -> str:
    record = blank_record(job)
    with run_folder.run_folder(Path(job.out), record) as work:
        try:
            tables = trained.measure(job.run, record)
        except Exception as error:
            tables = {}
            (work / "error.txt").write_text(traceback.format_exc(), encoding="utf-8")
            lines = traceback.format_exception_only(error)
            record |= {"status": "error", "error": " ".join(lines[-1].split()), "final": {}}
        for name, table in tables.items():
            pq.write_table(table, work / name, compression="zstd")
    return record["error"] or "ok"


def record_failure(job: Job, error: str) -> None:
    """Writes the folders of a job whose worker died; runs that it had completed are kept."""
    for each in (job, *job.also):
        if run_folder.is_whole(Path(each.out) / each.run_id, each.run_id):
            continue
        with run_folder.run_folder(Path(each.out), blank_record(each) | {"status": "error", "error": error}):
            pass


def learn(
    run: Run,
    record: dict[str, Any],
    curve: "Curve",
    agent: Any,
    env: Any,
    *,
    log: Any = None,
    checkpointer: Any = None,
    is_resumed: bool = False,
) -> None:
    """The offline and the online stage. Without `log` one is sampled; a resumed training has no offline stage."""
    experiment, clock = run.experiment, record["timing"]
    if not is_resumed:
        started = time.process_time()
        if agent.requirements(asdict(agent.params))[1]:
            log = sampled_log(env, experiment.offline_sessions, run.env_seed(LOG)) if log is None else log
            record["budget"]["offline_rows"] = log.num_rows
            started = curve.enter("prepare")
            agent.prepare(log, run.seed(PREPARE), report=curve)
        clock["prepare_s"] = _since(started)
    curve.enter("train")
    agent.train(env, experiment.env_steps, run.seed(TRAIN), report=curve, checkpointer=checkpointer)
    env.close()
    clock["train_s"] = _since(curve.begun)


def judge(run: Run, record: dict[str, Any], agent: Any) -> tuple[Columns, dict[str, Any]]:
    """Plays the judged sessions, without exploration."""
    experiment, started = run.experiment, time.process_time()
    seed, env_id = run.env_seed(EVALUATE), experiment.env_id
    kwargs, wrap = perturbed_task(env_id, judged_kwargs(run, agent))
    columns, facts = play(env_id, kwargs, bound(agent), seed, experiment.eval_sessions, wrap=wrap)
    record["timing"]["evaluate_s"] = _since(started)
    return columns, facts


def judged_kwargs(run: Run, agent: Any) -> dict[str, Any]:
    """Arguments of the environment in which an agent is judged, with the observation that it reads."""
    observation, _ = agent.requirements(asdict(agent.params), agent.problem.slate_size)
    return {**run.experiment.kwargs, "observation": observation}


def agent_and_env(run: Run, device: str) -> tuple[Any, Any]:
    """An agent of the registry, and the vector environment that it trains in."""
    from agents import agent_class, make_agent
    from agents.problem import Problem

    kind, experiment = agent_class(run.entry.agent), run.experiment
    slate_size = int(experiment.kwargs.get("slate_size", row_of(experiment.env_id).slate_size))
    observation, _ = kind.requirements(run.entry.params, slate_size)
    kwargs = {**experiment.training_kwargs, "observation": observation}
    env = perturbed_vector(experiment.env_id, kind.num_envs, **kwargs)
    agent = make_agent(
        run.entry.agent, Problem.of(env), seed=run.seed(AGENT), device=device, **run.entry.params
    )
    agent.bind(env)
    return agent, env


def sampled_log(env: Any, sessions: int, seed: int) -> Any:
    """A log of the logging policy before any rules, over the items of the environment; for all agents of a seed."""
    from recgym.logs.sample import sample_log

    return log_for(env, sample_log(env, sessions=sessions, seed=seed, rules=False))


def _since(started: float) -> float:
    return round(time.process_time() - started, 3)


def blank_record(job: Job) -> dict[str, Any]:
    """The run.json of a run before it starts."""
    experiment = job.run.experiment
    return {
        "schema": run_folder.SCHEMA,
        "run_id": job.run_id,
        "experiment": experiment.name,
        "env": {
            "id": experiment.env_id,
            "kwargs": dict(experiment.kwargs),
            "world": job.world,
            "world_sha256": job.world_sha256,
        },
        "agent": {
            "name": job.run.entry.agent,
            "params": settings_of(
                job.run.entry.agent, json.dumps(dict(job.run.entry.params), sort_keys=True)
            ),
        },
        "budget": {"env_steps": experiment.env_steps, "offline_rows": 0},
        "seed": {"entropy": job.run.entropy, "run": job.run.run},
        "status": "ok",
        "error": None,
        "final": {},
        "timing": {"prepare_s": 0.0, "train_s": 0.0, "evaluate_s": 0.0},
        "versions": versions(),
        "host": host(),
        "git": git(),
        "files": {},
    }
