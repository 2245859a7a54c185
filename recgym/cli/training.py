"""The command `recgym train`."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from recgym.cli.agent_options import checked_arguments, with_stage
from recgym.cli.fit_options import with_log
from recgym.cli.layout import TableColumn, show_table, show_text
from recgym.cli.next_steps import doubts_about, print_trained
from recgym.cli.terminal import (
    Device,
    Domain,
    Duplicates,
    EnvArgs,
    Map,
    Seed,
    Source,
    TimeFormat,
    TimeUnit,
    progress,
    refuse_irreplaceable,
    refuse_unwritable_folder,
)

AgentName = Annotated[
    str,
    typer.Argument(
        metavar="AGENT",
        help="Name, such as dcf-dqn, linucb, ucb1, sb3-dqn; `recgym envs` lists them.",
    ),
]
EnvId = Annotated[
    str, typer.Argument(metavar="ENV", help="Id, such as recgym/Content-v1; `recgym envs` lists them.")
]
AgentFolder = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Folder of the agent. Default: trained/AGENT-ENV.")
]
Steps = Annotated[
    int,
    typer.Option(
        metavar="N",
        min=1,
        help="Environment steps of training; a step shows one slate. Training ends with the round of parallel sessions "
        "in which they are reached.",
    ),
]
OfflineSessions = Annotated[
    int,
    typer.Option(
        metavar="N", min=1, help="Sessions of the log for the offline stage, for agents that have one."
    ),
]
JudgedSessions = Annotated[
    int, typer.Option(metavar="N", min=2, help="Sessions of other users on which the agent is judged.")
]
TrainingWorld = Annotated[
    str | None,
    typer.Option(
        metavar="WORLD",
        help="Shipped world, or a folder that `recgym fit` wrote. Default: the environment's.",
    ),
]
AgentParams = Annotated[
    str | None,
    typer.Option(metavar="JSON", help='Parameters of the agent, such as {"scale": 0.5}. Default: its own.'),
]
Stage = Annotated[
    str | None,
    typer.Option(
        metavar="STAGE",
        help="Last stage of genrec: pretrain, sft (supervised) or rl (reinforcement). Default: rl.",
    ),
]
Start = Annotated[
    Path | None,
    typer.Option("--from", metavar="DIR", help="Folder of a trained agent of this name, to train further."),
]
OfflineLog = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="LOG",
        help="Log for the offline stage, of users and items of the environment's world: a table with --map, a known "
        "data set, or a log that recgym wrote. More than once: several files of the same columns.",
    ),
]
CheckpointSteps = Annotated[
    int,
    typer.Option("--checkpoint-every", metavar="N", min=1, help="Environment steps between checkpoints."),
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume", metavar="", help="Resume from the checkpoint in --out, or start where there is none."
    ),
]
ReplaceAgent = Annotated[
    bool, typer.Option("--replace", metavar="", help="Replace the trained agent in --out.")
]
Tensorboard = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="Write TensorBoard curves and the judged returns to DIR/AGENT-ENV-SEED."
    ),
]


def train(
    context: typer.Context,
    agent: AgentName,
    env: EnvId,
    out: AgentFolder = None,
    steps: Steps = 50_000,
    offline: OfflineSessions = 5_000,
    sessions: JudgedSessions = 500,
    world: TrainingWorld = None,
    params: AgentParams = None,
    stage: Stage = None,
    start: Start = None,
    log: OfflineLog = None,
    domain: Domain = None,
    source: Source = None,
    mapping: Map = None,
    time_unit: TimeUnit = None,
    time_format: TimeFormat = None,
    duplicates: Duplicates = None,
    every: CheckpointSteps = 10_000,
    resume: Resume = False,
    replaced: ReplaceAgent = False,
    tensorboard: Tensorboard = None,
    env_args: EnvArgs = None,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    r"""Train one agent, judge it on other users, beside random and the oracle, and save it.

    The same command resumes a stopped training. --from trains an agent further, on a log if it has an offline stage.

    ```sh
    recgym train dcf-dqn recgym/Ecommerce-v1 --steps 2000 --out trained/shop
    recgym train item-knn recgym/Ecommerce-v1 --world worlds/mine --log events.csv \
      --map user=visitorid,item=itemid,time=timestamp,event=event
    ```
    """
    from recgym.bench import trainer, training_curves
    from recgym.bench.env_args import env_arguments, json_object, tag_of

    experiment = _experiment(env, checked_arguments(env, env_args, world), steps, offline, sessions)
    settings = with_stage(agent, json_object("--params", params), stage)
    name = f"{agent}-{env.rpartition('/')[2]}"
    folder = out or Path("trained") / name
    _refuse_unwritable(folder, tensorboard)
    run = f"{name}-{seed}" + (f"+{tag_of(env_arguments(env_args))}" if env_args else "")
    asked = _asked(context)
    plan = trainer.TrainingPlan(
        agent=agent, params=settings, seed=seed, device=device, start=start, every=every, asked=asked
    )
    forms = {"time_unit": time_unit, "time_format": time_format, "duplicates": duplicates}
    plan = with_log(plan, env, log, {"domain": domain, "source": source, "mapping": mapping, **forms})
    with progress() as bar, training_curves.tensorboard_of(tensorboard, run) as curves:
        listener = _ProgressListener(bar, agent, folder, steps)
        about = trainer.train(
            plan, experiment, folder, resume=resume, replace=replaced, listeners=(listener, *curves)
        )
    _print_judged(about)
    if "ended" not in listener.stages:
        print_trained(about, folder)


def _refuse_unwritable(folder: Path, tensorboard: Path | None) -> None:
    """ValueError where the folders of the agent or its curves cannot be written."""
    refuse_irreplaceable("--out", folder)
    if tensorboard is not None:
        refuse_unwritable_folder("--tensorboard", tensorboard)


def _asked(context: typer.Context) -> tuple[str, ...]:
    """Those of --steps and --offline that are on the command line, be it with the default's value."""
    sources = {name: context.get_parameter_source(name) for name in ("steps", "offline")}
    return tuple(name for name, source in sources.items() if source and source.name == "COMMANDLINE")


