"""A log: a validated table of impressions, one row per shown item.

The rows have all columns of ROWS (all null if unknown), one bool column for each logged event, `context_*` columns, and
extra columns that a reader documents. `file` and `file_row` are the origin of a row, where a reader knows it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recgym.arrays import Array
from recgym.checks import finite_number, quoted, require_kind, require_name
from recgym.events import EVENTS
from recgym.logs.columns import (
    EARLIER,
    ITEM_COLUMNS,
    NO_SOURCE,
    REQUIRED,
    ROWS,
    Source,
    as_numpy,
    cast,
    is_in_order,
    is_words,
    named_kind,
    nulls,
    require,
    require_arrays,
    require_source,
)
from recgym.logs.log_options import LogFields, TableOptions, check_names, check_texts
from recgym.logs.problems import LogError, raise_problems

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Log:
    """A log in memory, made by `recgym.logs.read_log`, `Log.from_pandas` or `Log.build`."""

    rows: Any = None  # pa.Table, sorted by session, step, position
    users: Any = None  # pa.Table: "id" (string) and public features; row i is user index i
    items: Any = None  # pa.Table: "id" (string) and, where known, category, price, duration_ms, page, label
    domain: str = ""
    source: Source = NO_SOURCE
    duplicates: int = 0  # number of exact duplicate rows that the reader dropped
    remarks: tuple[str, ...] = ()  # observations and decisions of the reader, one line each
    friends: Any = None  # pa.Table of distinct pairs, int32 columns user and friend; None: unknown
    earlier: Any = None  # pa.Table of EARLIER: exposures before the log; None: unknown
    indexed_by: str | None = None  # `World.index_digest` if user and item are indices of a world
    horizon: int | None = None  # [steps] at which sampled sessions were truncated; None: not known

    def __post_init__(self) -> None:
        require("a log", self.rows, ROWS)
        require_name("domain", self.domain, EVENTS, LogError)
        require_source(self.source)
        require("a log", self.rows, dict.fromkeys(self.events, pa.bool_()) | named_kind(self.rows))
        for name in {"file", "file_row"} & set(self.rows.column_names):
            kind = self.rows.schema.field(name).type
            if not (is_words(kind) if name == "file" else pa.types.is_integer(kind)):
                needed = "text" if name == "file" else "integers"
                raise LogError(f"column {name} of a log is the origin of rows: {needed} needed; it is {kind}")
        for name, table in (("users", self.users), ("items", self.items)):
            require(f"the {name} table", table, {"id": pa.string()})
        for name, is_kind in ITEM_COLUMNS.items():
            kinds = [field.type for field in self.items.schema if field.name == name]
            if kinds and not is_kind(kinds[0]):
                raise LogError(f"column {name} of the items table cannot be {kinds[0]}")
        if self.earlier is not None:
            require("the table of earlier exposures", self.earlier, EARLIER)
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
        **about: Unpack[LogFields],
    ) -> "Log":
        """Builds a log from columns; types are cast, absent columns become null, rows are sorted.

        Args:
            columns: numpy or Arrow arrays (rows,); those of REQUIRED are needed.
            users: Arrow table of the users; row i is user index i.
            items: Arrow table of the items; row i is item index i.
            domain: ecommerce, content or social.
            source: origin of the log.
            **about: duplicates, number of exact duplicate rows that were dropped; remarks, one line each; friends and
                earlier, Arrow tables.

        Raises:
            LogError: a required column is missing, or a value does not fit the type of its column.
        """
        check_names("build", about, LogFields)
        require_arrays(columns)
        num_rows = len(columns["user"])
        flags = [event.name for event in EVENTS.get(domain, ())]
        arrays: dict[str, Any] = {name: nulls(num_rows, kind) for name, kind in ROWS.items()}
        for name, values in columns.items():
            kind = ROWS.get(name, pa.bool_() if name in flags else None)
            arrays[name] = cast(name, values, kind)
        rows = pa.table(arrays)
        if not is_in_order(rows):
            keys = [("session", "ascending"), ("step", "ascending"), ("position", "ascending")]
            rows = rows.take(pc.sort_indices(rows, sort_keys=keys))
        more = tuple(about.get("remarks", ())), about.get("friends"), about.get("earlier")
        return cls(rows, users, items, domain, source, about.get("duplicates", 0), *more)

    @property
    def events(self) -> tuple[str, ...]:
        """Logged events of the domain, in the order of the event table."""
        return tuple(event.name for event in EVENTS[self.domain] if event.name in self.rows.column_names)

    @property
    def num_rows(self) -> int:
        """Number of rows (impressions)."""
        return int(self.rows.num_rows)

    @property
    def num_users(self) -> int:
        """Number of users in the users table."""
        return int(self.users.num_rows)

    @property
    def num_items(self) -> int:
        """Number of items in the items table."""
        return int(self.items.num_rows)

    @property
    def num_sessions(self) -> int:
        """Number of sessions."""
        return len(self.session_starts())

    def __len__(self) -> int:
        return self.num_rows

    def column(self, name: str) -> Array:
        """(rows,) a column: numbers with nulls as float64 with NaN, strings as objects with None."""
        if name not in self.rows.column_names:
            raise LogError(f"the log has no column {name!r}; it has {', '.join(self.rows.column_names)}")
        return as_numpy(self.rows[name])

    def session_starts(self) -> Array:
        """(sessions,) row at which each session starts."""
        session = self.column("session")
        return (
            np.flatnonzero(np.r_[True, session[1:] != session[:-1]])
            if len(session)
            else np.zeros(0, np.int64)
        )

    def split(self, fractions: Sequence[float] = (0.8, 0.1, 0.1)) -> "tuple[Log, ...]":
        """Splits the sessions by time into parts with these fractions, such as train, validation and test.

        Sessions are ordered by the time of their first row, or by their number in a log without times. Users and items
        keep their indices.

        Raises:
            LogError: a fraction is not above 0, or their sum is not 1.
        """
        if not isinstance(fractions, Sequence | np.ndarray) or not len(fractions):
            raise LogError(f"fractions must be above 0 and sum to 1; found {quoted(fractions)}")
        try:
            parts = [finite_number(each, "a fraction") for each in fractions]
        except ValueError as error:
            raise LogError(f"fractions: {error}") from None
        if min(parts) <= 0 or abs(sum(parts) - 1.0) > 1e-9:
            raise LogError(f"fractions must be above 0 and sum to 1; found {tuple(parts)}")
        starts = self.session_starts()
        time = self.column("time")[starts]
        order = np.arange(len(starts)) if np.isnan(time).any() else np.argsort(time, kind="stable")
        cuts = np.round(np.cumsum(parts)[:-1] * len(starts)).astype(np.int64)
        part = np.empty(len(starts), np.int64)
        part[order] = np.searchsorted(cuts, np.arange(len(starts)), side="right")
        return self._parts(part, len(parts))

    def split_at(self, column: str, *values: Any) -> "tuple[Log, ...]":
        """Splits the sessions at rising values of a column, by the value of their first row.

        A part includes its lower bound. The column may be any ordered one, such as `time`, by ISO dates (UTC) or in ms,
        or ISO dates in `context_date`.

        Raises:
            LogError: the values do not rise, are of another type, or leave a part empty; or the column is empty at the
                start of a session.
        """
        starts, _ = self.session_starts(), self.column(column)
        if self.rows[column].take(pa.array(starts)).null_count:
            raise LogError(
                f"the log cannot be split at column {column!r}: it is empty at the start of a session"
            )
        from recgym.logs.split_bounds import parts_at

        firsts = as_numpy(self.rows[column].take(pa.array(starts)))
        return self._parts(parts_at(column, firsts, values), len(values) + 1)

    def _parts(self, part: Array, count: int) -> "tuple[Log, ...]":
        starts = self.session_starts()
        of_row = np.repeat(part, np.diff(np.r_[starts, self.num_rows]))
        return tuple(
            replace(self, rows=self.rows.filter(pa.array(of_row == index))) for index in range(count)
        )

    def on_indices(self, users: Array, items: Array, **how: Any) -> "Log":
        """Log with other indices of users and items, for `World.index_log`; see `recgym.logs.reindex`."""
        from recgym.logs.reindex import on_indices

        return on_indices(self, users, items, **how)

    def to_pandas(self) -> "pd.DataFrame":
        """Rows as a data frame; `user`, `item` and `named` are the original ids, and all-null columns are left out."""
        rows, of_items = self.rows, [(name, self.items) for name in ("item", *named_kind(self.rows))]
        for name, table in (("user", self.users), *of_items):
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
        **options: Unpack[TableOptions],
    ) -> "Log":
        """Builds a log from a data frame by the rules of the generic table (`recgym.logs.generic`).

        Args:
            rows: frame of pandas, polars or Arrow; `user` and `item` are ids, other columns have the names of ROWS.
            domain: ecommerce, content or social.
            users: table of users with a column `id`; a user of `rows` that is not in it is an error. Default: the ids
                that occur.
            items: the same of items.
            source: origin of the log.
            **options: time_unit (s, ms, us or ns) of numeric times, time_format of dates in the form of
                `datetime.strptime`, duplicates (keep or drop) and ties (file), as in `recgym.logs.generic`.

        Raises:
            LogError: a value does not fit.
            TypeError: an option has another name.
        """
        from recgym.logs.data_frames import log_of_frame

        check_names("from_pandas", options, TableOptions)
        check_texts({"domain": domain, **options})
        return log_of_frame(
            cls.build,
            rows,
            domain=domain,
            users=users,
            items=items,
            source=source,
            **options,
        )

    def write(self, folder: str | PathLike[str], *, replace: bool = False) -> None:
        """Writes a folder of tables, meta.json and checksums, atomically; LogError if it exists and no `replace`."""
        from recgym.logs.stored import write_log

        write_log(self, folder, replace)

    @classmethod
    def read(cls, folder: str | PathLike[str], *, check: bool = True) -> "Log":
        """Reads a folder that `write` made; `check=False` skips the validation of values.

        Raises:
            LogError: the folder is not a log, a file is damaged, or a value breaks a rule.
        """
        from recgym.logs.check import validate
        from recgym.logs.stored import read_folder

        log = read_folder(folder, cls)
        if check:
            raise_problems(validate(log))
        return log


def require_logs(**arguments: Any) -> None:
    """ValueError that names the first argument that is no log."""
    for name, value in arguments.items():
        require_kind(value, Log, name, "read_log(path)")
