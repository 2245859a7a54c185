"""One agent trained from the command line: saved whole or not at all, taken up again after a kill, gone on with."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
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
        tells: called with stage, environment steps and figures, at last "judged" with the means. Of what was
            asked to resume, the stage says how it goes: "resumed", "anew" where there is no checkpoint, "ended" where
            nothing is left to do.

    Returns what training.json holds. ValueError where `out` exists and is no folder that this function wrote, where
    it was begun with other settings, and where `start` or `log` do not fit the agent and the environment.
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
    ended = out / "training.json"
    if resume and not is_resumed and ended.is_file():
        about = dict(json.loads(ended.read_text(encoding="utf-8")))
        keeper.refuse_other({**about["settings"], "steps": experiment.env_steps})
        if about["settings"].get("steps") != experiment.env_steps:
            raise ValueError(
                f"--resume: the training in {out} ended after {about['settings'].get('steps')} environment steps, "
                f"not {experiment.env_steps}; its agent goes on with --from {out} and another --out"
            )
        _say("ended", experiment.env_steps, tells)
        return about
    if resume:
        _say("resumed" if is_resumed else "anew", keeper.steps, tells)
    log = None
    if not is_resumed:
        keeper.clear()
        log = _start(plan, agent, env)
    learn(run, record, curve, agent, env, log=log, keeper=keeper, is_resumed=is_resumed)
    columns, facts = judge(run, record, agent)
    record["final"] = final_figures(columns, facts)
    _say("judged", experiment.env_steps, tells, {name: row["mean"] for name, row in record["final"].items()})
    kept = ("env", "agent", "budget", "seed", "final", "timing", "versions", "host")
    about = {"schema": "recgym.training/1", **{name: record[name] for name in kept}, "settings": settings}
    about["reward_is_assumed"] = bool(facts["reward_is_assumed"])

    def fill(folder: Path) -> None:
        agent.save(folder)
        (folder / "training.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
        (folder / "curve.json").write_text(json.dumps(curve.rows) + "\n", encoding="utf-8")

    replace_folder(out, fill)
    return about


@contextmanager
def tensorboard_of(folder: Path | None, run: str) -> Iterator[tuple[Tell, ...]]:
    """A teller that writes TensorBoard's curves to FOLDER/RUN, one a stage and figure; none without a folder."""
    if folder is None:
        yield ()
        return
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder / run)) as writer:

        def tell(stage: str, env_steps: int, figures: Mapping[str, float]) -> None:
            for name, value in figures.items():
                writer.add_scalar(f"{stage}/{name}", value, env_steps)

        yield (tell,)


def _say(
    stage: str, env_steps: int, tells: tuple[Tell, ...], figures: Mapping[str, Any] | None = None
) -> None:
    for tell in tells:
        tell(stage, env_steps, figures or {})


def _start(plan: Plan, agent: Any, env: Any) -> Any:
    """Give the agent the weights that it starts from; the log of its offline stage, or None."""
    if plan.start is not None:
        try:
            agent.reload(plan.start)
        except ValueError as error:
            raise ValueError(f"--from {plan.start}: {error}") from None
    if plan.log is None:
        return None
    from recgym.logs.log import Log

    if not agent.needs(asdict(agent.params))[1]:
        raise ValueError(f"--log {plan.log}: agent {plan.agent} learns nothing from a log")
    try:
        log = Log.read(plan.log)
    except ValueError as error:
        raise ValueError(f"--log: {error}") from None
    domain = env.unwrapped.privileged().world.domain
    if log.domain != domain:
        raise ValueError(f"--log {plan.log}: is of domain {log.domain}, the environment's is {domain}")
    try:
        mapped = env.unwrapped.index_log(log)
    except ValueError as error:
        raise ValueError(f"--log {plan.log}: {error}") from None
    for remark in mapped.remarks[len(log.remarks) :]:
        print(f"--log {plan.log}: {remark}", file=sys.stderr)
    return mapped


def _params_of(plan: Plan) -> dict[str, Any]:
    """Parameters of the agent that goes on; ValueError where the folder holds another one."""
    if plan.start is None:
        return {}
    from agents.base import read_about

    try:
        about = read_about(plan.start)
    except ValueError as error:
        raise ValueError(f"--from: {error}") from None
    if about["name"] != plan.agent:
        raise ValueError(f"--from {plan.start}: holds the agent {about['name']!r}, not {plan.agent!r}")
    return dict(about["params"])
