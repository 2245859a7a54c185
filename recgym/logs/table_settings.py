"""Settings of a table of events."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from recgym.logs.columns import Source
from recgym.logs.mapping import MIN_RESPONSE_RATING
from recgym.logs.origin import Origin
from recgym.logs.problems import LogProblem

if TYPE_CHECKING:
    from recgym.logs.unread_columns import UnreadColumns


@dataclass(frozen=True)
class TableSettings:
    """Settings of a table of events, and tables beside it."""

    name: str  # the file, for messages
    domain: str
    source: Source
    columns: Mapping[str, str]  # column name in the file of each key, for messages
    gap_minutes: float
    time_unit: str | None = None  # of numeric times, a key of UNITS; None: by their size
    users: Any = None  # pa.Table with a column id; None: ids that occur
    items: Any = None
    origin: Origin | None = None  # None: rows count from 1
    least_rating: float = MIN_RESPONSE_RATING
    rating_scale: tuple[float, float] | None = None  # lowest and highest rating of the data set
    time_format: str | None = None  # of dates, in the form of datetime.strptime
    any_year: bool = False  # allow times outside 1990-2100
    duplicates: str | None = None  # "keep" or "drop"; None: see recgym.logs.generic
    ties: str | None = (
        None  # "file": rows of one time are in the order of the files; None: see recgym.logs.row_order
    )
    words: Mapping[str, str] = field(default_factory=dict)  # meaning of words of the event column
    left_out: tuple[LogProblem, ...] = ()  # problems of rows of the file that were left out
    unread: "UnreadColumns | None" = None  # columns of the files that are not read
