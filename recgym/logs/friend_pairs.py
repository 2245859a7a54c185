"""Pairs of friends of a social log, from a table of ids of its users."""

import re
from dataclasses import replace
from os import PathLike
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recgym.arrays import Array
from recgym.logs.columns import as_numpy
from recgym.logs.delimited import read_csv_and_lines
from recgym.logs.files import Files, stated
from recgym.logs.ids import TEXT, encode_ids
from recgym.logs.log import Log
from recgym.logs.origin import from_one
from recgym.logs.parquet_files import holds_parquet, parquet_columns, parquet_file
from recgym.logs.problems import LogError, LogProblem, not_read, raise_problems, shown
from recgym.logs.separators import cells_of, separator_of
from recgym.logs.text_layout import TextLayout, read_line

NAMES = ("user", "friend")


def with_friends(log: Log, path: str | PathLike[str]) -> Log:
    """The log with the pairs of friends in a file, and a remark with their number.

    Args:
        log: a social log without friends.
        path: text or Parquet file with the columns user and friend, or with two columns of any name. Text whose first
            row has a user of the log, or a number, has no header. Repeated pairs, in either direction, count once;
            pairs with an unknown user, and of a user with himself, are left out and counted in the remark.

    Raises:
        LogError: the log is not social or has friends already, or no pair is left.
    """
    if log.domain != "social":
        raise LogError(f"friends: a log of the domain social has them; this one is {log.domain}")
    if log.friends is not None:
        raise LogError(f"friends: {log.source.name} has its own, {len(log.friends):,} pairs")
    name, pairs, unread = _pairs(stated(path, "friends"), log.users["id"])
    ends = [_indices(pairs[column], log.users["id"]) for column in (0, 1)]
    known, other = (ends[0] >= 0) & (ends[1] >= 0), ends[0] != ends[1]
    kept = np.stack([np.minimum(*ends), np.maximum(*ends)], axis=1)[known & other]
    if not len(kept):
        raise LogError(
            f"{name}: no row has two users of the log; expected ids of its {log.num_users:,} users"
        )
    both = np.unique(kept, axis=0).astype(np.int32)
    counts = {
        "rows with an unknown user left out": int((~known).sum()),
        "rows of a user with himself left out": int((known & ~other).sum()),
        "rows that repeat a pair": len(kept) - len(both),
    }
    counted = [
        f"{name}: {len(both):,} pairs of friends",
        *(f"{n:,} {what}" for what, n in counts.items() if n),
    ]
    friends = pa.table(dict(zip(NAMES, both.T, strict=True)))
    return replace(log, friends=friends, remarks=(*log.remarks, *not_read(name, unread), "; ".join(counted)))


def _indices(cells: Any, users: Any) -> Array:
    """Index of every id in the users table, -1 for an unknown id; ids are read as in a table of events."""
    codes, words = encode_ids(cells, users)
    found = pc.fill_null(pc.index_in(words, value_set=users), -1).to_numpy().astype(np.int64)
    index: Array = np.append(found, -1)[codes]
    return index


def _pairs(path: str | PathLike[str], users: Any) -> tuple[str, Any, list[str]]:
    """Name of the file, its two columns, and the names of the others."""
    files = Files(path)
    name = files.one("*")
    if holds_parquet(files, name):
        header = parquet_file(files, name).schema_arrow.names
        chosen = _two(name, header)
        table = parquet_columns(files, name, chosen)
        lines = from_one(len(table))
    else:
        line = read_line(files, name)
        separator = separator_of(line)
        cells = cells_of(line, separator, name)
        ids = set(users.to_pylist())
        has_header = not any(cell in ids or re.fullmatch("[0-9]+", cell) for cell in cells)
        placed = None if has_header else [f"#{k + 1}" for k in range(len(cells))]
        header = placed or cells
        chosen = _two(name, header)
        layout = TextLayout(separator or ",", header=placed)
        table, lines = read_csv_and_lines(files, name, dict.fromkeys(chosen, TEXT), layout)
    for column in chosen:
        cells = table[column]
        empty = as_numpy(cells.is_null())
        if cells.type == TEXT:
            empty |= as_numpy(pc.equal(pc.utf8_trim_whitespace(cells), "").fill_null(True))
        rows = np.flatnonzero(empty)
        raise_problems(
            [LogProblem(name, int(lines[row]), column, "a user is needed", "nothing") for row in rows]
        )
    return name, table.select(chosen), [column for column in header if column not in chosen]


def _two(name: str, header: list[str]) -> list[str]:
    """Names of the two columns of a pair."""
    if all(column in header for column in NAMES):
        return list(NAMES)
    if len(header) != 2 or header[0] == header[1]:
        raise LogError(
            f"{name}: the columns user and friend are needed, or two columns; found {shown(header)}"
        )
    return list(header)
