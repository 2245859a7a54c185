"""The commands `recgym bench` and `recgym report`."""

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recgym.cli.terminal import EnvArgs, names, progress, refuse_unwritable_folder

if TYPE_CHECKING:
    from recgym.bench.launch import Runner

PresetName = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="quick (minutes), ladder (the published table), robustness, standard (hours) or full (a day).",
    ),
]
ResultsFolder = Annotated[
    Path, typer.Option(metavar="DIR", help="Folder of results; runs go to OUT/PRESET, one folder each.")
]
Workers = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="Processes. Default: one for each core.")
]
Seeds = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="Runs of each agent. Default: the preset's.")
]
Agents = Annotated[
    str | None, typer.Option(metavar="NAMES", help="Agents, separated by commas. Default: the preset's.")
]
Environments = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES",
        help="Such as content,social, or ids, separated by commas. Default: the preset's.",
    ),
]
Assume = Annotated[
    str | None,
    typer.Option(
        metavar="sweep|retrain",
        help="Set each assumed term of the worlds to low and high, and print how stable the ranking of agents is: "
        "sweep judges the agents trained at the middle, retrain trains them in each setting.",
    ),
]

Entropy = Annotated[
    str | None,
    typer.Option(
        metavar="draw|N",
        help="Entropy of all random seeds of a new table: drawn now, or a number. Default: that of the rows "
        "in OUT, else one that is the same for all.",
    ),
]
Anew = Annotated[
    bool, typer.Option("--anew", metavar="", help="Make runs of other code (commit, version) again.")
]
EngineName = Annotated[
    str,
    typer.Option(
        "--engine", metavar="processes|ray", help="Where runs are made: on this machine, or on a Ray cluster."
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT",
        help="Of the Ray cluster; auto: the one that runs here. Default: one that is started and stopped.",
    ),
]
Track = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Add each complete run to tensorboard, mlflow or wandb, in OUT/PRESET/NAME: parameters, curve, figures; "
        "offline.",
    ),
]


def bench(
    preset: PresetName = "quick",
    out: ResultsFolder = Path("runs"),
    workers: Workers = None,
    seeds: Seeds = None,
    agents: Agents = None,
    envs: Environments = None,
    env_args: EnvArgs = None,
    assume: Assume = None,
    entropy: Entropy = None,
    anew: Anew = False,
    engine: EngineName = "processes",
    address: Address = None,
    track: Track = None,
) -> None:
    """Compare agents: every agent in every environment with every seed, then the report.

    The same command resumes a benchmark that was stopped, on another machine too, from OUT/PRESET/rows.parquet alone.
    A table has rows of one commit. A failed run is recorded and does not stop the others; the exit code is then 1.

    ```sh
    recgym bench --preset quick
    recgym bench --agents random,oracle-plan,dcf-dqn --envs content --seeds 5
    recgym bench --track mlflow
    recgym bench --engine ray --address 10.0.0.1:6379
    ```
    """
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn

    from recgym.bench.env_args import env_arguments
    from recgym.bench.experiment import runs_of
    from recgym.bench.launch import launch, table_entropy
    from recgym.bench.report_page import refuse_to_lose
    from recgym.bench.suite import choose
    from recgym.bench.trackers import tracker_of

    chosen = choose(
        preset,
        envs=names("--envs", envs),
        agents=names("--agents", agents),
        seeds=seeds,
        env_args=env_arguments(env_args),
        assume=assume,
    )
    runs = _engine(engine, address)
    refuse_unwritable_folder("--out", out)
    refuse_unwritable_folder("--out", out / preset)
    chosen = replace(chosen, entropy=table_entropy(out / preset, entropy))
    refuse_to_lose(out, ((preset, run) for run in runs_of(chosen, equal=True)))
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    tracker = None if track is None else tracker_of(track, out / preset)
    with progress(*columns) as bar:
        summary = launch(chosen, out / preset, workers, bar, anew=anew, engine=runs, tracker=tracker)
    _report(out)
    _end(summary.done, summary.skipped, len(summary.failed))


def _report(folder: Path) -> None:
    """Writes and prints the report of a folder, and says where it is."""
    from recgym.bench.report import write_report
    from recgym.bench.report_page import PAGE
    from recgym.cli.results import print_report

    print_report(write_report(folder))
    print(f"the report is {folder / PAGE}", file=sys.stderr)


def _end(done: int, skipped: int, failed: int) -> None:
    print(f"{done} runs done, {skipped} skipped, {failed} failed", file=sys.stderr)
    if failed:
        raise typer.Exit(1)


def _engine(name: str, address: str | None) -> "Runner":
    """The engine of a name; ValueError for another name, or an address that it does not take."""
    if name == "ray":
        import ray  # noqa: F401 - the error of a missing one comes before any work

        from recgym.bench.ray_pool import LOCAL, require_cluster
        from recgym.bench.ray_runs import runs_on_ray

        where = LOCAL if address is None else address
        require_cluster(where)
        return partial(runs_on_ray, address=where)
    from recgym.bench.launch import runs_in_processes

    if name != "processes":
        raise ValueError(f"--engine is {name!r}, expected processes or ray")
    if address is not None:
        raise ValueError("--address is of a Ray cluster: say --engine ray")
    return runs_in_processes


def report(
    results: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="Folder that `recgym bench` wrote, or of one table: OUT/PRESET."),
    ] = Path("runs"),
) -> None:
    """Make the report of `recgym bench` again from its rows: README.md, pictures, and each table's rows.parquet.

    The rows are those of the folders of runs, or of rows.parquet alone. The same rows give the same bytes. A README.md
    that shows runs whose rows are not in the folder is not replaced.

    ```sh
    recgym report runs
    ```
    """
    _report(results)


def verify(
    run: Annotated[
        Path,
        typer.Argument(metavar="RUN", help="Folder of a run, or OUT/PRESET/RUN_ID of a row of rows.parquet."),
    ],
) -> None:
    """Play a run of a benchmark again and compare every return; exit code 1 where one differs.

    ```sh
    recgym verify runs/quick/RUN_ID
    ```
    """
    from recgym.bench.repeated_run import repeat

    found = repeat(run)
    print(f"stored: {found.code_before}; now: {found.code_now}")
    if found.is_same:
        print(f"{found.run_id}: the same returns in all {found.sessions} sessions, mean {found.now:.4f}")
        return
    figures = f"; other {', '.join(found.other_figures)}" if found.other_figures else ""
    print(
        f"{found.run_id}: {found.differing} of {found.sessions} returns differ: "
        f"mean {found.before:.4f}, now {found.now:.4f}{figures}"
    )
    raise typer.Exit(1)
