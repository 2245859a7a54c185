"""What is wrong with a file or a log: one row a problem, one line a message."""

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

COMPARED = 1000  # rows of which a message says whether they are alike


class LogProblem(NamedTuple):
    """One value that breaks a rule.

    `row` is the line of a text file at which the row begins, blank lines counted, and the row of another table, where
    the header is row 1. Row 0 stands for the file as a whole.
    """

    file: str
    row: int
    column: str
    rule: str  # what is allowed
    value: str  # what was found

    def __str__(self) -> str:
        place = (
            self.file
            + (f", row {self.row}" if self.row else "")
            + (f", {self.column}" if self.column else "")
        )
        return escaped(f"{place}: {self.rule}; found {self.value}")


class LogError(ValueError):
    """A log cannot be read, built, split or written; `problems` holds every bad row that was found."""

    def __init__(self, message: str, problems: Sequence[LogProblem] = ()):
        super().__init__(escaped(message))
        self.problems = tuple(problems)


def escaped(text: str) -> str:
    """One line that a terminal only shows: control characters and changes of direction as their escapes."""
    return re.sub(
        "[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]",
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
    """One problem for each of these rows of a table; where all its rows break the rule, one for all of them.

    Args:
        rows: indices of the rows that break the rule, (bad,).
        total: rows of the table.
        place: file and row, as a person counts, of an index.
        column: name of the column.
        rule: what is allowed.
        shown: what stands in a row.
        alike: one problem for the rows even where they are not all.
    """
    if len(rows) > 1 and (alike or len(rows) == total):
        first, some = int(rows[0]), "all" if len(rows) == total else f"{len(rows):,} of"
        is_same = all(shown(int(row)) == shown(first) for row in rows[:COMPARED])
        more = (
            f", and alike in {some} {total:,} rows" if is_same else f"; {some} {total:,} rows break this rule"
        )
        return [LogProblem(*place(first), column, rule, shown(first) + more)]
    return [LogProblem(*place(int(row)), column, rule, shown(int(row))) for row in rows]


def refuse(problems: Sequence[LogProblem]) -> None:
    """Raise a LogError that tells the first problem and how many follow; nothing where there is none."""
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise LogError(f"{problems[0]}{more}", problems)


def shown(names: Sequence[str], most: int = 12, width: int = 40) -> str:
    """Names in one line of bounded length."""
    cut = [name if len(name) <= width else f"{name[: width - 3]}..." for name in names[:most]]
    return ", ".join([*cut, *([f"and {len(names) - most} more"] if len(names) > most else [])])
