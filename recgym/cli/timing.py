"""The command `recgym speed`: steps, decisions and trainings per unit of time."""

from typing import Annotated

import typer

from recgym.cli.terminal import FittingDevice, Json, print_json

WindowSeconds = Annotated[
    float,
    typer.Option(metavar="N", min=0.01, help="Length of a window; each figure is the best of 3 windows."),
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
    int, typer.Option(metavar="N", min=500, help="With --training: environment steps of that DQN.")
]
SpeedFolder = Annotated[
    str | None, typer.Option(metavar="FOLDER", help="Write a page and a JSON file with the machine there.")
]


def speed(
    seconds: WindowSeconds = 0.5,
    bandits: Bandits = False,
    training: Training = False,
    training_steps: TrainingSteps = 20_000,
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
    from recgym.cli.layout import TableColumn, show_table
    from recgym.device import resolve

    if bandits:
        _bandit_speed(seconds, as_json)
        return
    if training:
        _training_speed(training_steps, as_json)
        return
    sizes = [TableColumn(name, rank) for rank, name in enumerate(("N", "d", "C", "H", "width", "K"), start=4)]
    rates = [TableColumn("single", 1), TableColumn("vector 1,024", 2), TableColumn("all threads", 3)]
    device = resolve(device, ("cpu", "cuda"), "an environment")
    rows = list(measure(seconds, device))
    if out is not None:
        write_speed(out, speed_record(rows, seconds, device))
    if as_json:
        print_json([row._asdict() for row in rows])
        return
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
