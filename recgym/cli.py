"""The command line. A command imports what it needs when it runs, so that `recgym --help` is quick.

Exit codes: 0 done; 1 some benchmark runs failed; 2 wrong arguments, files or rows, told in one line on
stderr; 130 stopped by Ctrl-C.
"""

import json
import os
import sys

import typer

from recgym import commands
from recgym.bench import commands as runs
from recgym.bench.terminal import (
    Domain,
    Duplicates,
    Json,
    LogFile,
    Map,
    Source,
    TimeFormat,
    TimeUnit,
    console,
    given,
)

app = typer.Typer(
    name="recgym",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Recommendation environments for Gymnasium whose users are fitted from real logs.",
)


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


def validate(
    log: LogFile,
    domain: Domain = None,
    source: Source = None,
    mapping: Map = None,
    time_unit: TimeUnit = None,
    time_format: TimeFormat = None,
    duplicates: Duplicates = None,
) -> None:
    """Every bad row of a log: file, row, column, rule, what was found. Exit code 2 where there is any.

    Example: `recgym validate events.csv --domain ecommerce --map user=visitorid,item=itemid,time=timestamp`
    """
    from recgym.logs import LogError, read_log
    from recgym.logs import validate as problems_of

    try:
        options = given(time_unit=time_unit, time_format=time_format, duplicates=duplicates)
        read = read_log(log, source=source, domain=domain, mapping=mapping, check=False, **options)
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


for command in (envs, commands.fit, commands.card, validate, runs.train, runs.bench, runs.report, runs.speed):
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
