"""Tables on stdout. On a narrow terminal whole columns are left out, and a line names them.

Ids, numbers and intervals are never cut or wrapped; columns of words are wrapped between words. Pipes and files get all
columns, one line for each row.
"""

import sys
from collections.abc import Sequence
from typing import NamedTuple

from recgym.cli.terminal import console, is_terminal

_COLUMN_GAP = 3  # characters between two columns


class TableColumn(NamedTuple):
    """One column of a table."""

    name: str
    rank: int = 0  # columns are added in this order while there is space; the first one is always shown
    is_text: bool = False  # words that may be wrapped; aligned left


def _width(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)


def _min_width(column: TableColumn, cells: Sequence[str]) -> int:
    """Smallest width without a cut: that of the longest cell, or of the longest word in a column of words."""
    pieces = [word for cell in cells for word in cell.split()] if column.is_text else list(cells)
    return max(map(_width, (*pieces, *column.name.split())), default=0)


def widths(columns: Sequence[TableColumn], rows: Sequence[Sequence[str]], room: int | None) -> dict[int, int]:
    """Width of each column that is shown, by its index.

    Args:
        columns: of the table, in order.
        rows: cells.
        room: characters of a line; None: no limit.
    """
    cells = [[row[i] for row in rows] for i in range(len(columns))]
    natural = [
        max(map(_width, (column.name, *inside))) for column, inside in zip(columns, cells, strict=True)
    ]
    if room is None:
        return dict(enumerate(natural))
    min_widths = [_min_width(column, inside) for column, inside in zip(columns, cells, strict=True)]
    shown, used = {}, -_COLUMN_GAP
    for i in sorted(range(len(columns)), key=lambda i: (i > 0, columns[i].rank)):
        if i == 0 or used + _COLUMN_GAP + min_widths[i] <= room:
            shown[i] = min_widths[i]
            used += _COLUMN_GAP + min_widths[i]
    for i in sorted(shown):  # columns of words get the remaining space, from the left
        more = min(natural[i] - shown[i], max(room - used, 0)) if columns[i].is_text else 0
        shown[i] += more
        used += more
    return {i: shown[i] for i in sorted(shown)}


def show_table(columns: Sequence[TableColumn], rows: Sequence[Sequence[str]], title: str = "") -> None:
    """Prints a table, and a line with the columns that were left out."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    out = console()
    shown = widths(columns, rows, out.width if is_terminal(sys.stdout) else None)
    table = Table(box=box.SIMPLE, show_edge=False, pad_edge=False)
    for i, width in shown.items():
        is_number = (
            i > 0 and not columns[i].is_text and any(row[i].lstrip("+-")[:1].isdigit() for row in rows)
        )
        table.add_column(Text(columns[i].name), justify="right" if is_number else "left", width=width)
    for row in rows:
        table.add_row(*(Text(row[i]) for i in shown))
    if title:
        show_text(title, style="bold")
    out.width = max(out.width, sum(shown.values()) + _COLUMN_GAP * (len(shown) - 1))
    out.print(table)
    if left := [column.name for i, column in enumerate(columns) if i not in shown]:
        show_text(
            f"Columns that do not fit (a wider terminal or a pipe shows them): {', '.join(left)}.",
            style="dim",
        )


def show_text(text: str, style: str = "") -> None:
    """Prints a paragraph, wrapped between words on a terminal."""
    from rich.text import Text

    console().print(Text(text, style=style), soft_wrap=not is_terminal(sys.stdout))


# columns of the tables of a card: ranks, and columns of words
_RANKS = {"baseline": 1, "n": 2, "noise": 3, "judges": 4}
_WORDS = ("figure", "term", "world", "baseline", "source", "value")


def show_markdown(text: str) -> None:
    """Prints Markdown on a terminal, its tables by `show_table`."""
    from rich.markdown import Markdown

    prose: list[str] = []
    lines = [*text.splitlines(), ""]
    table: list[list[str]] = []
    for line in lines:
        if line.startswith("|"):
            table.append([cell.strip() for cell in line.strip().strip("|").split(" | ")])
            continue
        if table:
            console().print(Markdown("\n".join(prose)))
            prose = []
            head, _, *rows = table
            rows = [[*row[: len(head) - 1], " | ".join(row[len(head) - 1 :])] for row in rows]
            show_table([TableColumn(name, _RANKS.get(name, 0), name in _WORDS) for name in head], rows)
            table = []
            console().print()
        prose.append(line)
    console().print(Markdown("\n".join(prose)))
