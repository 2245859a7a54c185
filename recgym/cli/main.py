"""The command line. A command imports what it needs when it runs, so that `recgym --help` is quick.

Exit codes: 0 success; 1 some benchmark runs failed, or the reader closed a pipe; 2 wrong arguments, files or rows,
named in one line on stderr; 130 stopped by Ctrl-C.
"""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any

import typer

from recgym import __version__, _interrupt
from recgym.cli import benchmark, estimation, exporting, rolling, search, timing, training, worlds
from recgym.cli.greeting import greet
from recgym.cli.help_pages import HelpfulCommand, HelpfulGroup, panel_of
from recgym.cli.terminal import (
    Domain,
    Duplicates,
    Graph,
    Json,
    LogFile,
    Map,
    Source,
    TimeFormat,
    TimeUnit,
    given,
    is_terminal,
    print_json,
)

app = typer.Typer(
    name="recgym",
    cls=HelpfulGroup,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    epilog="`recgym COMMAND --help` explains a command; `recgym` alone says what to do first.",
)


def _version(is_asked: bool) -> None:
    if is_asked:
        print(f"recgym {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", metavar="", callback=_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Recommendation environments for Gymnasium whose users are fitted from real logs."""


def envs(as_json: Json = False) -> None:
    """The table of environments: id, world, items, slate, horizon, reward; in a terminal the names of agents, too.

    ```sh
    recgym envs
    recgym envs --json
    ```
    """
    from recgym.envs import ENVIRONMENTS

    if as_json:
        print_json([row._asdict() for row in ENVIRONMENTS])
        return
    from agents import AGENTS
    from recgym.cli.layout import TableColumn, show_table, show_text

    ranks = {"about": 1, "world": 2, "reward": 3, "items": 4, "slate": 5, "horizon": 6}  # where it is narrow
    names = ("id", "world", "items", "slate", "horizon", "reward", "about")
    columns = [TableColumn(name, ranks.get(name, 0), is_text=name == "about") for name in names]
    rows = []
    for row in ENVIRONMENTS:
        items = "all" if row.n_items is None else str(row.n_items)
        rows.append((row.id, row.world, items, str(row.slate_size), str(row.horizon), row.reward, row.about))
    show_table(columns, rows)
    if is_terminal(sys.stdout):  # a pipe gets the table alone
        families = dict.fromkeys(agent.family for agent in AGENTS)
        named = (
            f"{name}: {', '.join(row.name for row in AGENTS if row.family == name)}" for name in families
        )
        show_text("\n".join(["", "Agents, for recgym train AGENT ENV:", *named]))


def validate(
    log: LogFile,
    domain: Domain = None,
    source: Source = None,
    mapping: Map = None,
    graph: Graph = None,
    time_unit: TimeUnit = None,
    time_format: TimeFormat = None,
    duplicates: Duplicates = None,
) -> None:
    r"""Check a log: prints file, row, column, rule and value of every bad row; exit code 2 where there is one.

    ```sh
    recgym validate events.csv --domain ecommerce \
      --map user=visitorid,item=itemid,time=timestamp,event=event
    ```
    """
    from recgym.logs import LogError, read_log
    from recgym.logs import validate as problems_of
    from recgym.logs.problems import escaped, in_file_order

    try:
        options = given(time_unit=time_unit, time_format=time_format, duplicates=duplicates)
        read = read_log(
            log, source=source, domain=domain, mapping=mapping, friends=graph, check=False, **options
        )
        problems = problems_of(read)
    except LogError as error:
        if not error.problems:
            raise
        problems = list(error.problems)
    for problem in in_file_order(problems):
        print(problem)
    if problems:
        count = "1 problem" if len(problems) == 1 else f"{len(problems):,} problems"
        print(escaped(f"recgym: {', '.join(map(str, log))}: {count}, listed on stdout"), file=sys.stderr)
        raise typer.Exit(2)
    for remark in read.remarks:
        print(escaped(remark))
    print(f"{', '.join(map(str, log))}: {read.num_rows:,} rows, {read.num_sessions:,} sessions, "
          f"{read.num_users:,} users, {read.num_items:,} items, {read.duplicates:,} duplicates dropped; "
          f"no {'other ' * bool(problems_of(read, event_rules=True))}rule is broken")  # fmt: skip


COMMANDS = (
    envs,
    worlds.fit,
    worlds.card,
    rolling.rolling,
    validate,
    training.train,
    search.tune,
    benchmark.bench,
    benchmark.report,
    benchmark.verify,
    estimation.ope,
    exporting.export,
    timing.speed,
)
for command in COMMANDS:
    app.command(cls=HelpfulCommand, rich_help_panel=panel_of(command.__name__))(command)


def main(arguments: list[str] | None = None) -> None:
    """Runs a command and exits. Errors that a user can cause are one line; RECGYM_DEBUG=1 shows the traceback."""
    args = sys.argv[1:] if arguments is None else arguments
    code: Any = _interrupt.EXIT_CODE
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the shell
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  # for as long as the process lives
    with _interrupt.raised():
        try:
            code = _run(args)
        except KeyboardInterrupt:
            pass
        except Exception:
            if not _interrupt.is_pressed():
                raise
    if code == _interrupt.EXIT_CODE:
        _print_error(_interrupt.STOPPED + _RESUME_HINT.get(args[0] if args else "", ""))
    sys.exit(code)


def _refuse_empty(args: Sequence[str]) -> None:
    """Raises ValueError for an empty argument: an empty path would be the working folder."""
    for place, word in enumerate(args, start=1):
        option = word.removesuffix("=") if word.startswith("--") and word.endswith("=") else None
        if not word.strip() or option:
            before = option or (args[place - 2] if place > 1 else "recgym")
            raise ValueError(
                f"argument {place}, after {before}, is empty: is a variable of the shell not set?"
            )


def _run(args: Sequence[str]) -> int:
    """Runs a command. Returns its exit code; prints errors."""
    try:
        if not args:
            from recgym.envs import ENVIRONMENTS

            greet(ENVIRONMENTS[0].id)
            sys.stdout.flush()
            return 0
        _refuse_empty(args)
        code = typer.main.get_command(app).main(args, prog_name="recgym", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except typer.Abort:
        return _interrupt.EXIT_CODE
    except BrokenPipeError:
        _redirect_to_null(sys.stdout)
        return 1
    except Exception as error:
        if _interrupt.is_pressed():  # an import or a callback replaced the KeyboardInterrupt
            return _interrupt.EXIT_CODE
        message = _message(error)
        if message is None or os.environ.get("RECGYM_DEBUG"):
            raise
        _flush()
        _print_error(f"recgym: {' '.join(message.split())}")
        return 2


def _flush() -> None:
    """Flushes stdout; one that cannot be written is redirected, or the interpreter prints an error when it ends."""
    try:
        sys.stdout.flush()
    except OSError:
        _redirect_to_null(sys.stdout)


def _redirect_to_null(stream: Any) -> None:
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _print_error(line: str) -> None:
    """Prints one line to stderr, if it can be written."""
    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:
        _redirect_to_null(sys.stderr)


_RESUME_HINT = {
    "bench": "; complete runs are kept, the same command resumes",
    "train": "; the same command resumes from the last checkpoint",
}


def _is_torchs_memory_error(error: Exception) -> bool:
    """Whether torch, which has no class for it on the CPU, says that an array does not fit into memory."""
    text = str(error)
    return isinstance(error, RuntimeError) and ("t allocate memory" in text or "out of memory" in text)


def _message(error: Exception) -> str | None:
    """The message for a user; None where the error is a fault of recgym."""
    if isinstance(error, ModuleNotFoundError) and error.name in _OPTIONAL_MODULES:
        return f"this needs {error.name}: pip install 'recgym[{_OTHER_EXTRAS.get(error.name, 'agents')}]'"
    if isinstance(error, MemoryError) or _is_torchs_memory_error(error):
        return f"not enough memory. {str(error).splitlines()[0] if str(error) else ''}"
    if isinstance(error, OSError) and error.strerror:
        place = "output" if error.filename is None else error.filename
        return f"{place}: {error.strerror}"
    if isinstance(error, ValueError | OSError):
        return str(error)
    if hasattr(error, "format_message"):  # typer's errors about arguments
        text, context = str(error.format_message()), getattr(error, "ctx", None)
        if context is not None and type(error).__name__ == "MissingParameter":
            return f"{text.rstrip('.')}: see {context.command_path} --help"
        return text
    return None


_OTHER_EXTRAS = {  # of optional modules that agents do not need
    "minari": "minari",
    "h5py": "minari",
    "ray": "ray",
    "mlflow": "mlflow",
    "wandb": "wandb",
}
_OPTIONAL_MODULES = (
    "torch",
    "stable_baselines3",
    "sb3_contrib",
    "tensorboard",
    "matplotlib",
    "PIL",
    "sklearn",
    "optuna",
    "threadpoolctl",
    "agents",
    *_OTHER_EXTRAS,
)
