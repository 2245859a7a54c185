"""The command line. A command imports what it needs when it runs, so that `recgym --help` is quick.

Exit codes: 0 done; 1 some benchmark runs failed; 2 wrong arguments, files or rows, told in one line on
stderr; 130 stopped by Ctrl-C.
"""

import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from recgym.bench import commands
from recgym.bench.terminal import Device, Json, Seed, console, progress

app = typer.Typer(
    name="recgym",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Recommendation environments for Gymnasium whose users are fitted from real logs.",
)

Domain = Annotated[
    str | None,
    typer.Option(help="ecommerce, content or social. Known data sets have their own; a table needs it."),
]
Source = Annotated[
    str | None,
    typer.Option(
        help="Reader of a known data set, as in recgym.logs.SOURCES, with its options: obd:policy=bts,campaign=men. "
        "Default: told by the files' names."
    ),
]
Map = Annotated[
    str | None,
    typer.Option(
        "--map",
        help="Columns of a table, key=column,...: user and item, and where known time, event, session, step, "
        "slate, position, propensity, price, watch_ms, category, or an event by its name.",
    ),
]


@app.command()
def envs(as_json: Json = False) -> None:
    """The table of environments: id, world, items, slate, horizon, reward.

    Example: `recgym envs --json`
    """
    from recgym.envs import ENVIRONMENTS

    if as_json:
        print(json.dumps([row._asdict() for row in ENVIRONMENTS], indent=1))
        return
    from rich.table import Table

    table = Table("id", "world", "items", "slate", "horizon", "reward", "about")
    for row in ENVIRONMENTS:
        items = "all" if row.n_items is None else str(row.n_items)
        table.add_row(row.id, row.world, items, str(row.slate_size), str(row.horizon), row.reward, row.about)
    console().print(table)


