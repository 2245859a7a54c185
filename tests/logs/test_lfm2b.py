"""Reader of LFM-2b: listens, packed files, and errors."""

import bz2

from log_layouts import changed, named, refused, write
from public_layouts import LAYOUTS

from recgym.logs import read_log, validate

FILES = LAYOUTS["lfm2b"]


def test_lfm2b(tmp_path):
    packed = {f"{name}.bz2": bz2.compress(text.encode()) for name, text in FILES.items()}
    log = read_log(write(tmp_path, packed))
    rows = named(log)
    assert (rows["user"], rows["item"]) == (["7", "1", "1"], ["2533", "2533", "2534"])
    assert rows["session"] == [0, 1, 1]
    assert rows["time"] == [1108339203000, 1375884635000, 1375884841000]
    assert log.domain == "social"
    assert validate(log) == []


def test_lfm2b_errors_name_the_row(tmp_path):
    folder = write(tmp_path, changed(FILES, "listening-events.tsv", "2534\t1471\t", "2534\t"))
    assert refused(folder) == "listening-events.tsv, row 3: a row must have 4 cells; found 3"
