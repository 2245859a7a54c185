"""Reader of Taobao UserBehavior: joined events, the period, and errors."""

from log_layouts import changed, named, refused, write
from public_layouts import LAYOUTS

from recgym.logs import read_log, validate

FILES = LAYOUTS["taobao"]


def test_taobao(tmp_path):
    log = read_log(write(tmp_path, FILES))
    rows = named(log)
    assert rows["user"] == ["1", "1", "100"]
    assert rows["item"] == ["2268318", "2333346", "2268318"]
    assert rows["time"] == [1511544070000, 1511561733000, 1512316799000]
    assert rows["session"] == [0, 1, 2]
    assert (rows["click"], rows["cart"]) == ([True] * 3, [True, False, True])
    assert rows["purchase"] == [False, False, True]
    assert rows["file_row"] == [1, 3, 4]
    assert log.items["category"].to_pylist() == ["2520377", "2520771"]
    assert log.remarks[0] == "UserBehavior.csv: 2 rows left out, outside the nine days of the data set"
    assert validate(log) == []


def test_taobao_errors_name_the_row(tmp_path):
    folder = write(tmp_path, changed(FILES, "UserBehavior.csv", "fav,1511561733", "fav,soon"))
    assert refused(folder).startswith("UserBehavior.csv, row 3, #5: a time is needed")
    folder = write(tmp_path, changed(FILES, "UserBehavior.csv", ",buy,", ",steal,"))
    assert refused(folder).startswith("UserBehavior.csv, row 4, #4: the event is unknown")
