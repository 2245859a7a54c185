"""Reader of the e-shop: rows, items and errors; facts of the real log."""

from pathlib import Path

import numpy as np
import pytest
from log_layouts import assert_rows_are_lines, refused

from recgym.logs import LogError, read_log, validate

ESHOP = (
    "year;month;day;order;country;session ID;page 1 (main category);page 2 (clothing model);colour;location;"
    "model photography;price;price 2;page\n"
)


def eshop(tmp_path: Path, rows: str) -> Path:
    path = tmp_path / "e-shop clothing 2008.csv"
    path.write_text(ESHOP + rows)
    return path


def test_eshop_rows_items_and_users(tmp_path):
    path = eshop(
        tmp_path,
        "2008;4;1;1;29;1;1;A13;1;5;1;28;2;1\n2008;4;1;2;29;1;1;A2;1;6;2;33;2;2\n2008;7;15;1;9;2;2;B4;10;2;1;52;1;1\n"
        "2008;7;15;2;9;2;1;A13;1;5;1;28;2;1\n2008;7;15;2;9;2;1;A13;1;5;1;28;2;1\n",
    )
    log = read_log(path)
    assert log.items["id"].to_pylist() == ["A2", "A13", "B4"]
    assert log.items["label"].to_pylist() == ["trousers 1", "trousers 2", "skirts 1"]
    assert log.items["price"].to_pylist() == [33.0, 28.0, 52.0]
    assert log.items["region"].to_pylist() == [6, 5, 2]
    assert log.items["page"].to_pylist() == [2, 1, 1]
    assert log.users.to_pylist() == [
        {"id": "9", "country": "Czech Republic"},
        {"id": "29", "country": "Poland"},
    ]
    assert log.column("user").tolist() == [1, 1, 0, 0]
    assert log.column("item").tolist() == [1, 0, 2, 1]
    assert log.column("step").tolist() == [0, 1, 0, 1]
    assert log.column("click").all()
    assert log.column("context_date").tolist() == ["2008-04-01", "2008-04-01", "2008-07-15", "2008-07-15"]
    assert log.rows["time"].null_count == 4
    assert log.duplicates == 1
    assert log.remarks == (
        "all rows are responses (click): the log does not say what was shown without one, "
        "so how often users respond is assumed",
    )


def test_eshop_keeps_the_most_frequent_category_with_a_remark(tmp_path):
    path = eshop(
        tmp_path,
        "2008;4;1;1;29;1;1;A18;1;6;1;38;2;1\n2008;4;1;2;29;1;2;A18;1;6;1;38;2;1\n2008;4;1;3;29;1;1;A18;1;6;1;38;2;1\n",
    )
    log = read_log(path)
    assert log.items["category"].to_pylist() == ["trousers"]
    assert log.remarks == (
        "e-shop clothing 2008.csv, row 3: item A18 has page 1 (main category) 2; elsewhere 1, kept",
        "all rows are responses (click): the log does not say what was shown without one, "
        "so how often users respond is assumed",
    )


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("2008;4;1;1;29;1;1;A1;1;5;1;x;2;1\n", "row 2, price: a whole number is needed; found 'x'"),
        ("2008;4;1;1;29;1;1;A1;1;7;1;28;2;1\n", "row 2, location: a code from 1 to 6 is needed; found 7"),
        (
            "2008;4;1;2;29;1;1;A1;1;6;1;28;2;1\n",
            "row 2, order: must run 1, 2, 3 ... within a session; found 2",
        ),
        ("2008;4;1;1;29;1;1;A1;1\n", "row 2: a row must have 14 cells; found 9"),
        ("", "there are no rows below the header"),
    ],
)
def test_eshop_errors_name_the_place(tmp_path, rows, message):
    with pytest.raises(LogError) as error:
        read_log(eshop(tmp_path, rows))
    assert message in str(error.value)


def test_rows_of_the_eshop_are_lines_of_the_file(tmp_path):
    row = "2008;4;1;1;29;1;1;A13;1;5;1;28;2;1\n"
    path = eshop(tmp_path, row + row.replace("1;1;29", "1;2;29"))
    assert_rows_are_lines(tmp_path)
    path.write_text(path.read_text().replace("1;2;29", "1;4;29"))
    assert refused(tmp_path).startswith("e-shop clothing 2008.csv, row 5, order")


@pytest.mark.data
def test_facts_of_the_eshop(data_folder):
    log = read_log(data_folder / "eshop2008")
    assert (len(log), log.num_sessions, log.num_items, log.num_users) == (165_474, 24_026, 217, 47)
    length = np.diff(np.r_[log.session_starts(), len(log)])
    assert (round(length.mean(), 2), np.median(length), np.percentile(length, 99)) == (6.89, 4, 42)
    goes_on = {k: round((length > k).sum() / (length >= k).sum(), 3) for k in (1, 2, 3, 5, 10, 20)}
    assert goes_on == {1: 0.790, 2: 0.825, 3: 0.833, 5: 0.855, 10: 0.876, 20: 0.900}
    pairs = np.unique(log.column("session") * 1000 + log.column("item"))
    assert round(1 - len(pairs) / len(log), 3) == 0.104
    assert len(log.remarks) == 2
    assert "row 19003: item A18" in log.remarks[0]
    assert log.remarks[1].startswith("all rows are responses (click)")
    page = np.bincount(log.column("context_page"))[1:] / len(log)
    np.testing.assert_allclose(page, [0.565, 0.248, 0.117, 0.054, 0.017], atol=6e-4)
    assert validate(log) == []
    before, after = log.split_at("context_date", "2008-07-15")
    assert round((before.column("context_page") == 2).mean(), 3) == 0.257
    assert round((after.column("context_page") == 2).mean(), 3) == 0.213
