"""Reader of Diginetica: two files, unknown users, times in the session, and errors."""

from log_layouts import changed, named, refused, write
from public_layouts import LAYOUTS

from recgym.logs import read_log, validate

FILES = LAYOUTS["diginetica"]


def test_diginetica(tmp_path):
    log = read_log(write(tmp_path, FILES))
    rows = named(log)
    assert rows["user"] == ["session 1", "session 1", "7", "7"]
    assert rows["item"] == ["81766", "31331", "32118", "9654"]
    assert rows["session"] == [1, 1, 2, 3]
    assert rows["time"] == [1462752526309, 1462753031018, 1462838643569, 1462924875848]
    assert rows["purchase"] == [False, True, False, False]
    assert rows["click"] == [True] * 4
    assert log.items["category"].to_pylist() == ["unknown", "1192", "1192", "1096"]
    assert validate(log) == []


def test_diginetica_errors_name_the_row(tmp_path):
    folder = write(tmp_path, changed(FILES, "train-item-views.csv", "243569;2016-05-10", "243569;May"))
    assert refused(folder).startswith("train-item-views.csv, row 4, eventdate: a time is needed")
    folder = write(tmp_path, changed(FILES, "train-purchases.csv", "16421;31331", "16421;"))
    assert refused(folder) == "train-purchases.csv, row 2, itemId: a value is needed; found nothing"


def test_a_row_without_a_user_is_of_the_user_of_its_session(tmp_path):
    folder = write(tmp_path, changed(FILES, "train-item-views.csv", "1;NA;31331", "1;9;31331"))
    assert named(read_log(folder))["user"] == ["9", "9", "7", "7"]


def test_timeframes_are_numbers(tmp_path):
    folder = write(tmp_path, changed(FILES, "train-item-views.csv", ";243569;", ";24 s;"))
    assert refused(folder) == (
        "train-item-views.csv, row 4, timeframe: milliseconds since the start of the session are needed; found '24 s'"
    )
    folder = write(tmp_path, changed(FILES, "train-item-views.csv", ";243569;", ";;"))
    assert named(read_log(folder))["time"] == [1462752526309, 1462753031018, 1462838400000, 1462924875848]
