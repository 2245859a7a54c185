"""The tables of a results folder on stdout."""

from recgym.bench.leaderboard import HEAD, cells, describe_planning
from recgym.bench.report import Results
from recgym.bench.report_page import title_of
from recgym.cli.layout import TableColumn, show_table, show_text

# columns of a table in the order in which they find room; those without a rank always do
_RANKS = {"score": 1, HEAD[3]: 2, "response rate": 3, "coverage": 4, "length": 5, HEAD[8]: 6}


def print_report(results: Results) -> None:
    """The tables on stdout."""
    columns = [TableColumn(name, _RANKS.get(name, 0)) for name in HEAD]
    for preset, tables in results.tables.items():
        for table in tables:
            title = title_of(table.env_id, table.experiment)
            rows = [cells(row) for row in table.rows]
            show_table(columns, rows, f"{preset}: {title}" + (f"  ({table.mark})" if table.mark else ""))
            lines = [describe_planning(table), *table.notes]
            if table.is_assumed:
                lines.append("The reward rests on assumed parameters.")
            for line in (*filter(None, lines), ""):
                show_text(line)
        for record in results.failed[preset]:
            show_text(f"failed: {record['run_id']}: {record['error']}")
