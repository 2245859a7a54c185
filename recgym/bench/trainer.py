"""One agent trained from the command line: saved whole or not at all, taken up again after a kill, gone on with."""

import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from recgym import storage
from recgym.bench.checkpoint import FOLDER, Checkpoints
from recgym.bench.rollout import final_figures
from recgym.bench.run import Curve, agent_and_env, blank_record, job_of, judge, learn
from recgym.bench.suite import Entry, Experiment, Run

Tell = Callable[[str, int, Any], None]  # stage, environment steps so far, figures


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
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
    plan: TrainingPlan,
    experiment: Experiment,
    out: Path,
    *,
    resume: bool = False,
    replace: bool = False,
    tells: tuple[Tell, ...] = (),
) -> dict[str, Any]:
    """Train, judge on sessions of their own, save to `out`: the agent's files and training.json.

    A training that was stopped goes on from its last checkpoint, exactly as if nothing had been (on the CPU with one
    thread; SB3's agents, whose loop is not ours, go on from their weights alone).

    Args:
        plan: the agent, where it starts, its seed.
        experiment: the environment and the budget.
        out: folder, locked; checkpoints lie in it until the training ends.
        resume: begin where there is no checkpoint, and do nothing where the training had ended.
        replace: a trained agent in `out`, or a checkpoint of other settings, goes once the new one is whole.
        tells: called with stage, environment steps and figures, at last "judged" with the means. Where a training
            goes on, the stage says how: "resumed", "anew" where there is no checkpoint, "ended" where nothing is left.

    Returns what training.json holds. ValueError where `out` holds a trained agent or something else, where another
    training writes there, where it was begun with other settings, and where `start` or `log` do not fit the agent and
    the environment.
    """
    with storage.locked(out, f"--out {out}: another training is writing there"):
        refuse_taken(out, resume=resume, replace=replace)
        return _train(plan, experiment, out, resume=resume, replace=replace, tells=tells)


def refuse_taken(out: Path, *, resume: bool, replace: bool) -> None:
    """ValueError where `out` holds what a training must not touch."""
    has_agent, has_checkpoint = (out / "training.json").is_file(), (out / FOLDER).is_dir()
    if not (has_agent or has_checkpoint or storage.is_vacant(out)):
        raise ValueError(f"--out {out}: exists and holds no trained agent; name another folder")
    if has_agent and not (has_checkpoint or resume or replace):
        raise ValueError(
            f"--out {out}: holds a trained agent; name another folder (--from {out} goes on with the agent), "
            "or say --replace"
        )


def _train(
    plan: TrainingPlan,
    experiment: Experiment,
    out: Path,
    *,
    resume: bool,
    replace: bool,
    tells: tuple[Tell, ...],
) -> dict[str, Any]:
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
    checkpointer = Checkpoints(out, settings, agent, env, every=plan.every, curve=curve, record=record)
    is_resumed = _goes_on(checkpointer, replace)
    if resume and not is_resumed and (out / "training.json").is_file() and not replace:
        about = storage.Stored(out, "trained agent").json("training.json", {"settings": dict, "final": dict})
        checkpointer.refuse_other({**about["settings"], "steps": experiment.env_steps})
        if about["settings"].get("steps") != experiment.env_steps:
            raise ValueError(
                f"--resume: the training in {out} ended after {about['settings'].get('steps')} environment steps, "
                f"not {experiment.env_steps}; its agent goes on with --from {out} and another --out"
            )
        _say("ended", experiment.env_steps, tells)
        return about
    if resume or is_resumed:
        _say("resumed" if is_resumed else "anew", checkpointer.steps if is_resumed else 0, tells)
    log = None if is_resumed else _start(plan, agent, env)
    checkpointer.is_resumed = is_resumed
    learn(run, record, curve, agent, env, log=log, checkpointer=checkpointer, is_resumed=is_resumed)
    columns, facts = judge(run, record, agent)
    record["final"] = final_figures(columns, facts)
    _say("judged", experiment.env_steps, tells, {name: row["mean"] for name, row in record["final"].items()})
    kept = ("env", "agent", "budget", "seed", "final", "timing", "versions", "host")
    about = {"schema": "recgym.training/1", **{name: record[name] for name in kept}, "settings": settings}
    about["reward_is_assumed"] = bool(facts["reward_is_assumed"])
    with storage.whole_folder(out, drop=(FOLDER,)) as work:
        agent.write(work)
        storage.write_json(work / "training.json", about)
        storage.write_json(work / "curve.json", curve.rows, indent=None)
    return about


def _goes_on(checkpointer: Checkpoints, replace: bool) -> bool:
    """Whether there is a checkpoint to go on from; one of other settings is passed over where it may be replaced."""
    try:
        return checkpointer.check()
    except ValueError:
        if replace:
            return False
        raise


@contextmanager
def tensorboard_of(folder: Path | None, run: str) -> Iterator[tuple[Tell, ...]]:
    """A teller that writes TensorBoard's curves to FOLDER/RUN, one a stage and figure; none without a folder."""
    if folder is None:
        yield ()
        return
    from torch.utils.tensorboard import SummaryWriter

    place = folder / run
    with _writer_errors(place), SummaryWriter(str(place)) as writer:

        def tell(stage: str, env_steps: int, figures: Mapping[str, float]) -> None:
            for name, value in figures.items():
                writer.add_scalar(f"{stage}/{name}", value, env_steps)

        yield (tell,)


@contextmanager
def _writer_errors(place: Path) -> Iterator[None]:
    """An OSError of TensorBoard's thread, raised again where the writer is called, names `place`; nothing prints it."""
    hook = threading.excepthook

    def unless_raised_again(failure: threading.ExceptHookArgs) -> None:
        if not isinstance(failure.exc_value, OSError):
            hook(failure)

    threading.excepthook = unless_raised_again
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(place)) from error
    finally:
        threading.excepthook = hook


def _say(
    stage: str, env_steps: int, tells: tuple[Tell, ...], figures: Mapping[str, Any] | None = None
) -> None:
    for tell in tells:
        tell(stage, env_steps, figures or {})


def _start(plan: TrainingPlan, agent: Any, env: Any) -> Any:
    """Give the agent the weights that it starts from; the log of its offline stage, or None."""
    if plan.start is not None:
        try:
            agent.reload(plan.start)
        except ValueError as error:
            raise ValueError(f"--from: {error}") from None  # it begins with the folder
    if plan.log is None:
        return None
    from recgym.logs.log import Log

    if not agent.requirements(asdict(agent.params))[1]:
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


def _params_of(plan: TrainingPlan) -> dict[str, Any]:
    """Parameters of the agent that goes on; ValueError where the folder holds another one."""
    if plan.start is None:
        return {}
    from agents.saved import read_about

    try:
        about = read_about(plan.start)
    except ValueError as error:
        raise ValueError(f"--from: {error}") from None
    if about["name"] != plan.agent:
        raise ValueError(f"--from {plan.start}: holds the agent {about['name']!r}, not {plan.agent!r}")
    return dict(about["params"])
