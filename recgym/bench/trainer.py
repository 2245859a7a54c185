"""Trains one agent for the command line: with checkpoints, saved whole or not at all, resumed after a kill."""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from recgym import storage
from recgym.bench.checkpoint import FOLDER, Checkpoints
from recgym.bench.experiment import Entry, Experiment, Run
from recgym.bench.idle_remarks import idle_remarks
from recgym.bench.reference_returns import reference_returns
from recgym.bench.run import Curve, agent_and_env, blank_record, job_of, judge, learn
from recgym.checks import made_for_another
from recgym.envs import row_of
from recgym.rollout.play import final_figures

Listener = Callable[[str, int, Any], None]  # called with stage, environment steps so far, figures


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """A training, apart from its experiment. A killed training is resumed by the same plan."""

    agent: str  # name of the registry
    params: Mapping[str, Any] = field(default_factory=dict)  # of the agent, where not its defaults
    seed: int = 0
    device: str = "auto"
    start: Path | None = None  # folder of a trained agent that is trained further; `params` replace its own
    log: tuple[str, ...] = ()  # paths of a log for the offline stage; none: one sampled from the environment
    log_options: Mapping[str, Any] = field(
        default_factory=dict
    )  # of `recgym.logs.read_log`: mapping, source, ...
    every: int = 10_000  # [environment steps] between checkpoints
    asked: tuple[str, ...] = ()  # options that were given, of "steps" and "offline": remarked where idle


class _ReportingCurve(Curve):
    """A curve that passes its reports on to listeners."""

    def __init__(self, listeners: tuple[Listener, ...]) -> None:
        super().__init__()
        self.listeners = listeners

    def __call__(self, env_steps: int, figures: Any) -> None:
        """Keeps one report and passes it on."""
        super().__call__(env_steps, figures)
        for listener in self.listeners:
            listener(self.stage, env_steps, figures)


def train(
    plan: TrainingPlan,
    experiment: Experiment,
    out: Path,
    *,
    resume: bool = False,
    replace: bool = False,
    listeners: tuple[Listener, ...] = (),
) -> dict[str, Any]:
    """Trains an agent, judges it, and saves it to `out`: the agent's files and training.json.

    A stopped training is resumed from its last checkpoint. The result is the same to the bit (on the CPU with one
    thread; Stable-Baselines3's agents, whose training loop is not ours, resume from their weights alone).

    Args:
        plan: the agent, its first weights, its seed.
        experiment: the environment and the budget.
        out: folder, locked; it holds checkpoints until the training ends.
        resume: start anew where there is no checkpoint, and do nothing where the training had ended.
        replace: a trained agent in `out`, or a checkpoint of other settings, is removed once the new agent is complete.
        listeners: called with stage, environment steps and figures; the last stage is "judged", with the means. With
            `resume` a stage says how: "resumed", "anew" where there is no checkpoint, "ended" where it had ended.

    Returns:
        The content of training.json.

    Raises:
        ValueError: `out` holds a trained agent or something else, another training writes there, its checkpoint has
            other settings, or `start` or `log` do not fit the agent and the environment.
    """
    with storage.locked(out, f"--out {out}: another training is writing there"):
        storage.sweep(out.parent, out.name)  # what a training left that was killed as it ended
        refuse_taken(out, resume=resume, replace=replace)
        return _train(plan, experiment, out, resume=resume, replace=replace, listeners=listeners)


def refuse_taken(out: Path, *, resume: bool, replace: bool) -> None:
    """ValueError where `out` holds something that a training must not replace."""
    has_agent, has_checkpoint = (out / "training.json").is_file(), (out / FOLDER).is_dir()
    if not (has_agent or has_checkpoint or storage.is_vacant(out)):
        raise ValueError(
            f"--out {out}: exists and holds no agent that `recgym train` wrote; name another folder"
        )
    if has_agent and not (has_checkpoint or resume or replace):
        raise ValueError(
            f"--out {out}: holds a trained agent; name another folder (--from {out} trains the agent further), "
            "or say --replace"
        )


