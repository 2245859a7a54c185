"""The validated table of logged events: one row a shown item (schema: ROWS, the project's contract).

Every column of ROWS is always there: what a log does not know is all null. Beside them stand one bool column
an event (only those the log has), `context_*` columns, and extras that a reader documents. `file` and
`file_row`, where a reader gives them, say where a row came from.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recgym.arrays import Array
from recgym.events import DOMAINS, EVENTS
from recgym.logs.columns import (
    ITEM_COLUMNS,
    REQUIRED,
    ROWS,
    Source,
    as_numpy,
    cast,
    is_in_order,
    is_words,
    require,
)
from recgym.logs.problems import LogError, refuse

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Log:
    """A log in memory. Build one with `Log.build`, `recgym.logs.read_log` or `Log.from_pandas`."""

    rows: Any  # pa.Table, sorted by session, step, position
    users: Any  # pa.Table: "id" (string) and public features; row i is user index i
    items: Any  # pa.Table: "id" (string) and, where known, category, price, duration_ms, page, label
    domain: str
    source: Source
    duplicates: int = 0  # exact duplicate rows that the reader dropped
    remarks: tuple[str, ...] = ()  # what the reader noticed or settled, one line each
    friends: Any = (
        None  # pairs of users who are friends, each once: int32 columns user and friend; None: not known
    )
    indexed_by: str | None = (
        None  # `World.index_digest` of the world whose users and items are meant; None: its own tables' rows
    )

    def __post_init__(self) -> None:
        if self.domain not in EVENTS:
            raise LogError(f"domain {self.domain!r} is unknown; there are {', '.join(DOMAINS)}")
        wanted = {**ROWS, **{name: pa.bool_() for name in self.events}}
        require("a log", self.rows, wanted)
        for name in {"file", "file_row"} & set(self.rows.column_names):
            kind = self.rows.schema.field(name).type
            if not (is_words(kind) if name == "file" else pa.types.is_integer(kind)):
                raise LogError(f"column {name} of a log says where rows came from; it is {kind}")
        for name, table in (("users", self.users), ("items", self.items)):
            require(f"the {name} table", table, {"id": pa.string()})
        for name, is_kind in ITEM_COLUMNS.items():
            kinds = [field.type for field in self.items.schema if field.name == name]
            if kinds and not is_kind(kinds[0]):
                raise LogError(f"column {name} of the items table cannot be {kinds[0]}")
        if self.friends is not None:
            require("the friends table", self.friends, {"user": pa.int32(), "friend": pa.int32()})

    @classmethod
    def build(
        cls,
        columns: Mapping[str, Any],
        *,
        users: Any,
        items: Any,
        domain: str,
        source: Source,
        duplicates: int = 0,
        remarks: Sequence[str] = (),
        friends: Any = None,
    ) -> "Log":
        """A log from columns (numpy or Arrow): absent ones become null, types are cast, rows sorted.

        Raises LogError where a value does not fit its column's type.
        """
        missing = [name for name in REQUIRED if name not in columns]
        if missing:
            raise LogError(f"a log must have the columns {', '.join(REQUIRED)}; missing {', '.join(missing)}")
        num_rows = len(columns["user"])
        flags = [event.name for event in EVENTS.get(domain, ())]
        arrays: dict[str, Any] = {name: pa.nulls(num_rows, kind) for name, kind in ROWS.items()}
        for name, values in columns.items():
            kind = ROWS.get(name, pa.bool_() if name in flags else None)
            arrays[name] = cast(name, values, kind)
        rows = pa.table(arrays)
        if not is_in_order(rows):
            keys = [("session", "ascending"), ("step", "ascending"), ("position", "ascending")]
            rows = rows.take(pc.sort_indices(rows, sort_keys=keys))
        return cls(rows, users, items, domain, source, duplicates, tuple(remarks), friends)

    @property
    def events(self) -> tuple[str, ...]:
        """Events of the domain that the log has, in the order of the event table."""
        return tuple(event.name for event in EVENTS[self.domain] if event.name in self.rows.column_names)

    @property
    def num_rows(self) -> int:
        """Shown items."""
        return int(self.rows.num_rows)

    @property
    def num_users(self) -> int:
        """Users of the table, with and without rows."""
        return int(self.users.num_rows)

    @property
    def num_items(self) -> int:
        """Items of the table, with and without rows."""
        return int(self.items.num_rows)

    @property
    def num_sessions(self) -> int:
        """Visits that have rows."""
        return len(self.session_starts())

    def __len__(self) -> int:
        return self.num_rows

    def column(self, name: str) -> Array:
        """A column of the rows; numbers with nulls come as float64 with NaN, strings as objects with None."""
        if name not in self.rows.column_names:
            raise LogError(f"the log has no column {name!r}; it has {', '.join(self.rows.column_names)}")
        return as_numpy(self.rows[name])

    def session_starts(self) -> Array:
        """Row at which each session begins, shape (sessions,)."""
        session = self.column("session")
        return (
            np.flatnonzero(np.r_[True, session[1:] != session[:-1]])
            if len(session)
            else np.zeros(0, np.int64)
        )

    def split(self, fractions: Sequence[float] = (0.8, 0.1, 0.1)) -> "tuple[Log, ...]":
        """Parts with these fractions of the sessions, earlier ones first; usually train, validation, test.

        Sessions go by the time of their first row, by their number where the log has no clock. A session is
        never cut; users and items keep their indices.
        """
        if not fractions or min(fractions) <= 0 or abs(sum(fractions) - 1.0) > 1e-9:
            raise LogError(f"fractions must be above 0 and sum to 1; they are {tuple(fractions)}")
        starts = self.session_starts()
        time = self.column("time")[starts]
        order = np.arange(len(starts)) if np.isnan(time).any() else np.argsort(time, kind="stable")
        cuts = np.round(np.cumsum(fractions)[:-1] * len(starts)).astype(np.int64)
        part = np.empty(len(starts), np.int64)
        part[order] = np.searchsorted(cuts, np.arange(len(starts)), side="right")
        return self._parts(part, len(fractions))

    def split_at(self, column: str, *values: Any) -> "tuple[Log, ...]":
        """Parts before the first value, from it to before the second, and so on.

        A session goes whole where the value of its first row puts it. Any ordered column serves: ms of
        `time`, ISO strings of `context_date`.
        """
        if not values or any(not low < high for low, high in pairwise(values)):
            raise LogError(f"split_at needs values that rise; they are {values}")
        starts = self.session_starts()
        if self.rows[column].take(pa.array(starts)).null_count:
            raise LogError(
                f"the log cannot be split at column {column!r}: it is empty at the start of a session"
            )
        firsts = as_numpy(self.rows[column].take(pa.array(starts)))
        part = np.zeros(len(starts), np.int64)
        for value in values:
            part += np.asarray(firsts >= value, dtype=np.int64)
        return self._parts(part, len(values) + 1)

    def _parts(self, part: Array, count: int) -> "tuple[Log, ...]":
        starts = self.session_starts()
        of_row = np.repeat(part, np.diff(np.r_[starts, self.num_rows]))
        return tuple(
            replace(self, rows=self.rows.filter(pa.array(of_row == index))) for index in range(count)
        )

    def on_indices(self, users: Array, items: Array, **how: Any) -> "Log":
        """The log with other numbers for users and items (`recgym.logs.reindex`): what `World.index_log` uses."""
        from recgym.logs.reindex import on_indices

        return on_indices(self, users, items, **how)

    def to_pandas(self) -> "pd.DataFrame":
        """The rows as a frame; `user` and `item` are the original ids, all-null columns are left out."""
        rows = self.rows
        for name, table in (("user", self.users), ("item", self.items)):
            rows = rows.set_column(rows.schema.get_field_index(name), name, table["id"].take(rows[name]))
        known = [
            name
            for name in rows.column_names
            if name in REQUIRED or rows[name].null_count < max(len(rows), 1)
        ]
        frame: pd.DataFrame = rows.select(known).to_pandas()
        return frame

    @classmethod
    def from_pandas(
        cls,
        rows: "pd.DataFrame",
        *,
        domain: str,
        users: "pd.DataFrame | None" = None,
        items: "pd.DataFrame | None" = None,
        source: Source | None = None,
        time_unit: str | None = None,
        time_format: str | None = None,
        duplicates: str | None = None,
    ) -> "Log":
        """A log from a frame whose `user` and `item` are ids of any kind; other columns are named as in ROWS.

        The rules of the generic table (`recgym.logs.generic`) fill in what is missing, those of files for times too:
        numbers of seconds are seconds. `users` and `items` have a column `id`; an id they do not hold is an error.
        Without them the tables list the ids that occur. Raises LogError for values that do not fit.
        """
        from recgym.logs.events_table import log_of_frame

        return log_of_frame(
            cls.build,
            rows,
            domain=domain,
            users=users,
            items=items,
            source=source,
            time_unit=time_unit,
            time_format=time_format,
            duplicates=duplicates,
        )

    def write(self, folder: str | PathLike[str]) -> None:
        """Write the tables as Parquet beside meta.json; the folder appears whole, with checksums, or not at all."""
        from recgym.logs.stored import write_log

        write_log(self, folder)

    @classmethod
    def read(cls, folder: str | PathLike[str], *, check: bool = True) -> "Log":
        """A log that `write` made; LogError where the folder is none, a file of it is broken, or a value breaks a rule.

        `check=False` leaves the values to `validate`.
        """
        from recgym.logs.check import validate
        from recgym.logs.stored import read_folder

        log = read_folder(folder, cls)
        if check:
            refuse(validate(log))
        return log
