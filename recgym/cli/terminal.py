"""Options, console and progress bar, shared by the commands; imports nothing heavy."""

import errno
import json
import math
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recgym.device import FITTING, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from rich.console import Console


def _device(name: str) -> str:
    """Checks --device before anything is read; an agent that runs on the CPU only rejects a GPU itself."""
    return _named(name, ("cpu", "cuda", "mps"), "")


def _fitting_device(context: typer.Context, name: str) -> str:
    """Checks --device of a command that cannot use MPS; the message names the command."""
    return _named(name, FITTING, f"recgym {context.info_name}")


def _named(name: str, able: tuple[str, ...], who: str) -> str:
    """The name unchanged; ValueError that starts with the option where `resolve` rejects it."""
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
        help="auto, cpu, cuda or mps; auto takes an available GPU that can be used.",
    ),
]
FittingDevice = Annotated[
    str,
    typer.Option(
        metavar="NAME", callback=_fitting_device, help="auto, cpu or cuda; auto takes an available GPU."
    ),
]
EnvArgs = Annotated[
    str | None,
    typer.Option(
        "--env-args",
        metavar="JSON",
        help='Arguments of the environment, such as {"reward": "revenue", "horizon": 20}: world, member, n_items, '
        "slate_size, horizon, reward, assume, arrival, rules.",
    ),
]
Json = Annotated[bool, typer.Option("--json", metavar="", help="Print JSON instead of a table.")]
LogFile = Annotated[
    list[Path],
    typer.Argument(
        metavar="LOG",
        help="Folder, zip, or file of CSV, JSON lines or Parquet; several files of the same columns; a log that recgym "
        "wrote; or sample, a small one that ships.",
    ),
]
Graph = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Friends in a social log: pairs of user ids, CSV or Parquet."),
]
Domain = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="ecommerce (a shop), content (a feed of videos or articles) or social (music, with friends). Known data "
        "sets have their own; a table needs it.",
    ),
]
Source = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Reader of a known data set, as in recgym.logs.SOURCES, with its options: obd:policy=bts,campaign=men. "
        "Default: recognised by the names of the files.",
    ),
]
Map = Annotated[
    str | None,
    typer.Option(
        "--map",
        metavar="MAP",
        help="Columns of a table, key=column,...: user and item, and where known time, event, rating, session, step, "
        "slate, shown, position, propensity, price, watch_ms, category, duration_ms, context_hour and other context_*, "
        "or an event by its name.",
    ),
]
TimeUnit = Annotated[
    str | None,
    typer.Option(
        metavar="UNIT",
        help="Unit of a table's times: s, ms, us or ns; with it, times outside 1990-2100 are read, too. Default: "
        "decided by the rows.",
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


def refuse_idle(options: "Mapping[str, Any]", needed: str) -> None:
    """ValueError that names the first of these options that is given: it has no effect without what is needed."""
    for name in given(**options):
        option = {"mapping": "map"}.get(name, name.replace("_", "-"))
        raise ValueError(f"--{option} has an effect only with {needed}")


def refuse_unwritable(option: str, path: Path) -> None:
    """ValueError that names the option where `path` cannot be written; called before any work is done."""
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


def refuse_unwritable_folder(option: str, folder: Path) -> None:
    """The same of a folder, which may be absent: ValueError where it is a file."""
    refuse_unwritable(option, folder)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{option} {folder}: is a file, expected a folder")


def refuse_irreplaceable(option: str, folder: Path) -> None:
    """The same of a folder that is replaced: no mount point, not around the working folder, not in a stored folder."""
    from recgym.storage import outer_folder

    refuse_unwritable_folder(option, folder)
    if outer := outer_folder(folder):
        raise ValueError(f"{option} {folder}: is inside {outer}, a stored folder, expected one beside it")
    if not folder.exists():
        return
    place = folder.resolve()  # is_mount() of Python 3.11 takes "." for one
    if place.is_mount():
        raise ValueError(f"{option} {folder}: is a mount point, expected a folder inside it")
    if Path.cwd().is_relative_to(place):
        raise ValueError(f"{option} {folder}: is or contains the working folder, expected a folder inside it")
    refuse_unwritable(option, place.parent)


def is_terminal(stream: Any) -> bool:
    """Whether a stream is a terminal."""
    return bool(stream.isatty())


def console() -> "Console":
    """The rich console of stdout."""
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


@contextmanager
def stages(title: str) -> "Iterator[Callable[[str, float, float, str], None]]":
    """A function of a stage, what of it is done, of how much, and figures: on a terminal a bar for each stage.

    Elsewhere a line as a stage begins and at each fifth of it, so that a pipe or a file shows that work goes on.
    """
    said: set[tuple[str, float, int]] = set()
    tasks: dict[str, Any] = {}
    with progress() as bar:

        def report(stage: str, done: float, total: float, figures: str = "") -> None:
            if not bar.disable:
                if stage not in tasks:
                    tasks[stage] = bar.add_task(stage)
                bar.update(
                    tasks[stage], completed=done, total=total, description=f"{stage} {figures}".strip()
                )
                return
            fifth = int(5 * done // total) if total >= 5 else 0
            if (stage, total, fifth) not in said:
                said.add((stage, total, fifth))
                share = f", {done:,.0f} of {total:,.0f}" if total >= 5 else ""
                print(f"{title}: {stage}{share}", file=sys.stderr, flush=True)

        yield report


def print_remarks(remarks: "Iterable[str]") -> None:
    """Prints remarks on a log to stderr, each as one safe line."""
    from recgym.logs.problems import escaped

    for remark in remarks:
        print(escaped(remark), file=sys.stderr)


def print_json(value: Any) -> None:
    """Prints JSON by the letter of RFC 8259: null for a number that is not finite, numbers of numpy as numbers."""
    print(json.dumps(_jsonable(value), indent=1, allow_nan=False))


def _jsonable(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _jsonable(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(each) for each in value]
    if hasattr(value, "tolist"):  # of numpy, which is not imported here
        return _jsonable(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value


def names(option: str, text: str | None) -> list[str] | None:
    """Names separated by commas; ValueError for an empty list, such as an unset variable gives."""
    if text is None:
        return None
    found = [name.strip() for name in text.split(",") if name.strip()]
    if not found:
        raise ValueError(f"{option} is {text!r}, expected names, separated by commas")
    return found
