"""Reader of EB-NeRD: pages, clicks, articles and errors."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from log_layouts import refused

from recgym.logs import read_log, validate


def ebnerd(folder: Path, clicked=9651983) -> Path:
    ids = pa.large_list(pa.int32())
    moment = pa.array([1677468207000000, 1677277347000000], pa.timestamp("us"))
    pages = {
        "impression_id": pa.array([9, 71], pa.uint32()),
        "impression_time": moment,
        "read_time": pa.array([17.0, 82.0], pa.float32()),
        "article_ids_inview": pa.array([[9652010, 9651983], [9651983]], ids),
        "article_ids_clicked": pa.array([[clicked], []], ids),
        "user_id": pa.array([12258, 12258], pa.uint32()),
        "session_id": pa.array([70, 69], pa.uint32()),
    }
    (folder / "train").mkdir()
    pq.write_table(pa.table(pages), folder / "train" / "behaviors.parquet")
    articles = {"article_id": pa.array([9651983, 9652010], pa.int32()), "category_str": ["sport", "nyheder"]}
    pq.write_table(pa.table(articles), folder / "articles.parquet")
    return folder


def test_ebnerd(tmp_path):
    log = read_log(ebnerd(tmp_path))
    assert log.items["category"].to_pylist() == ["sport", "nyheder"]
    assert log.column("session").tolist() == [69, 70, 70]
    assert log.column("step").tolist() == [0, 0, 0]
    assert log.column("slate").tolist() == [71, 9, 9]
    assert log.column("item").tolist() == [0, 1, 0]
    assert log.column("click").tolist() == [False, False, True]
    assert log.column("time").tolist() == [1677277347000, 1677468207000, 1677468207000]
    assert log.column("file_row").tolist() == [2, 1, 1]
    assert validate(log) == []


def test_ebnerd_finds_articles_one_level_above_or_has_a_remark(tmp_path):
    whole = read_log(ebnerd(tmp_path))
    articles = tmp_path / "articles.parquet"
    for path in (tmp_path / "train", tmp_path / "train" / "behaviors.parquet"):
        log = read_log(path)
        assert log.items["category"].to_pylist() == ["sport", "nyheder"]
        assert log.remarks[0] == f"behaviors.parquet: category of items are those of {articles}"
        assert log.rows.drop(["file"]).equals(whole.rows.drop(["file"]))
    table = pq.read_table(articles)
    pq.write_table(table.slice(0, 1), articles)
    assert (
        "behaviors.parquet: 1 items have no category: it is unknown" in read_log(tmp_path / "train").remarks
    )
    articles.unlink()
    log = read_log(tmp_path / "train")
    assert "category" not in log.items.column_names
    assert log.remarks[0] == (
        "behaviors.parquet: there is no file *articles.parquet in its folder or above: items have no category"
    )


@pytest.mark.parametrize(
    ("inview", "message"),
    [
        (pa.array([[9651983, None], [1]]), "behaviors.parquet, row 1, article_ids_inview: a value is needed"),
        (pa.array([1, 2]), "article_ids_inview: lists of numbers or words are needed; the column is int64"),
        (pa.array([[{"a": 1}], []]), "article_ids_inview: lists of numbers or words are needed; the column is list"),
    ],
)  # fmt: skip
def test_ebnerd_lists_of_another_type_are_refused(tmp_path, inview, message):
    place = ebnerd(tmp_path) / "train" / "behaviors.parquet"
    table = pq.read_table(place)
    pq.write_table(
        table.set_column(table.schema.names.index("article_ids_inview"), "article_ids_inview", inview), place
    )
    assert message in refused(tmp_path / "train")


def test_ebnerd_errors_name_the_place(tmp_path):
    message = "row 1, article_ids_clicked: a chosen item must be among the items shown; found [5]"
    assert refused(ebnerd(tmp_path, clicked=5)) == f"train/behaviors.parquet, {message}"
