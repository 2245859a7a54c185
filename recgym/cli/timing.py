"""The command `recgym speed`: steps, decisions and trainings per unit of time."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recgym.cli.terminal import FittingDevice, Json, print_json, refuse_unwritable_folder

if TYPE_CHECKING:
    from recgym.bench.speed import Speed

WindowSeconds = Annotated[
    float | None,
    typer.Option(
        metavar="N", min=0.01, help="Length of a window; each figure is the best of 3 windows. Default: 0.5."
    ),
]
Bandits = Annotated[
    bool,
    typer.Option("--bandits", metavar="", help="Measure the bandits: decisions per second with 1,000 arms."),
]
Training = Annotated[
    bool,
    typer.Option(
        "--training", metavar="", help="Measure training: DCF-DQN against the DQN of Stable-Baselines3."
    ),
]
TrainingSteps = Annotated[
    int | None,
    typer.Option(
        metavar="N", min=500, help="With --training: environment steps of that DQN. Default: 20000."
    ),
]
SpeedFolder = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Write a page and a JSON file with the machine there.")
]


def speed(
    seconds: WindowSeconds = None,
    bandits: Bandits = False,
    training: Training = False,
    training_steps: TrainingSteps = None,
    device: FittingDevice = "cpu",
    out: SpeedFolder = None,
    as_json: Json = False,
) -> None:
    """Steps per second of every environment, and of Gymnasium's CartPole.

    A step shows one slate to one session. Columns: one environment; the vector of 1,024 on one thread and on all; N
    items, d factors, C categories, H items of history, width of the observation "features", K items of a slate. With
    --device cuda also the vector of 65,536 there.

    ```sh
    recgym speed --seconds 1
    ```
    """
    from recgym.bench.speed import measure
    from recgym.bench.speed_page import speed_record, write_speed
    from recgym.device import resolve

    _check_options(bandits, training, seconds, training_steps, device, out)
    seconds = 0.5 if seconds is None else seconds
    if bandits:
        _bandit_speed(seconds, as_json)
        return
    if training:
        _training_speed(training_steps or 20_000, as_json)
        return
    device = resolve(device, ("cpu", "cuda"), "an environment")
    rows = list(measure(seconds, device))
    if as_json:
        print_json([row._asdict() for row in rows])
    else:
        _print_speed(rows, device)
    if out is not None:
        write_speed(out, speed_record(rows, seconds, device))


def _check_options(
    bandits: bool,
    training: bool,
    seconds: float | None,
    training_steps: int | None,
    device: str,
    out: Path | None,
) -> None:
    """ValueError for options that have no effect together, and an --out that cannot be written."""
    if bandits and training:
        raise ValueError("--bandits and --training measure one thing each: say one of them")
    if training_steps is not None and not training:
        raise ValueError("--training-steps has an effect only with --training")
    if training and seconds is not None:
        raise ValueError("--seconds has an effect only without --training")
    for option, is_given in (("--out", out is not None), ("--device", device != "cpu")):
        if is_given and (bandits or training):
            raise ValueError(f"{option} has an effect only without --{'bandits' if bandits else 'training'}")
    if out is not None:
        refuse_unwritable_folder("--out", out)


def _print_speed(rows: "Sequence[Speed]", device: str) -> None:
    """The table of `recgym speed`."""
    from recgym.cli.layout import TableColumn, show_table

    sizes = [TableColumn(name, rank) for rank, name in enumerate(("N", "d", "C", "H", "width", "K"), start=4)]
    rates = [TableColumn("single", 1), TableColumn("vector 1,024", 2), TableColumn("all threads", 3)]
    if device != "cpu":
        rates.append(TableColumn(device, 0))
    lines = [
        (row.name, *map(str, row[1:7]), *(f"{rate:,.0f}" if rate else "" for rate in row[7 : 7 + len(rates)]))
        for row in rows
    ]
    show_table([TableColumn("environment"), *sizes, *rates], lines)


def _bandit_speed(seconds: float, as_json: bool) -> None:
    """The table of `recgym speed --bandits`: 256 decisions at a time without and with updates, one with updates."""
    from recgym.bench.bandit_speed import measure_bandits
    from recgym.cli.layout import TableColumn, show_table

    rows = list(measure_bandits(seconds))
    if as_json:
        print_json([row._asdict() for row in rows])
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
        print_json({"tasks": found, "decision_ms": milliseconds})
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
