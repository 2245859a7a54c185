"""One agent trained from the command line: saved whole or not at all, taken up again after a kill, gone on with."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recgym.bench.checkpoint import FOLDER, Checkpoints, replace_folder
from recgym.bench.run import Curve, agent_and_env, blank_record, final_figures, job_of, judge, learn
from recgym.bench.suite import Entry, Experiment, Run

Tell = Callable[[str, int, Any], None]  # stage, environment steps so far, figures


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a training is, beside its experiment. Where it is killed, the same plan takes it up again."""

    agent: str  # name of the registry
    params: Mapping[str, Any] = field(default_factory=dict)  # of the agent, beside its defaults
    seed: int = 0
    device: str = "auto"
    start: Path | None = None  # folder of a trained agent that goes on; its parameters, then `params`
    log: Path | None = None  # folder of a log for the offline stage; None: one sampled from the environment
    every: int = 10_000  # [environment steps] between checkpoints


class _Told(Curve):
    """A curve that also tells somebody."""

    def __init__(self, tells: tuple[Tell, ...]) -> None:
        super().__init__()
        self.tells = tells

    def __call__(self, env_steps: int, figures: Any) -> None:
        """Keep one report and pass it on."""
        super().__call__(env_steps, figures)
        for tell in self.tells:
            tell(self.stage, env_steps, figures)


def train(
    plan: Plan, experiment: Experiment, out: Path, *, resume: bool = False, tells: tuple[Tell, ...] = ()
) -> dict[str, Any]:
    """Train, judge on sessions of their own, save to `out`: the agent's files and training.json.

    Args:
        plan: the agent, where it starts, its seed.
        experiment: the environment and the budget.
        out: folder; checkpoints lie in it until the training ends.
        resume: go on from the last checkpoint in `out`, exactly as if nothing had been (on the CPU with one thread;
            SB3's agents, whose loop is not ours, go on from their weights alone); begin where there is none.
        tells: called with stage, environment steps and figures; with the stage "resume" where it goes on.

    Returns what training.json holds. ValueError where `out` exists and is no folder that this function wrote.
    """
    if out.exists() and not ((out / "training.json").is_file() or (out / FOLDER).is_dir()):
        raise ValueError(f"--out {out}: exists and holds no trained agent; name another folder")
    params = {**_params_of(plan), **plan.params}
    run = Run(experiment=experiment, entry=Entry(agent=plan.agent, params=params), run=plan.seed)
    record = blank_record(job_of(run, out))
    settings = {name: record[name] for name in ("env", "agent", "seed")} | {
        "steps": experiment.env_steps,
        "offline sessions": experiment.offline_sessions,
        "from": None if plan.start is None else str(plan.start),
        "log": None if plan.log is None else str(plan.log),
    }
    curve = _Told(tells)
    agent, env = agent_and_env(run, plan.device)
    keeper = Checkpoints(out, settings, agent, env, every=plan.every, curve=curve, record=record)
    is_resumed = resume and keeper.check()
    if resume and not is_resumed and (out / "training.json").is_file():  # it ended: nothing is left to do
        return dict(json.loads((out / "training.json").read_text(encoding="utf-8")))
    if is_resumed:
        for tell in tells:
            tell("resume", keeper.steps, {})
    else:
        keeper.clear()
        if plan.start is not None:
            agent.reload(plan.start)
    log = None
    if plan.log is not None and not is_resumed:
        from recgym.logs.log import Log

        log = Log.read(plan.log)
    learn(run, record, curve, agent, env, log=log, keeper=keeper, is_resumed=is_resumed)
    columns, facts = judge(run, record, agent)
    record["final"] = final_figures(columns, facts)
    kept = ("env", "agent", "budget", "seed", "final", "timing", "versions", "host")
    about = {"schema": "recgym.training/1", **{name: record[name] for name in kept}}
    about["reward_is_assumed"] = bool(facts["reward_is_assumed"])

    def fill(folder: Path) -> None:
        agent.save(folder)
        (folder / "training.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
        (folder / "curve.json").write_text(json.dumps(curve.rows) + "\n", encoding="utf-8")

    replace_folder(out, fill)
    return about


@contextmanager
def tensorboard_of(folder: Path | None) -> Iterator[tuple[Tell, ...]]:
    """A teller that writes TensorBoard's curves, one a stage and figure; none where no folder is named."""
    if folder is None:
        yield ()
        return
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder)) as writer:

        def tell(stage: str, env_steps: int, figures: Mapping[str, float]) -> None:
            for name, value in figures.items():
                writer.add_scalar(f"{stage}/{name}", value, env_steps)

        yield (tell,)


def _params_of(plan: Plan) -> dict[str, Any]:
    """Parameters of the agent that goes on; ValueError where the folder holds another one."""
    if plan.start is None:
        return {}
    from agents.base import read_about

    about = read_about(plan.start)
    if about["name"] != plan.agent:
        raise ValueError(f"--from {plan.start}: holds the agent {about['name']!r}, not {plan.agent!r}")
    return dict(about["params"])
