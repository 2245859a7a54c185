"""Reader of H&M: purchases by day, categories of articles, and errors."""

from log_layouts import changed, named, refused, write
from public_layouts import LAYOUTS

from recgym.logs import read_log, validate

FILES = LAYOUTS["hm"]


def test_hm(tmp_path):
    log = read_log(write(tmp_path, FILES))
    rows = named(log)
    assert rows["user"] == ["00007d2de826758b"] + ["000058a12d5b43e6"] * 3
    assert rows["item"] == ["0505221004", "0663713001", "0663713001", "0541518023"]
    assert rows["session"] == [0, 1, 1, 2]
    assert rows["purchase"] == rows["cart"] == rows["click"] == [True] * 4
    assert [round(price, 4) for price in rows["price"]] == [0.0152, 0.0508, 0.0508, 0.0305]
    assert log.items["category"].to_pylist() == ["Garment Upper body", "Underwear", "Underwear"]
    assert validate(log) == []


def test_hm_without_articles_has_a_remark_and_errors_name_the_row(tmp_path):
    folder = write(tmp_path, changed(FILES, "transactions_train.csv", "2018-09-21", "2018-13-21"))
    assert refused(folder).startswith("transactions_train.csv, row 4, t_dat: a time is needed")
    (write(tmp_path, FILES) / "articles.csv").unlink()
    log = read_log(tmp_path)
    assert log.remarks[0] == "transactions_train.csv: there is no file articles.csv*: items have no category"
    write(tmp_path, {"articles.csv": "article_id,product_group_name\n0663713001\n"})
    assert refused(tmp_path).startswith("articles.csv, row 2: a row must have 2 cells; found 1")
