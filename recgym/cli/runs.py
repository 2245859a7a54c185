"""The commands that run something: train, bench, report, speed; `recgym.cli.main` puts them in its table."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from recgym.cli.terminal import Device, EnvArgs, Json, Seed, names, progress, refuse_unwritable


def train(
    agent: Annotated[str, typer.Argument(help="Name, such as dcf-dqn, ucb1, sb3-dqn; README lists them.")],
    env: Annotated[str, typer.Argument(help="Id, such as recgym/Content-v0; `recgym envs` lists them.")],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the agent. Default: trained/AGENT-ENV.")
    ] = None,
    steps: Annotated[
        int, typer.Option(metavar="N", min=1, help="Environment steps to train for; a step shows one slate.")
    ] = 50_000,
    offline: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, help="Sessions of the log that agents with an offline stage learn from first."
        ),
    ] = 5_000,
    sessions: Annotated[
        int, typer.Option(metavar="N", min=2, help="Sessions, of other users, that judge the trained agent.")
    ] = 500,
    world: Annotated[
        str | None,
        typer.Option(
            metavar="WORLD",
            help="Shipped world, or a folder that `recgym fit` wrote. Default: the environment's.",
        ),
    ] = None,
    params: Annotated[
        str | None,
        typer.Option(
            metavar="JSON", help='Parameters of the agent, such as {"scale": 0.5}. Default: its own.'
        ),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option("--from", metavar="DIR", help="Folder of a trained agent of this name, which goes on."),
    ] = None,
    log: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder that Log.write made, of the environment's own users and items: for the offline stage.",
        ),
    ] = None,
    every: Annotated[
        int,
        typer.Option("--checkpoint-every", metavar="N", min=1, help="Environment steps between checkpoints."),
    ] = 10_000,
    resume: Annotated[
        bool,
        typer.Option("--resume", metavar="", help="Go on from the checkpoint in --out, or begin anew."),
    ] = False,
    replaced: Annotated[
        bool, typer.Option("--replace", metavar="", help="Put the agent in place of the one in --out.")
    ] = False,
    tensorboard: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="TensorBoard's curves and the judged returns go to DIR/AGENT-ENV-SEED."
        ),
    ] = None,
    env_args: EnvArgs = None,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Train one agent, judge it on other users, save it.

    The same command goes on where a training was stopped. With --from a trained agent learns on: from a log if it has
    an offline stage, then in the environment.

    Example: `recgym train dcf-dqn recgym/Ecommerce-v0 --steps 50000 --out trained/shop`
    """
    from recgym.bench.env_args import check_arguments, env_arguments, json_object, tag_of
    from recgym.bench.suite import Experiment
    from recgym.bench.trainer import TrainingPlan, tensorboard_of
    from recgym.bench.trainer import train as train_agent

    kwargs = env_arguments(env_args, world)
    if env_args is not None:
        check_arguments(env, kwargs)
    experiment = Experiment(
        name="train",
        env_id=env,
        kwargs=kwargs,
        env_steps=steps,
        offline_sessions=offline,
        eval_sessions=sessions,
    )
    name = f"{agent}-{env.rpartition('/')[2]}"
    folder = out or Path("trained") / name
    refuse_unwritable("--out", folder)
    if tensorboard is not None:
        refuse_unwritable("--tensorboard", tensorboard)
    curves_of = f"{name}-{seed}" + (f"+{tag_of(env_arguments(env_args))}" if env_args else "")
    plan = TrainingPlan(
        agent=agent,
        params=json_object("--params", params),
        seed=seed,
        device=device,
        start=start,
        log=log,
        every=every,
    )
    stages: set[str] = set()
    with progress() as bar, tensorboard_of(tensorboard, curves_of) as curves:
        task = bar.add_task(agent, total=steps)

        def tell(stage: str, env_steps: int, figures: Mapping[str, float]) -> None:
            stages.add(stage)
            if stage in ("resumed", "anew", "ended"):
                print(f"{folder}: {how_it_goes_on(stage, agent, env_steps)}", file=sys.stderr)
                return
            shown = "  ".join(f"{name} {value:.3g}" for name, value in list(figures.items())[:4])
            done = env_steps if stage in ("train", "judged") else 0
            bar.update(task, completed=done, description=f"{agent} {stage}  {shown}")

        about = train_agent(plan, experiment, folder, resume=resume, replace=replaced, tells=(tell, *curves))
    for name, figure in about["final"].items():
        error = "" if figure["se"] is None else f" (standard error {figure['se']:.4f})"
        print(f"{name}: {figure['mean']:.4f}{error}")
    if "ended" not in stages:
        print(f"wrote {folder}", file=sys.stderr)


