"""Reader of MicroLens: comments by time, and errors."""

from log_layouts import changed, named, refused, write
from public_layouts import LAYOUTS

from recgym.logs import read_log, validate

FILES = LAYOUTS["microlens"]


def test_microlens(tmp_path):
    log = read_log(write(tmp_path, FILES))
    rows = named(log)
    assert rows["user"] == ["7", "36121", "36121"]
    assert rows["item"] == ["9580", "9580", "8121"]
    assert rows["time"] == [1583378629552, 1662984066528, 1662984066600]
    assert (rows["session"], rows["step"]) == ([0, 1, 1], [0, 0, 1])
    assert log.domain == "content"
    assert validate(log) == []


def test_microlens_errors_name_the_row(tmp_path):
    folder = write(tmp_path, changed(FILES, "MicroLens-100k_pairs.csv", "1583378629552", "x"))
    assert refused(folder).startswith("MicroLens-100k_pairs.csv, row 4, timestamp: a time is needed")
