"""Reader of KuaiSAR: impressions with feedback, categories, and errors."""

from log_layouts import changed, named, refused, write
from public_layouts import LAYOUTS

from recgym.logs import read_log, validate

FILES = LAYOUTS["kuaisar"]
INTER = "KuaiSAR/rec_inter.csv"


def test_kuaisar(tmp_path):
    log = read_log(write(tmp_path, FILES))
    rows = named(log)
    assert (rows["user"], rows["item"]) == (["1", "1"], ["10", "11"])
    assert (rows["click"], rows["like"]) == ([True, False], [True, False])
    assert (rows["watch_ms"], rows["time"]) == ([60792, 900], [1684742000000, 1684742060000])
    assert rows["context_search"] == [0, 1]
    assert log.items["category"].to_pylist() == ["Funny", "Food"]
    assert log.items["duration_ms"].to_pylist() == [45400.0, 12000.0]
    assert validate(log) == []


def test_kuaisar_errors_name_the_row(tmp_path):
    folder = write(tmp_path, changed(FILES, INTER, "900.0", "-900.0"))
    assert refused(folder).startswith(
        f"{INTER}, row 3, watch_ms: watch time must be 0 ms or above; found -900"
    )
    folder = write(tmp_path, changed(FILES, INTER, ",forward,", ",forwards,"))
    assert refused(folder).startswith(f"{INTER}, row 1: the header must have 'forward'")
