"""Problems of files and logs; a message is one line: file, row, column, rule, and what was found."""

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from recgym.logs.ids import natural_key

MAX_COMPARED_ROWS = 1000  # rows that are compared to call them alike
MAX_NAMED_ROWS = 12  # rows that are named where many are alike


class LogProblem(NamedTuple):
    """A value that breaks a rule.

    `row` is the line of a text file at which the row starts (blank lines count), or the number of the row of
    another table (Parquet, a data frame), from 1. Row 0 means the whole file.
    """

    file: str
    row: int
    column: str
    rule: str  # what is needed
    value: str  # what was found

    def __str__(self) -> str:
        place = (
            self.file
            + (f", row {self.row}" if self.row else "")
            + (f", {self.column}" if self.column else "")
        )
        return escaped(f"{place}: {self.rule}; found {self.value}")


class LogError(ValueError):
    """A log cannot be read, built, split or written; `problems` are all problems that were found."""

    def __init__(self, message: str, problems: Sequence[LogProblem] = ()):
        super().__init__(escaped(message))
        self.problems = tuple(problems)


def escaped(text: str) -> str:
    """Text as one safe line: control characters, changes of direction and lone surrogates are escaped."""
    return re.sub(
        "[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]",
        lambda found: found[0].encode("unicode_escape").decode(),
        text,
    )


def problems_of(
    rows: Any,
    total: int,
    place: Callable[[int], tuple[str, int]],
    column: str,
    rule: str,
    shown: Callable[[int], str],
    alike: bool = False,
) -> list[LogProblem]:
    """One problem for each of some rows of a table; a single one if most of many rows break the rule.

    Items of a slate share their row of the file: a problem that they all have is one.

    Args:
        rows: (bad,) indices of the rows that break the rule.
        total: number of rows of the table.
        place: returns file and row of an index.
        column: name of the column.
        rule: what is needed.
        shown: returns the cell at an index, as text.
        alike: return a single problem in any case.
    """
    is_column = len(rows) == total or len(rows) > max(MAX_NAMED_ROWS, total / 2)  # a column of another kind
    if len(rows) > 1 and (alike or is_column):
        first, some = int(rows[0]), "all" if len(rows) == total else f"{len(rows):,} of"
        is_same = all(shown(int(row)) == shown(first) for row in rows[:MAX_COMPARED_ROWS])
        more = (
            f", and alike in {some} {total:,} rows" if is_same else f"; {some} {total:,} rows break this rule"
        )
        more += f": {_rows_of(rows, place)}" if len(rows) < total else ""
        return [LogProblem(*place(first), column, rule, shown(first) + more)]
    found = (LogProblem(*place(int(row)), column, rule, shown(int(row))) for row in rows)
    return list(dict.fromkeys(found))


def _rows_of(rows: Any, place: Callable[[int], tuple[str, int]]) -> str:
    """The first rows as one text; with their file where it is not that of the first."""
    own = place(int(rows[0]))[0]
    places = [place(int(row)) for row in rows[: MAX_NAMED_ROWS + 1]]
    named = [f"{row}" if file == own else f"{file} {row}" for file, row in places[:MAX_NAMED_ROWS]]
    return f"rows {', '.join(named)}{', ...' * (len(places) > MAX_NAMED_ROWS)}"


def in_file_order(problems: Sequence[LogProblem]) -> list[LogProblem]:
    """Problems by file and row; those of whole files first."""
    key = {file: natural_key(file) for file in {problem.file for problem in problems}}
    return sorted(problems, key=lambda problem: (key[problem.file], problem.row))


def raise_problems(problems: Sequence[LogProblem]) -> None:
    """Raises LogError with the first problem in the files and the number of others, if there is a problem."""
    if problems:
        problems = in_file_order(problems)
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise LogError(f"{problems[0]}{more}", problems)


def not_read(table: str, columns: Sequence[str]) -> list[str]:
    """Remark that names the columns of a table that are not read, so that a misspelt name is seen."""
    parts = [shown([name for name in columns if name])] if any(columns) else []
    if "" in columns:
        parts += [
            "one without a name (row numbers, if pandas wrote them: to_csv(path, index=False) leaves them out)"
        ]
    return [f"{table}: columns not read: {', '.join(parts)}"] if columns else []


def shown(names: Sequence[str], most: int = 12, width: int = 40) -> str:
    """Names as one line of bounded length."""
    cut = [name if len(name) <= width else f"{name[: width - 3]}..." for name in names[:most]]
    return ", ".join([*cut, *([f"and {len(names) - most} more"] if len(names) > most else [])])
