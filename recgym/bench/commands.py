"""The commands that run something: train, bench, report, speed; `recgym.cli` puts them in its table."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from recgym.bench.terminal import Device, EnvArgs, Json, Seed, names, progress, refuse_unwritable


def train(
    agent: Annotated[str, typer.Argument(help="Name of the registry, such as dcf-dqn, ucb1, sb3-dqn.")],
    env: Annotated[str, typer.Argument(help="Environment id, such as recgym/Content-v0.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the agent. Default: trained/AGENT-ENV.")] = None,
    steps: Annotated[int, typer.Option(min=1, help="Budget in environment steps: slates shown.")] = 50_000,
    offline: Annotated[
        int, typer.Option(min=1, help="Sessions in the log that offline agents start from.")
    ] = 5_000,
    sessions: Annotated[int, typer.Option(min=2, help="Sessions that judge the trained agent.")] = 500,
    world: Annotated[
        str | None, typer.Option(help="Shipped world or folder. Default: the environment's.")
    ] = None,
    params: Annotated[
        str | None, typer.Option(help="JSON of the agent's parameters beside its defaults.")
    ] = None,
    start: Annotated[
        Path | None, typer.Option("--from", help="Folder of a trained agent of this name, which goes on.")
    ] = None,
    log: Annotated[
        Path | None,
        typer.Option(
            help="Folder that Log.write made, of the environment's own users and items: for the offline stage."
        ),
    ] = None,
    every: Annotated[
        int, typer.Option("--checkpoint-every", min=1, help="Environment steps between checkpoints.")
    ] = 10_000,
    resume: Annotated[
        bool, typer.Option(help="Go on from the last checkpoint in the folder, if there is one.")
    ] = False,
    tensorboard: Annotated[
        Path | None, typer.Option(help="Folder for TensorBoard's curves. Default: none.")
    ] = None,
    env_args: EnvArgs = None,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Train one agent, judge it on users of their own, save it.

    A killed training goes on with the same words and --resume. A trained agent goes on with --from: offline on a
    fresh log, then online again.

    Example: `recgym train dcf-dqn recgym/Ecommerce-v0 --steps 50000 --out trained/shop`
    """
    from recgym.bench.env_args import check_arguments, env_arguments, json_object, tag_of
    from recgym.bench.suite import Experiment
    from recgym.bench.training import Plan, tensorboard_of
    from recgym.bench.training import train as train_agent

    kwargs = env_arguments(env_args, world)
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
    plan = Plan(
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

        about = train_agent(plan, experiment, folder, resume=resume, tells=(tell, *curves))
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
        how = "from its weights alone: replay, luck and visits begin anew, so the result is not the undisturbed run's"
    return f"{agent} goes on after {env_steps:,} environment steps, {how}"


def bench(
    preset: Annotated[
        str, typer.Option(help="quick (minutes), ladder (three hours), standard (hours) or full (a day).")
    ] = "quick",
    out: Annotated[
        Path, typer.Option(help="Folder of results; runs go to OUT/PRESET, one folder each.")
    ] = Path("runs"),
    workers: Annotated[int | None, typer.Option(min=1, help="Processes. Default: one a core.")] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Runs of each agent. Default: the preset's.")
    ] = None,
    agents: Annotated[str | None, typer.Option(help="Names, with commas. Default: the preset's.")] = None,
    envs: Annotated[str | None, typer.Option(help="Experiments or ids, with commas. Default: all.")] = None,
    env_args: EnvArgs = None,
) -> None:
    """Run agents x environments x seeds in parallel, and report. Call it again to go on after a kill.

    Whole runs are skipped, half-written ones done again; a run that fails is recorded and stops no other: the
    exit code is 1 then.

    Example: `recgym bench --preset quick --agents random,oracle-plan,dcf-dqn --envs content --seeds 5`
    """
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn

    from recgym.bench.env_args import env_arguments
    from recgym.bench.launch import launch
    from recgym.bench.page import refuse_to_lose
    from recgym.bench.report import print_report, write_report
    from recgym.bench.suite import choose, runs_of

    asked = env_arguments(env_args)
    chosen = choose(preset, envs=names(envs), agents=names(agents), seeds=seeds, env_args=asked)
    refuse_unwritable("--out", out)
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
    """Regenerate README.md and the pictures from the raw rows; the same rows give the same bytes.

    Example: `recgym report runs`
    """
    from recgym.bench.report import print_report, write_report

    print_report(write_report(results))


def speed(
    seconds: Annotated[
        float, typer.Option(min=0.01, help="Length of a timed window; each figure takes 3.")
    ] = 0.5,
    bandits: Annotated[
        bool, typer.Option("--bandits", help="Decisions per second of the bandits instead: 1,000 arms.")
    ] = False,
    training: Annotated[
        bool, typer.Option("--training", help="Time training instead: DCF-DQN against SB3's DQN.")
    ] = False,
    training_steps: Annotated[int, typer.Option(min=500, help="Environment steps of SB3's DQN.")] = 20_000,
    as_json: Json = False,
) -> None:
    """Steps per second: one environment, the native vector of 1,024 on one and on all threads, and CartPole.

    A step shows one slate to one session. N items, d factors, C categories, H history, width of the
    observation "features", K items a slate.

    Example: `recgym speed --seconds 1`
    """
    from recgym.bench.layout import Column, show_table
    from recgym.bench.speed import measure

    if bandits:
        _bandit_speed(seconds, as_json)
        return
    if training:
        _training_speed(training_steps, as_json)
        return
    sizes = [Column(name, rank) for rank, name in enumerate(("N", "d", "C", "H", "width", "K"), start=4)]
    rates = [Column("single", 1), Column("vector 1,024", 2), Column("all threads", 3)]
    rows = list(measure(seconds))
    if as_json:
        print(json.dumps([row._asdict() for row in rows], indent=1))
        return
    lines = [
        (row.name, *map(str, row[1:7]), *(f"{rate:,.0f}" if rate else "" for rate in row[7:])) for row in rows
    ]
    show_table([Column("environment"), *sizes, *rates], lines)


def _bandit_speed(seconds: float, as_json: bool) -> None:
    """The bandits' table: 256 decisions at a time without and with updates, and one at a time with them."""
    from recgym.bench.bandit_speed import measure_bandits
    from recgym.bench.layout import Column, show_table

    rows = list(measure_bandits(seconds))
    if as_json:
        print(json.dumps([row._asdict() for row in rows], indent=1))
        return
    columns = ("1,000 arms", "256 decisions", "256 with updates", "1 with update")
    lines = [(row.name, *(f"{rate:,.0f}" for rate in row[1:])) for row in rows]
    show_table([Column(name) for name in columns], lines)


def _training_speed(steps: int, as_json: bool) -> None:
    """The table of `recgym speed --training`."""
    from recgym.bench.layout import Column, show_table
    from recgym.bench.training_speed import decision_ms, measure_training, tasks

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
    columns = [Column("where", is_text=True), Column("agent"), Column("how", 1, is_text=True)]
    show_table([*columns, Column("steps", 2), Column("seconds by the clock"), Column("score")], lines)
    for each in found:
        verb = "reached" if each["reached"] else "did not reach"
        print(f"{each['where']}: dcf-dqn {verb} the score of sb3-dqn in one environment")
        print(f"  in {each['of_single']:.3f} of its time, {each['of_vector']:.3f} of its time on our vector")
    print(f"one decision of dcf-dqn for 256 sessions over 100,000 items: {milliseconds:.1f} ms")
