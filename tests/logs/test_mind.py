"""Reader of MIND: pages of several splits, categories, and errors."""

from log_layouts import changed, named, refused, write
from public_layouts import LAYOUTS

from recgym.logs import read_log, validate

FILES = LAYOUTS["mind"]


def test_mind(tmp_path):
    log = read_log(write(tmp_path, FILES))
    rows = named(log)
    shown = zip(rows["session"], rows["user"], rows["item"], rows["click"], strict=True)
    assert sorted(shown) == [  # the items of a page have one time, and no order
        (0, "U13740", "N35729", False),
        (0, "U13740", "N55689", True),
        (1, "U91836", "N20678", False),
        (1, "U91836", "N35729", True),
        (1, "U91836", "N39317", False),
        (2, "U13740", "N39317", True),
    ]
    assert rows["time"][::5] == [1573463158000, 1573776001000]
    assert len(set(rows["slate"])) == 3
    assert "position" not in rows
    assert dict(zip(log.items["id"].to_pylist(), log.items["category"].to_pylist(), strict=True)) == {
        "N20678": "news", "N35729": "news", "N39317": "lifestyle", "N55689": "sports",
    }  # fmt: skip
    assert validate(log) == []


def test_mind_errors_name_the_row_and_the_test_split(tmp_path):
    train = "MINDsmall_train/behaviors.tsv"
    folder = write(tmp_path, changed(FILES, train, "N20678-0 N39317-0", "N20678 N39317"))
    assert refused(folder) == (
        "MINDsmall_train/behaviors.tsv, row 2, #5: items with labels as N1-0 N2-1 are needed; the test split has none; "
        "found 'N20678 N39317 N35729-1'"
    )
    folder = write(tmp_path, changed(FILES, train, "11/12/2019 6", "13/12/2019 6"))
    assert refused(folder).startswith("MINDsmall_train/behaviors.tsv, row 2, #3: a time in the form")


def test_news_of_two_categories_are_told(tmp_path):
    dev = "MINDsmall_dev/news.tsv"
    log = read_log(write(tmp_path, FILES | {dev: FILES[dev] + "N55689\tworld\tx\tT\tA\thttps://x\t[]\t[]\n"}))
    assert any(
        "1 ids have several rows of another category: the first is the item's" in line for line in log.remarks
    )
    log = read_log(
        write(tmp_path, FILES | {dev: FILES[dev] + "N55689\tsports\tx\tT\tA\thttps://x\t[]\t[]\n"})
    )
    assert not any("several rows" in line for line in log.remarks)
