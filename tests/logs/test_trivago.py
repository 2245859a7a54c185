"""Reader of trivago: slates with prices, what is left out, and errors."""

from log_layouts import changed, named, refused, write
from public_layouts import LAYOUTS

from recgym.logs import read_log, validate

FILES = LAYOUTS["trivago"]


def test_trivago(tmp_path):
    log = read_log(write(tmp_path, FILES))
    rows = named(log)
    assert rows["user"] == ["01ABCD", "00RL8Z", "00RL8Z"]
    assert rows["item"] == ["666856", "3400638", "109038"]
    assert rows["click"] == [True, False, True]
    assert (rows["position"], rows["price"]) == ([0, 0, 1], [120.0, 95.0, 66.0])
    assert rows["time"] == [1541037400000, 1541037542000, 1541037542000]
    assert rows["context_device"] == ["desktop", "mobile", "mobile"]
    assert log.items["id"].to_pylist() == ["109038", "666856", "3400638"]
    assert log.remarks[:2] == (
        "train.csv: 2 rows left out, of other events: search for poi 1, interaction item image 1",
        "train.csv: 1 slates that lack their chosen item left out",
    )
    assert validate(log) == []


def test_trivago_errors_name_the_row(tmp_path):
    folder = write(tmp_path, changed(FILES, "train.csv", "666856,120", "666856,120|130"))
    assert refused(folder).startswith("train.csv, row 6, prices: as many entries as items shown are needed")
    folder = write(tmp_path, changed(FILES, "train.csv", ",1541037400,", ",yesterday,"))
    assert refused(folder).startswith("train.csv, row 6, timestamp: a time is needed")


def test_a_log_without_a_slate_left_says_why(tmp_path):
    header = FILES["train.csv"].splitlines()[0]
    row = "u,s,1541037540,1,clickout item,9,AU,c,mobile,,1|2,5|6"
    assert refused(write(tmp_path, {"train.csv": f"{header}\n{row}\n"})) == (
        "train.csv: no row is left: 1 slates that lack their chosen item left out"
    )