def _train(
    plan: TrainingPlan,
    experiment: Experiment,
    out: Path,
    *,
    resume: bool,
    replace: bool,
    listeners: tuple[Listener, ...],
) -> dict[str, Any]:
    params = {**_params_of(plan), **plan.params}
    run = Run(experiment=experiment, entry=Entry(agent=plan.agent, params=params), run=plan.seed)
    record = blank_record(job_of(run, out))
    settings = {name: record[name] for name in ("env", "agent", "seed")} | {
        "steps": experiment.env_steps,
        "offline sessions": experiment.offline_sessions,
        "from": None if plan.start is None else str(plan.start),
        "log": " ".join(plan.log) or None,
        "options of the log": dict(plan.log_options) or None,
    }
    curve = _ReportingCurve(listeners)
    agent, env = agent_and_env(run, plan.device)
    checkpointer = Checkpoints(out, settings, agent, env, every=plan.every, curve=curve, record=record)
    is_resumed = _can_resume(checkpointer, replace)
    if resume and not is_resumed and (out / "training.json").is_file() and not replace:
        about = storage.Stored(out, "trained agent").json("training.json", {"settings": dict, "final": dict})
        checkpointer.check_settings({**about["settings"], "steps": experiment.env_steps}, "an ended")
        if about["settings"].get("steps") != experiment.env_steps:
            raise ValueError(
                f"--resume: the training in {out} ended after {about['settings'].get('steps')} environment steps, "
                f"not {experiment.env_steps}; train its agent further with --from {out} and another --out"
            )
        _notify("ended", experiment.env_steps, listeners)
        return about
    if resume or is_resumed:
        _notify("resumed" if is_resumed else "anew", checkpointer.steps if is_resumed else 0, listeners)
    log = None if is_resumed else _initialise(plan, agent, env, record["env"])
    checkpointer.is_resumed = is_resumed
    learn(run, record, curve, agent, env, log=log, checkpointer=checkpointer, is_resumed=is_resumed)
    columns, facts = judge(run, record, agent)
    record["final"] = final_figures(columns, facts)
    references = reference_returns(run, agent, columns["return"], facts["num_items"])
    _notify(
        "judged",
        experiment.env_steps,
        listeners,
        {name: row["mean"] for name, row in record["final"].items()},
    )
    kept = ("env", "agent", "budget", "seed", "final", "timing", "versions", "host")
    about = {"schema": "recgym.training/1", **{name: record[name] for name in kept}, "settings": settings}
    about["references"] = references
    about["reward_is_assumed"] = bool(facts["reward_is_assumed"])
    with storage.whole_folder(out, drop=(FOLDER,)) as work:
        agent.write(work)
        storage.write_json(work / "training.json", about)
        storage.write_json(work / "curve.json", curve.rows, indent=None)
    return about


def _can_resume(checkpointer: Checkpoints, replace: bool) -> bool:
    """Whether there is a checkpoint to resume from; with `replace`, one of other settings is ignored."""
    try:
        return checkpointer.check()
    except ValueError:
        if replace:
            return False
        raise


def _notify(
    stage: str, env_steps: int, listeners: tuple[Listener, ...], figures: Mapping[str, Any] | None = None
) -> None:
    for listener in listeners:
        listener(stage, env_steps, figures or {})


def _initialise(plan: TrainingPlan, agent: Any, env: Any, here: Mapping[str, Any]) -> Any:
    """Loads the first weights of the agent; the log of its offline stage, or None. `here`: env of the run's record."""
    from agents.saved import differences_of

    if plan.start is not None:
        others = differences_of(plan.start, agent.problem)
        if others and not getattr(agent, "transfers", False):
            _refuse_other_env(plan.start, here)
            raise ValueError(f"--from: {made_for_another(f'the agent in {plan.start}', others)}")
        try:
            (agent.take_over if others else agent.reload)(plan.start)
        except ValueError as error:
            raise ValueError(f"--from: {error}") from None  # the message starts with the folder
    log = _log_of(plan, agent, env) if plan.log else None
    for line in idle_remarks(agent, plan.asked):
        print(line, file=sys.stderr)
    return log


def _refuse_other_env(folder: Path, here: Mapping[str, Any]) -> None:
    """ValueError where an agent was trained in another environment, by the names and arguments in its training.json."""
    if not (folder / "training.json").is_file():  # saved by `agent.save`
        return
    there = storage.Stored(folder, "trained agent").json("training.json", {"env": dict})["env"]
    places = [_place(each["id"], each["kwargs"]) for each in (there, here)]
    if places[0] == places[1]:
        return
    (name, world, _), (own_name, own_world, _) = places
    advice = f": say --world {world}" if name == own_name and world != own_world else ""
    trained, asked = (f"{name}, world {world}{more}" for name, world, more in places)
    raise ValueError(f"--from {folder}: trained in {trained}; here {asked}{advice}")


def _place(env_id: str, kwargs: Mapping[str, Any]) -> tuple[str, str, str]:
    """Environment, world and other arguments, as a message names them."""
    others = {name: value for name, value in kwargs.items() if name != "world"}
    more = f", with {json.dumps(others, default=str)}" if others else ""
    return env_id, str(kwargs.get("world") or row_of(env_id).world), more


def _log_of(plan: TrainingPlan, agent: Any, env: Any) -> Any:
    """The log of the plan, on the indices of the environment; remarks are printed to stderr."""
    from recgym.logs import read_log
    from recgym.logs.check import response_remarks
    from recgym.logs.problems import escaped

    option = f"--log {' '.join(plan.log)}"
    if not agent.requirements(asdict(agent.params))[1]:
        raise ValueError(f"{option}: agent {plan.agent} has no offline stage")
    domain = env.unwrapped.privileged().world.domain
    try:
        log = read_log(plan.log, domain=domain, **plan.log_options)
    except ValueError as error:
        raise ValueError(f"--log: {error}") from None  # the message starts with the file
    try:
        mapped = env.unwrapped.index_log(log)
    except ValueError as error:
        raise ValueError(f"{option}: {error}") from None
    more = [*mapped.remarks[len(log.remarks) :], *response_remarks(mapped)]
    for remark in (*log.remarks, *(f"{option}: {line}" for line in more if line not in log.remarks)):
        print(escaped(remark), file=sys.stderr)
    return mapped


def _params_of(plan: TrainingPlan) -> dict[str, Any]:
    """Parameters of the agent that is trained further; ValueError where the folder holds another agent."""
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
