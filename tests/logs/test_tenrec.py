"""Reader of Tenrec: impressions in the order of the file, the choice of a table, and errors."""

from log_layouts import changed, named, refused, write
from public_layouts import LAYOUTS, TENREC

from recgym.logs import read_log, validate

FILES = LAYOUTS["tenrec"]
ARTICLES = "user_id,item_id,click,gender,age,exposure_count,category_second,category_first,item_score3\n"


def test_tenrec(tmp_path):
    log = read_log(write(tmp_path, FILES))
    rows = named(log)
    assert (rows["user"], rows["item"]) == (["1", "1", "1", "2"], ["4", "1201", "4", "4"])
    assert (rows["session"], rows["step"]) == ([0, 0, 0, 1], [0, 1, 2, 0])
    assert rows["click"] == [False, True, False, True]
    assert (rows["like"], rows["share"]) == ([False, True, False, False], [False, False, False, True])
    assert rows["follow"] == [False, False, False, True]
    assert log.items["category"].to_pylist() == ["1", "unknown"]
    assert "time" not in rows
    assert validate(log) == []


def test_tenrec_of_several_tables_needs_the_name_of_one(tmp_path):
    folder = write(tmp_path, FILES | {"QB-article.csv": ARTICLES + "3,77,1.0,1,2,5,a,b,0\n"})
    assert refused(folder) == "file must be one of QK-video, QB-article; it is None"
    assert refused(folder, file="QX").startswith("file must be one of QK-video, QB-article; it is 'QX'")
    log = read_log(folder, source="tenrec:file=QB-article")
    assert (named(log)["item"], log.items["category"].to_pylist()) == (["77"], ["b"])


def test_tenrec_errors_name_the_row(tmp_path):
    folder = write(tmp_path, changed(FILES, "QK-video.csv", "2,4,1,1", "2,4,1,7"))
    assert refused(folder).startswith("QK-video.csv, row 5, follow: 0 or 1 is needed")
    folder = write(tmp_path, {"QK-video.csv": TENREC + "1,4,0\n"})
    assert refused(folder) == "QK-video.csv, row 2: a row must have 10 cells; found 3"