def how_it_goes_on(stage: str, agent: str, env_steps: int) -> str:
    """What is said where a training is asked to resume."""
    from agents import agent_class

    if stage == "anew":
        return "there is no checkpoint; the training begins"
    if stage == "ended":
        return f"the training of {env_steps:,} environment steps had ended; nothing is left to do"
    how = "as if nothing had been (to the bit on the CPU with one thread)"
    if not agent_class(agent).resumes_exactly:
        how = "from its weights alone: replay, random numbers and visits begin anew, so the result is another one"
    return f"{agent} goes on after {env_steps:,} environment steps, {how}"


def bench(
    preset: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="quick (minutes), ladder (three hours), standard (hours) or full (a day)."
        ),
    ] = "quick",
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of results; runs go to OUT/PRESET, one folder each.")
    ] = Path("runs"),
    workers: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Processes. Default: one a core.")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Runs of each agent. Default: the preset's.")
    ] = None,
    agents: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Agents, with commas between. Default: the preset's.")
    ] = None,
    envs: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Such as content,social, or ids, with commas between. Default: the preset's.",
        ),
    ] = None,
    env_args: EnvArgs = None,
) -> None:
    """Compare agents: every agent in every environment with every seed, then the report.

    The same command goes on where it was stopped. A run that fails is recorded and stops no other; the exit code is
    then 1.

    Example: `recgym bench --preset quick --agents random,oracle-plan,dcf-dqn --envs content --seeds 5`
    """
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn

    from recgym.bench.env_args import env_arguments
    from recgym.bench.launch import launch
    from recgym.bench.report import write_report
    from recgym.bench.report_page import refuse_to_lose
    from recgym.bench.suite import choose, runs_of
    from recgym.cli.results import print_report

    asked = env_arguments(env_args)
    chosen = choose(
        preset, envs=names("--envs", envs), agents=names("--agents", agents), seeds=seeds, env_args=asked
    )
    refuse_unwritable("--out", out)
    refuse_unwritable("--out", out / preset)
    refuse_to_lose(out, ((preset, run) for run in runs_of(chosen)))
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with progress(*columns) as bar:
        summary = launch(chosen, out / preset, workers, bar)
    print_report(write_report(out))
    print(
        f"{summary.done} runs done, {summary.skipped} were there, {len(summary.failed)} failed",
        file=sys.stderr,
    )
    if summary.failed:
        raise typer.Exit(1)


def report(
    results: Annotated[Path, typer.Argument(help="Folder that `recgym bench` wrote.")] = Path("runs"),
) -> None:
    """Make the report of `recgym bench` again: README.md and pictures from the rows of its runs.

    The same rows give the same bytes. A README.md that shows runs whose rows are not in the folder is refused.

    Example: `recgym report runs`
    """
    from recgym.bench.report import write_report
    from recgym.cli.results import print_report

    print_report(write_report(results))


