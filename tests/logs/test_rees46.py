"""Reader of REES46: joined events over several months, and errors."""

from log_layouts import changed, named, refused, write
from public_layouts import LAYOUTS

from recgym.logs import read_log, validate

FILES = LAYOUTS["rees46"]


def test_rees46(tmp_path):
    log = read_log(write(tmp_path, FILES))
    rows = named(log)
    assert rows["user"] == ["541312140", "554748717", "554748717"]
    assert rows["item"] == ["44600062", "3900821", "3900821"]
    assert rows["click"] == [True, True, True]
    assert rows["cart"] == [True, False, True]
    assert rows["purchase"] == [False, False, True]
    assert rows["time"] == [1569888000000, 1569888001000, 1572566400000]
    assert rows["session"] == [0, 1, 2]
    assert [round(price, 2) for price in rows["price"]] == [35.79, 33.2, 30.0]
    assert log.items["category"].to_pylist() == ["appliances.environment", "unknown"]
    assert log.source.name == "rees46"
    assert validate(log) == []


def test_rees46_errors_name_the_row(tmp_path):
    folder = write(tmp_path, changed(FILES, "2019-Oct.csv", "view,3900821", "gaze,3900821"))
    assert refused(folder).startswith("2019-Oct.csv, row 5, event_type: the event is unknown")
    folder = write(tmp_path, changed(FILES, "2019-Nov.csv", ",30.00,", ",cheap,"))
    assert refused(folder).startswith("2019-Nov.csv, row 2, price: a number is needed")


def test_rows_without_a_session_or_with_a_price_below_0_are_counted(tmp_path):
    """2019-Oct.csv has two without a session, and 2019-Dec.csv of the cosmetics shop some with a price below 0."""
    head = FILES["2019-Oct.csv"].partition("\n")[0]
    rows = [
        "2019-12-01 00:00:00 UTC,view,7,1,,a,0.00,1,s1",
        "2019-12-01 00:00:01 UTC,view,8,1,,a,1.50,1,",
        "2019-12-01 00:00:02 UTC,cart,9,1,,a,-7.94,2,s2",
        "2019-12-01 00:00:03 UTC,view,9,1,,a,7.94,2,s2",
    ]
    log = read_log(write(tmp_path, {"2019-Dec.csv": "\n".join([head, *rows]) + "\n"}))
    assert (named(log)["item"], log.column("file_row").tolist()) == (["7", "9"], [2, 5])
    assert "2019-Dec.csv: 2 rows left out, without a session or with a price below 0" in log.remarks
