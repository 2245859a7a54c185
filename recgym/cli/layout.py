"""Tables on stdout that lose no character: where the terminal is narrow, whole columns are left out, and named.

Ids, numbers and intervals are never cut nor wrapped; columns of words are wrapped between words. Into a pipe or a file
goes everything, one line a row.
"""

import sys
from collections.abc import Sequence
from typing import NamedTuple

from recgym.cli.terminal import console, is_terminal

_GAP = 3  # between two columns


class TableColumn(NamedTuple):
    """One column of a table."""

    name: str
    rank: int = 0  # 0: always shown; the others in this order as long as there is room
    is_text: bool = False  # words that may go on in the next line; the column is set left


def _width(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)


def _least(column: TableColumn, cells: Sequence[str]) -> int:
    """Width below which something would be cut: of the longest cell, of words the longest word."""
    pieces = [word for cell in cells for word in cell.split()] if column.is_text else list(cells)
    return max(map(_width, (*pieces, *column.name.split())), default=0)


def widths(columns: Sequence[TableColumn], rows: Sequence[Sequence[str]], room: int | None) -> dict[int, int]:
    """Which columns are shown, and how wide each is.

    Args:
        columns: of the table, in its order.
        rows: their cells.
        room: characters of a line, None for as many as it takes.
    """
    cells = [[row[i] for row in rows] for i in range(len(columns))]
    natural = [
        max(map(_width, (column.name, *inside))) for column, inside in zip(columns, cells, strict=True)
    ]
    if room is None:
        return dict(enumerate(natural))
    least = [_least(column, inside) for column, inside in zip(columns, cells, strict=True)]
    shown, used = {}, -_GAP
    for i in sorted(range(len(columns)), key=lambda i: columns[i].rank):
        if columns[i].rank == 0 or used + _GAP + least[i] <= room:
            shown[i] = least[i]
            used += _GAP + least[i]
    for i in sorted(shown):  # what is left over goes to the words, from the left
        more = min(natural[i] - shown[i], max(room - used, 0)) if columns[i].is_text else 0
        shown[i] += more
        used += more
    return {i: shown[i] for i in sorted(shown)}


def show_table(columns: Sequence[TableColumn], rows: Sequence[Sequence[str]], title: str = "") -> None:
    """Print a table; a line below it names the columns that were left out."""
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
    out.width = max(out.width, sum(shown.values()) + _GAP * (len(shown) - 1))
    out.print(table)
    if left := [column.name for i, column in enumerate(columns) if i not in shown]:
        show_text(
            f"Columns that do not fit (a wider terminal or a pipe shows them): {', '.join(left)}.",
            style="dim",
        )


def show_text(text: str, style: str = "") -> None:
    """Print a paragraph, wrapped between words where it goes to a terminal."""
    from rich.text import Text

    console().print(Text(text, style=style), soft_wrap=not is_terminal(sys.stdout))


# columns of a card's tables that give way, and those of words
_RANKS = {"toy": 1, "baseline": 1, "n": 2, "noise": 3, "judges": 4}
_WORDS = ("figure", "term", "world", "toy", "baseline", "where from", "value")


def show_markdown(text: str) -> None:
    """Print Markdown on a terminal; its tables as `show_table` does."""
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