def speed(
    seconds: Annotated[
        float,
        typer.Option(
            metavar="N", min=0.01, help="How long to measure: each figure is the best of 3 such windows."
        ),
    ] = 0.5,
    bandits: Annotated[
        bool,
        typer.Option(
            "--bandits", metavar="", help="Measure the bandits instead: decisions a second with 1,000 arms."
        ),
    ] = False,
    training: Annotated[
        bool,
        typer.Option(
            "--training",
            metavar="",
            help="Measure training instead: DCF-DQN against the DQN of Stable-Baselines3.",
        ),
    ] = False,
    training_steps: Annotated[
        int, typer.Option(metavar="N", min=500, help="With --training: environment steps of that DQN.")
    ] = 20_000,
    as_json: Json = False,
) -> None:
    """Steps a second of every environment, and of Gymnasium's CartPole.

    A step shows one slate to one session. Columns: one environment; the vector of 1,024 on one thread and on all; N
    items, d factors, C categories, H items of history, width of the observation "features", K items a slate.

    Example: `recgym speed --seconds 1`
    """
    from recgym.bench.speed import measure
    from recgym.cli.layout import TableColumn, show_table

    if bandits:
        _bandit_speed(seconds, as_json)
        return
    if training:
        _training_speed(training_steps, as_json)
        return
    sizes = [TableColumn(name, rank) for rank, name in enumerate(("N", "d", "C", "H", "width", "K"), start=4)]
    rates = [TableColumn("single", 1), TableColumn("vector 1,024", 2), TableColumn("all threads", 3)]
    rows = list(measure(seconds))
    if as_json:
        print(json.dumps([row._asdict() for row in rows], indent=1))
        return
    lines = [
        (row.name, *map(str, row[1:7]), *(f"{rate:,.0f}" if rate else "" for rate in row[7:])) for row in rows
    ]
    show_table([TableColumn("environment"), *sizes, *rates], lines)


def _bandit_speed(seconds: float, as_json: bool) -> None:
    """The bandits' table: 256 decisions at a time without and with updates, and one at a time with them."""
    from recgym.bench.bandit_speed import measure_bandits
    from recgym.cli.layout import TableColumn, show_table

    rows = list(measure_bandits(seconds))
    if as_json:
        print(json.dumps([row._asdict() for row in rows], indent=1))
        return
    columns = ("1,000 arms", "256 decisions", "256 with updates", "1 with update")
    lines = [(row.name, *(f"{rate:,.0f}" for rate in row[1:])) for row in rows]
    show_table([TableColumn(name) for name in columns], lines)


def _training_speed(steps: int, as_json: bool) -> None:
    """The table of `recgym speed --training`."""
    from recgym.bench.training_speed import decision_ms, measure_training, tasks
    from recgym.cli.layout import TableColumn, show_table

    lines, found = [], []
    for task in tasks():
        rows = list(measure_training(task, steps))
        for row in rows:
            lines.append((*row[:3], f"{row.steps:,}", f"{row.seconds:.2f}", f"{row.score:.3f}"))
        single, vector, ours = (row.seconds for row in rows)
        found.append(
            {
                "where": task.where,
                "rows": [row._asdict() for row in rows],
                "reached": rows[2].score >= rows[0].score,
                "of_single": ours / single,
                "of_vector": ours / vector,
            }
        )
    milliseconds = decision_ms()
    if as_json:
        print(json.dumps({"tasks": found, "decision_ms": milliseconds}, indent=1))
        return
    columns = [TableColumn("where", is_text=True), TableColumn("agent"), TableColumn("how", 1, is_text=True)]
    show_table(
        [*columns, TableColumn("steps", 2), TableColumn("seconds by the clock"), TableColumn("score")], lines
    )
    for each in found:
        verb = "reached" if each["reached"] else "did not reach"
        print(f"{each['where']}: dcf-dqn {verb} the score of sb3-dqn in one environment")
        print(f"  in {each['of_single']:.3f} of its time, {each['of_vector']:.3f} of its time on our vector")
    print(f"one decision of dcf-dqn for 256 sessions over 100,000 items: {milliseconds:.1f} ms")
