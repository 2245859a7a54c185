"""Names of the columns of a table: those of its header, or numbers where a file has none."""

import re
from collections.abc import Mapping, Sequence

from recgym.events import EVENTS
from recgym.logs.problems import LogError, shown

ANY_EVENTS = tuple(event.name for events in EVENTS.values() for event in events)
PLACE = "#"  # prefix of the number of a column, from 1, in a file without header
FILE_NAME = "#file"  # column that holds the name of the file, without folders and endings


def by_place(columns: Mapping[str, str]) -> bool:
    """Whether a map names columns by their number, as #1; LogError if it names only some so."""
    named = [column for column in columns.values() if column != FILE_NAME]
    placed = [column for column in named if re.fullmatch(f"{PLACE}[1-9][0-9]*", column)]
    if placed and len(placed) < len(named):
        other = next(column for column in named if column not in placed)
        raise LogError(
            f"map: {other!r} is a name and {placed[0]!r} the number of a column; all must be names, or all numbers"
        )
    return bool(placed)


def needed_columns(header: Sequence[str], flags: Sequence[str] = ANY_EVENTS) -> tuple[str, ...]:
    """Columns that a table without a map needs; slates with a column of an event need no chosen item."""
    return ("user",) if "shown" in header and set(flags) & set(header) else ("user", "item")


def refuse_unnamed(place: str, header: Sequence[str], columns: Mapping[str, str]) -> None:
    """Raises LogError with advice if the first row looks like data, or a map is missing."""
    missing = [column for column in columns.values() or needed_columns(header) if column not in header]
    if missing and any(re.fullmatch(r"[-+]?[0-9][0-9.:/ -]*", cell) for cell in header):
        first = ",".join(header[:6])[:80]
        raise LogError(
            f"{place}: there is no column {missing[0]!r}, and {first!r} looks like data: where a "
            f"file has no header, name its columns by their number, as in user={PLACE}1,item={PLACE}2,time={PLACE}3"
        )
    if missing and not columns:
        raise LogError(
            f"{place}: there is no column {missing[0]!r}; name the columns by a map, --map "
            f"user=COLUMN,item=COLUMN,time=COLUMN or mapping= in Python; found {shown(header)}"
        )
