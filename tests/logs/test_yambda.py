"""Reader of Yambda: listens with likes, listens alone, and errors."""

import pyarrow as pa
from log_layouts import named, refused, write
from public_layouts import LAYOUTS, parquet

from recgym.logs import read_log, validate

FILES = LAYOUTS["yambda"]


def test_yambda(tmp_path):
    log = read_log(write(tmp_path, FILES))
    rows = named(log)
    assert rows["user"] == ["200", "100", "100"]
    assert rows["item"] == ["286361", "8326270", "1441281"]
    assert rows["time"] == [0, 39420000, 39420000]
    assert rows["click"] == [True, True, True]
    assert "1 likes and dislikes without a listen in their session count as clicks" in log.remarks
    assert (rows["like"], rows["hate"]) == ([False, True, False], [True, False, False])
    assert rows["watch_ms"] == [None, 170000, 43050]
    assert rows["context_is_organic"] == [1, 0, 0]
    assert [None if x != x else x for x in log.items["duration_ms"].to_pylist()] == [None, 105000.0, 170000.0]
    assert validate(log) == []


def test_yambda_listens_alone(tmp_path):
    columns = {"uid": [1, 1], "timestamp": [0, 5], "item_id": [7, 8], "is_organic": [1, 1]}
    columns |= {"played_ratio_pct": [50, 110], "track_length_seconds": [100, 200]}
    log = read_log(write(tmp_path, {"listens.parquet": parquet(**columns), "likes.parquet": b""}))
    assert log.column("watch_ms").tolist() == [50_000, 220_000]
    assert log.column("click").tolist() == [True, True]


def test_yambda_errors_name_the_row(tmp_path):
    columns = {"uid": [1, 1], "timestamp": [0, 5], "item_id": pa.array([7, None]), "is_organic": [1, 1]}
    columns |= {"played_ratio_pct": [50, 110], "track_length_seconds": [100, 200]}
    folder = write(tmp_path, {"listens.parquet": parquet(**columns)})
    assert refused(folder) == "listens.parquet, row 2, item_id: a value is needed; found nothing"
    del columns["uid"]
    folder = write(tmp_path, {"listens.parquet": parquet(**columns)})
    assert "listens.parquet: the table must have 'uid'" in refused(folder)