def _experiment(env: str, kwargs: Mapping[str, Any], steps: int, offline: int, sessions: int) -> Any:
    """The environment and the budget of a training."""
    from recgym.bench.experiment import Experiment

    return Experiment(
        name="train",
        env_id=env,
        kwargs=kwargs,
        env_steps=steps,
        offline_sessions=offline,
        eval_sessions=sessions,
    )


class _ProgressListener:
    """Listener of a training: moves a progress bar, and prints how the training is resumed.

    Where there is no terminal, a line says what goes on, at each stage and each fifth of the steps.
    """

    def __init__(self, bar: Any, agent: str, folder: Path, steps: int) -> None:
        self.bar, self.task = bar, bar.add_task(agent, total=steps)
        self.agent, self.folder, self.steps = agent, folder, steps
        self.stages: set[str] = set()
        self.said: set[str] = set()

    def __call__(self, stage: str, env_steps: int, figures: Mapping[str, float]) -> None:
        self.stages.add(stage)
        if stage in ("resumed", "anew", "ended"):
            print(f"{self.folder}: {resume_message(stage, self.agent, env_steps)}", file=sys.stderr)
            return
        shown = "  ".join(f"{name} {value:.3g}" for name, value in list(figures.items())[:4])
        done = min(env_steps, self.steps) if stage in ("train", "judged") else 0
        fifth = 5 * done // self.steps * self.steps // 5
        self._say(f"{stage}, {fifth:,} of {self.steps:,} steps" if stage == "train" else stage)
        self.bar.update(self.task, completed=done, description=f"{self.agent} {stage}  {shown}")

    def _say(self, line: str) -> None:
        """Print a line once, where there is no progress bar."""
        if self.bar.disable and line not in self.said:
            self.said.add(line)
            print(f"{self.agent}: {line}", file=sys.stderr, flush=True)


def _print_judged(about: Mapping[str, Any]) -> None:
    """The figures of a training.json, its references, if it has some, and what is doubtful about the returns."""
    import gymnasium

    import recgym  # noqa: F401 - registers the environments

    for name, figure in about["final"].items():
        error = "" if figure["se"] is None else f" (standard error {figure['se']:.4f})"
        print(f"{name}: {figure['mean']:.4f}{error}")
    if about.get("references"):
        _print_references(about["references"])
    for line in doubts_about(gymnasium.make(about["env"]["id"], **about["env"]["kwargs"])):
        show_text(line)


def _print_references(rows: Sequence[Mapping[str, Any]]) -> None:
    """The table of `reference_returns`."""
    from recgym.bench.judged_runs import ORACLE
    from recgym.bench.table_text import GAIN_HEAD, format_number

    texts = [
        (
            row["agent"],
            format_number(row["return"]),
            "" if row["low"] is None else "{over_random:+.2f} [{low:+.2f}, {high:+.2f}]".format(**row),
        )
        for row in rows
    ]
    print()
    title = f"The same users, with others ({rows[0]['sessions']:,} sessions)"
    show_table([TableColumn(name) for name in ("agent", "return", GAIN_HEAD)], texts, title)
    if any(row["agent"] == ORACLE for row in rows):
        show_text(
            "oracle reads the users' hidden intent and shows what pays most at once; an agent that plans can earn more."
        )
    show_text("Intervals are over these sessions; another --seed trains another agent.")


def resume_message(stage: str, agent: str, env_steps: int) -> str:
    """One line on how a training is resumed; `stage` is "resumed", "anew" or "ended"."""
    from agents import agent_class

    if stage == "anew":
        return "there is no checkpoint; the training starts"
    if stage == "ended":
        return f"the training of {env_steps:,} environment steps had ended; nothing is left to do"
    how = "with the result of an uninterrupted training (to the bit on the CPU with one thread)"
    if not agent_class(agent).resumes_exactly:
        how = "from its weights alone: replay, random numbers and sessions start anew, so the result differs"
    return f"{agent} resumes after {env_steps:,} environment steps, {how}"
