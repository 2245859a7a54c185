"""The tables of a results folder on stdout."""

from recgym.bench.all_environments import aggregate_table, corrected_lines, describe_left_out
from recgym.bench.experiment import title_of
from recgym.bench.ranking_stability import STABILITY_HEAD, stability_lines, stability_table
from recgym.bench.report import Results
from recgym.bench.table_text import (
    REFERENCE_HEAD,
    describe_learning,
    describe_planning,
    filled_columns,
    filled_names,
)
from recgym.cli.layout import TableColumn, show_table, show_text

# the order in which columns are given space, after those without a rank
_RANKS = {"score": 1, "reference": 2, "response rate": 3, "coverage": 4, "length": 5, "CPU seconds": 6}


def print_report(results: Results) -> None:
    """Prints the tables."""
    for preset, tables in results.tables.items():
        for table in tables:
            title = title_of(table.env_id, table.experiment)
            ranks = _RANKS | {REFERENCE_HEAD.format(table.reference): _RANKS["reference"]}
            names, rows = filled_columns(table, filled_names([table]))
            columns = [TableColumn(name, ranks.get(name, 0)) for name in names]
            show_table(columns, rows, f"{preset}: {title}" + (f"  ({table.mark})" if table.mark else ""))
            lines = [describe_planning(table), describe_learning(table), *table.notes]
            if table.is_assumed:
                lines.append("The reward rests on assumed parameters.")
            for line in (*filter(None, lines), ""):
                show_text(line)
        _print_aggregate(results, preset)
        for entry in results.stability[preset]:
            title = f"{preset}: assumed terms of {title_of(entry.env_id, entry.experiment)}"
            show_table([TableColumn(name, 0) for name in STABILITY_HEAD], stability_table(entry), title)
            for line in (*stability_lines(entry), ""):
                show_text(line)
        for record in results.failed[preset]:
            show_text(f"failed: {record['run_id']}: {record['error']}")


def _print_aggregate(results: Results, preset: str) -> None:
    """The comparison over all environments, and the corrected comparisons of each."""
    found = results.aggregate[preset]
    if found is not None:
        names, rows = aggregate_table(found)
        show_table(
            [TableColumn(name, rank) for rank, name in enumerate(names)], rows, f"{preset}: all environments"
        )
        if text := describe_left_out(found):
            show_text(text)
    for line in (*corrected_lines(results.tables[preset]), ""):
        show_text(line)
