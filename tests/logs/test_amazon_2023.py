"""Reader of Amazon Reviews 2023: JSON lines with metadata, CSV, and errors."""

import gzip

import pytest
from log_layouts import changed, named, refused, write
from public_layouts import LAYOUTS

from recgym.logs import read_log, validate

FILES = LAYOUTS["amazon_2023"]
CSV = "user_id,parent_asin,rating,timestamp\nAGKH,B00YQ6X8EO,5.0,1588687728923\nAGKH,B081TJ8YS4,3.0,1588687729000\n"


def test_amazon_2023(tmp_path):
    log = read_log(write(tmp_path, FILES))
    rows = named(log)
    assert rows["user"] == ["AGKH", "AGKH"]
    assert rows["item"] == ["B00YQ6X8EO", "B081TJ8YS4"]
    assert (rows["rating"], rows["click"]) == ([5.0, 3.0], [True, False])
    assert rows["time"] == [1588687728923, 1588687729000]
    assert log.items["category"].to_pylist() == ["All Beauty", "unknown"]
    assert log.source.name == "amazon_2023"
    assert validate(log) == []


def test_amazon_2023_as_csv_and_packed(tmp_path):
    lines = read_log(write(tmp_path / "json", FILES))
    table = read_log(write(tmp_path / "csv", {"All_Beauty.csv.gz": gzip.compress(CSV.encode())}))
    assert table.source == lines.source
    assert named(table) == named(lines) | {"file_row": [2, 3]}
    packed = {f"{name}.gz": gzip.compress(text.encode()) for name, text in FILES.items()}
    assert named(read_log(write(tmp_path / "packed", packed))) == named(lines)


def test_amazon_2023_counts_files_of_the_other_form(tmp_path):
    log = read_log(write(tmp_path, FILES | {"Gift_Cards.csv": CSV}))
    assert "1 files in the folder are not read: Gift_Cards.csv" in log.remarks


@pytest.mark.parametrize("rating", ["99", "0", "-1", "5.5", "0.9"])
def test_amazon_2023_has_ratings_from_1_to_5(tmp_path, rating):
    message = f"row 2, rating: a rating from 1 to 5 is needed; found {float(rating)}"
    folder = write(
        tmp_path / "json", changed(FILES, "All_Beauty.jsonl", '"rating": 3.0', f'"rating": {rating}')
    )
    assert refused(folder) == f"All_Beauty.jsonl, {message}"
    folder = write(tmp_path / "csv", {"All_Beauty.csv": CSV.replace("5.0", rating)})
    assert refused(folder) == f"All_Beauty.csv, {message}"


def test_amazon_2023_errors_name_the_row(tmp_path):
    folder = write(tmp_path, changed(FILES, "All_Beauty.jsonl", "}\n", "}\n{"))
    assert refused(folder).startswith(
        "All_Beauty.jsonl, row 2: a line must be one JSON object, in UTF-8; found '{{"
    )
    folder = write(tmp_path, changed(FILES, "All_Beauty.jsonl", '"rating": 3.0', '"rating": "three"'))
    assert refused(folder) == "All_Beauty.jsonl, row 2, rating: a number is needed; found 'three'"
