"""Reader of RetailRocket: joined events, categories and errors."""

import pytest
from log_layouts import RETAILROCKET, assert_rows_are_lines, changed, refused, write

from recgym.logs import read_log, validate


def test_retailrocket_events_join_and_categories_are_those_of_the_period(tmp_path):
    log = read_log(write(tmp_path, RETAILROCKET))
    assert log.domain == "ecommerce"
    assert log.users["id"].to_pylist() == ["111016", "257597"]
    assert log.items["id"].to_pylist() == ["248676", "318965", "355908"]
    # the last one before the last event; else the first known; else none
    assert log.items["category"].to_pylist() == ["category 560", "unknown", "category 213"]
    assert log.column("session").tolist() == [0, 1, 2]
    assert log.column("item").tolist() == [2, 1, 0]
    assert log.column("click").tolist() == [True, True, True]
    assert log.column("cart").tolist() == [True, True, False]
    assert log.column("purchase").tolist() == [True, False, False]
    assert log.column("file_row").tolist() == [2, 6, 5]
    assert log.remarks == (
        "events.csv: 1 rows of items without a categoryid",
        "events.csv: times from 2015-06-02 05:02:12 to 2015-06-02 05:50:14 UTC, unit ms",
        "events.csv: event words: addtocart 2 as click+cart, view 2 as click, transaction 1 as click+cart+purchase",
        "events.csv: 1 items have no category: it is unknown",
        "events.csv: 2 rows joined an earlier row of their item",
        "all rows are responses (click): the log does not say what was shown without one, "
        "so how often users respond is assumed",
    )
    assert validate(log) == []


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("events.csv", "addtocart,318965", "sneeze,318965", "row 6, event: the event is unknown in the"),
        ("events.csv", "1433221999827", "soon", "events.csv, row 6, timestamp: a whole number is needed; found 'soon'"),
        ("events.csv", "view,248676", "view,", "events.csv, row 5, itemid: a value is needed; found nothing"),
        ("item_properties_part2.csv", "1433041200000,318965", "x,318965",
         "item_properties_part2.csv, row 4, timestamp: a whole number is needed; found 'x'"),
    ],
)  # fmt: skip
def test_retailrocket_errors_name_the_place(tmp_path, name, old, new, message):
    assert message in refused(write(tmp_path, changed(RETAILROCKET, name, old, new)))


def test_two_transactions_of_one_item_and_time_are_two(tmp_path):
    old = "1433221334000,257597,transaction,355908,4000\n"
    log = read_log(
        write(tmp_path, changed(RETAILROCKET, "events.csv", old, old + old.replace(",4000", ",4001")))
    )
    assert log.column("purchase").tolist() == [True, True, False, False]
    assert log.duplicates == 0
    assert "events.csv: columns not read" not in " ".join(log.remarks)
    again = read_log(write(tmp_path, changed(RETAILROCKET, "events.csv", old, old + old)))
    assert again.duplicates == 1


def test_ids_of_retailrocket_may_be_words_and_decimals(tmp_path):
    texts = {name: text.replace("355908", "shoe") for name, text in RETAILROCKET.items()}
    texts["events.csv"] = texts["events.csv"].replace("248676", "248676.0")
    log = read_log(write(tmp_path, texts))
    assert dict(zip(log.items["id"].to_pylist(), log.items["category"].to_pylist(), strict=True)) == {
        "248676": "category 560",
        "318965": "unknown",
        "shoe": "category 213",
    }


def test_rows_of_retailrocket_are_lines_of_the_file(tmp_path):
    assert_rows_are_lines(write(tmp_path, RETAILROCKET))


@pytest.mark.parametrize("rows", ["", "1433041200000,355908,790,n1\n"])
def test_properties_without_a_category_are_named(tmp_path, rows):
    texts = {**RETAILROCKET, "item_properties_part1.csv": "timestamp,itemid,property,value\n" + rows}
    message = "item_properties_part1.csv: no row has 'categoryid' in the column 'property'"
    assert refused(write(tmp_path, texts)) == message