@app.command()
def fit(
    log: Annotated[
        Path, typer.Argument(help="Folder, zip, CSV or Parquet file; or a log that recgym wrote.")
    ],
    out: Annotated[
        Path, typer.Option(help="Folder of the world; one that is there is replaced, all or nothing.")
    ],
    domain: Domain = None,
    source: Source = None,
    mapping: Map = None,
    name: Annotated[str | None, typer.Option(help="Name of the world. Default: that of --out.")] = None,
    config: Annotated[
        str | None,
        typer.Option(
            help="Settings of a shipped world, by its name (ecommerce-1, ...). Default: general ones."
        ),
    ] = None,
    period: Annotated[
        str | None,
        typer.Option(
            metavar="FROM:TO",
            help="Days to learn from, such as 2022-04-25:2022-04-29 or :2022-04-29; TO is the first day after "
            "them, and later days judge. Default: the first nine tenths of the log, or --config's.",
        ),
    ] = None,
    ensemble: Annotated[
        int,
        typer.Option(
            metavar="M",
            min=0,
            help="Bootstrap worlds to fit as well, from visits drawn with replacement; environments take "
            "them by the argument member=1 ... M.",
        ),
    ] = 0,
    planning: Annotated[
        int,
        typer.Option(
            metavar="N", help="Users on whom the card says how much planning is worth; 0: not said."
        ),
    ] = 500,
    terms: Annotated[
        bool, typer.Option("--terms", help="Say also what each term of the session model adds to it.")
    ] = False,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Fit a world from a log: minutes on a laptop, with a card that says how true it is to the log.

    Example: `recgym fit events.csv --domain ecommerce --map user=visitorid,item=itemid --out mine`, then in
    Python `gym.make("recgym/Ecommerce-v0", world="mine")`.
    """
    if out.exists() and not (out / "world.json").is_file():
        raise ValueError(f"--out {out}: exists and holds no world; name another folder")
    from recgym.logs import read_log

    read = read_log(log, source=source, domain=domain, mapping=mapping)
    for remark in read.remarks:
        print(remark, file=sys.stderr)
    from recgym.envs.tasks import MEMBERS
    from recgym.fit import PRESETS, FitConfig
    from recgym.fit import fit as fit_world
    from recgym.sim.world import World

    if config not in (None, *PRESETS):
        raise ValueError(f"--config {config!r} is unknown; there are {', '.join(PRESETS)}")
    chosen = PRESETS.get(config or "") or FitConfig()
    if period is not None:
        chosen = replace(chosen, split=None, period=_days(period))
    shown = sys.stdout.isatty()

    def fitted(called: str, settings: FitConfig) -> World:
        world = fit_world(read, name=called, config=settings, seed=seed, device=device, progress=shown)
        return world.with_card(command=f"recgym fit LOG {words}")

    said = {
        "domain": domain,
        "source": source,
        "map": mapping,
        "config": config,
        "period": period,
        "ensemble": ensemble or None,
        "out": out.name,
        "seed": seed,
    }
    words = " ".join(f"--{key} {value}" for key, value in said.items() if value is not None)
    called = name or out.name
    world = fitted(called, chosen)
    if planning:
        world = world.with_card(planning=_planning(world, planning, seed, terms))
    members = [
        fitted(f"{called}, member {number}", replace(chosen, resample=1000 * seed + number))
        for number in range(1, ensemble + 1)
    ]
    world.save(out)
    shutil.rmtree(out / MEMBERS, ignore_errors=True)  # of an earlier fit
    for number, member in enumerate(members, start=1):
        member.save(out / MEMBERS / str(number))
    _print_card(world)
    print(f"wrote {out}" + (f" and {ensemble} members" if members else ""), file=sys.stderr)


def _days(period: str) -> tuple[str | None, str | None]:
    """FROM:TO as days, either may be left out."""
    first, colon, end = period.partition(":")
    if not colon or not (first or end):
        raise ValueError(
            f"--period {period!r}: expected FROM:TO, such as 2022-04-25:2022-04-29 or :2022-04-29"
        )
    return first or None, end or None


def _print_card(world: Any) -> None:
    from rich.markdown import Markdown

    from recgym.sim.card import card_markdown

    text = card_markdown(world)
    if sys.stdout.isatty():
        console().print(Markdown(text))
    else:
        print(text)


@app.command()
def card(
    world: Annotated[str, typer.Argument(help="Shipped world, or a folder that `recgym fit` wrote.")],
    log: Annotated[
        Path | None,
        typer.Option(help="Judge the world on this log: the one it was fitted on, or one sampled from it."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="DAY",
            help="With --log: judge on visits from this day on; toys learn from earlier ones. Default: the card's.",
        ),
    ] = None,
    domain: Domain = None,
    source: Source = None,
    mapping: Map = None,
    png: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the card's pictures, one page, as PNG.")
    ] = None,
    planning: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Compute how much planning is worth on N users: oracle-plan over oracle."
        ),
    ] = None,
    terms: Annotated[
        bool, typer.Option("--terms", help="With --planning: what each term of the session model adds to it.")
    ] = False,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """What a world is and how true it is to its log: sources, licence, fitted and assumed, figures.

    Examples: `recgym card content-1`, `recgym card content-1 --png card.png`,
    `recgym card worlds/mine --planning 500 --json`, `recgym card worlds/mine --log events.csv --since 2022-04-30`
    """
    from recgym.envs.tasks import load_world

    loaded = load_world(world)
    if terms and planning is None:
        raise ValueError("--terms says what each term adds to the worth of planning: it needs --planning N")
    if log is not None:
        loaded = _judged(loaded, log, since, source, domain or loaded.domain, mapping, seed)
    elif since is not None:
        raise ValueError("--since says which part of a log judges the world: it needs --log LOG")
    if png is not None:
        from recgym.fidelity.picture import draw_card

        draw_card(loaded, png)
        print(f"wrote {png}", file=sys.stderr)
    worth = None if planning is None else _planning(loaded, planning, seed, terms)
    if as_json:
        about = {"name": loaded.name, "domain": loaded.domain, "sha256": loaded.sha256, **loaded.card}
        print(json.dumps(about | ({} if worth is None else {"planning": worth}), indent=1))
        return
    if worth is None:
        _print_card(loaded)
        return
    from recgym.sim.card import planning_terms_table, planning_text

    print(f"{loaded.name}: {planning_text(worth)}")
    for line in planning_terms_table(worth.get("terms", [])):
        print(line)


def _judged(
    world: Any,
    place: Path,
    since: str | None,
    source: str | None,
    domain: str,
    mapping: str | None,
    seed: int,
) -> Any:
    """The world with what a log says about it on its card."""
    from recgym.fidelity import judge_since
    from recgym.logs import read_log

    read = read_log(place, source=source, domain=domain, mapping=mapping)
    for remark in read.remarks:
        print(remark, file=sys.stderr)
    return world.with_card(**judge_since(world, read, since, seed=seed).entries())


def _planning(world: Any, users: int, seed: int, terms: bool) -> dict[str, Any]:
    """What looking ahead is worth in a world, as its card keeps it; with `terms`, what each of them adds."""
    from recgym.bench.planning import num_terms, planning_terms, planning_worth

    rounds = 1 + (num_terms(world) if terms else 0)
    with progress() as bar:
        task = bar.add_task("planning", total=2 * users * rounds)

        def tell(done: int) -> None:
            bar.update(task, completed=done)

        entry = planning_worth(world, users, seed=seed, progress=tell).entry()
        if terms:
            entry["terms"] = planning_terms(
                world, users, seed=seed, full=entry, progress=lambda done: tell(2 * users + done)
            )
        return entry


@app.command()
def validate(
    log: Annotated[
        Path, typer.Argument(help="Folder, zip, CSV or Parquet file; or a log that recgym wrote.")
    ],
    domain: Domain = None,
    source: Source = None,
    mapping: Map = None,
) -> None:
    """Every bad row of a log: file, row, column, rule, what was found. Exit code 2 where there is any.

    Example: `recgym validate events.csv --domain ecommerce --map user=visitorid,item=itemid,time=timestamp`
    """
    from recgym.logs import LogError, read_log
    from recgym.logs import validate as problems_of

    try:
        read = read_log(log, source=source, domain=domain, mapping=mapping, check=False)
        problems = problems_of(read)
    except LogError as error:
        if not error.problems:
            raise
        problems = list(error.problems)
    for problem in problems:
        print(problem)
    if problems:
        more = f" (and {len(problems) - 1} more, on stdout)" if len(problems) > 1 else ""
        print(f"recgym: {problems[0]}{more}", file=sys.stderr)
        raise typer.Exit(2)
    for remark in read.remarks:
        print(remark)
    print(f"{log}: {read.num_rows:,} rows, {read.num_sessions:,} sessions, {read.num_users:,} users, "
          f"{read.num_items:,} items, {read.duplicates:,} duplicates dropped; no rule is broken")  # fmt: skip


for command in (commands.train, commands.bench, commands.report, commands.speed):
    app.command()(command)


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit; what a user can cause ends in one line. RECGYM_DEBUG=1 shows the traceback."""
    args = sys.argv[1:] if arguments is None else arguments
    command = typer.main.get_command(app)
    try:
        code = command.main(args or ["--help"], prog_name="recgym", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads on: flush to nowhere
        code = 1
    except Exception as error:
        message = _message(error)
        if message is None or os.environ.get("RECGYM_DEBUG"):
            raise
        print(f"recgym: {' '.join(message.split())}", file=sys.stderr)
        code = 2
    if code == 130:
        print("recgym: stopped; what was whole is kept, the same command goes on", file=sys.stderr)
    sys.exit(code if isinstance(code, int) else 0)


def _message(error: Exception) -> str | None:
    """What a user is told, None where the error is a bug of ours."""
    if isinstance(error, ModuleNotFoundError) and error.name in _OPTIONAL:
        return f"this needs {error.name}: pip install 'recgym[agents]'"
    if isinstance(error, ValueError | OSError):
        return str(error)
    if hasattr(error, "format_message"):  # typer's own complaints about arguments
        return str(error.format_message())
    return None


_OPTIONAL = (
    "torch",
    "stable_baselines3",
    "sb3_contrib",
    "tensorboard",
    "matplotlib",
    "scipy",
    "sklearn",
    "agents",
)
