"""What the commands share: options, the console, the progress bar. Imports nothing heavy."""

import errno
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recgym.device import FITTING, resolve

if TYPE_CHECKING:
    from rich.console import Console


def _device(name: str) -> str:
    """Refused before anything is read; an agent that runs on the CPU alone refuses a GPU itself."""
    return _named(name, ("cpu", "cuda", "mps"), "")


def _fitting_device(name: str) -> str:
    return _named(name, FITTING, "fitting")


def _named(name: str, able: tuple[str, ...], who: str) -> str:
    """The name as it is; what `resolve` says of another begins with the option."""
    try:
        resolve(name, able, who)
    except ValueError as error:
        raise ValueError(f"--{error}") from None
    return name


Seed = Annotated[
    int, typer.Option(metavar="N", min=0, help="Whole number; the same seed gives the same result.")
]
Device = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        callback=_device,
        help="auto, cpu, cuda or mps; auto takes a GPU that is here and of use.",
    ),
]
FittingDevice = Annotated[
    str,
    typer.Option(
        metavar="NAME", callback=_fitting_device, help="auto, cpu or cuda; auto takes a GPU that is here."
    ),
]
EnvArgs = Annotated[
    str | None,
    typer.Option(
        "--env-args",
        metavar="JSON",
        help='Arguments of the environment, such as {"reward": "revenue", "horizon": 20}: world, member, n_items, '
        "slate_size, horizon, reward.",
    ),
]
Json = Annotated[bool, typer.Option("--json", metavar="", help="Print JSON instead of a table.")]
LogFile = Annotated[
    list[Path],
    typer.Argument(
        help="Folder, zip, CSV or Parquet file; several files of the same columns; or a log that recgym wrote."
    ),
]
Graph = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Who is whose friend in a social log: pairs of its users' ids, CSV or Parquet."
    ),
]
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
TimeUnit = Annotated[
    str | None,
    typer.Option(
        metavar="UNIT",
        help="Unit of a table's times, s, ms, us or ns; times outside 1990-2100 are taken then. Default: decided by "
        "the rows.",
    ),
]
TimeFormat = Annotated[
    str | None,
    typer.Option(metavar="FORMAT", help="How a table's dates are written, such as %d/%m/%Y %H:%M."),
]
Duplicates = Annotated[
    str | None,
    typer.Option(
        metavar="keep|drop",
        help="Exact duplicate rows of a table. Default: dropped where times are finer than a day, else kept.",
    ),
]


def given(**options: Any) -> dict[str, Any]:
    """The options that are not None."""
    return {name: value for name, value in options.items() if value is not None}


def refuse_unwritable(option: str, path: Path) -> None:
    """ValueError of the option where nothing can be written at `path`, found before any work is done."""
    place = path.absolute()
    try:
        while not place.exists() and place != place.parent:
            place = place.parent
        folder = place if place.is_dir() else place.parent
        if place.is_file() and place != path.absolute():
            raise NotADirectoryError(errno.ENOTDIR, f"{place} is a file")
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise ValueError(f"{option} {path}: cannot be written ({error.strerror})") from None


def is_terminal(stream: Any) -> bool:
    """Whether somebody reads a stream on a screen."""
    return bool(stream.isatty())


def console() -> "Console":
    """Stdout as rich prints to it."""
    from rich.console import Console

    return Console() if is_terminal(sys.stdout) else Console(width=160)


def progress(*columns: Any) -> Any:
    """A progress bar on stderr, so that stdout can be piped."""
    from rich.console import Console
    from rich.progress import Progress

    return Progress(
        *(columns or Progress.get_default_columns()),
        console=Console(stderr=True),
        transient=True,
        disable=not is_terminal(sys.stderr),
    )


def names(option: str, text: str | None) -> list[str] | None:
    """Names between commas; ValueError for a list without any, such as an unset variable makes."""
    if text is None:
        return None
    found = [name.strip() for name in text.split(",") if name.strip()]
    if not found:
        raise ValueError(f"{option} is {text!r}, expected names with commas between them")
    return found
