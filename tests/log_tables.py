"""Small tables of events, and how they are refused."""

import pytest

from recgym.logs import LogError, read_log

AT = 1_600_000_000  # s, 13 September 2020


def table(tmp_path, text, name="t.csv"):
    path = tmp_path / name
    path.write_text(text)
    return path


def of_times(tmp_path, cells):
    """A log whose rows have these times, each an item of its own."""
    rows = [f"u,i{k},{cell}" for k, cell in enumerate(cells)]
    return table(tmp_path, "\n".join(["user,item,time", *rows]) + "\n")


def refused(path, **options) -> LogError:
    with pytest.raises(LogError) as error:
        read_log(path, **{"domain": "social"} | options)
    assert "\n" not in str(error.value)
    return error.value


def rows_of(error):
    return [(problem.row, problem.column) for problem in error.problems]
