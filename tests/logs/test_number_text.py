"""Numbers as text: decimal signs, currencies of prices, and errors."""

import numpy as np
import pytest
from log_tables import refused, rows_of, table
from small_logs import other_remarks

from recgym.logs import LogError, read_log
from recgym.logs.number_text import RULES, read_numbers


@pytest.mark.parametrize(
    ("words", "values", "currency"),
    [
        (["$9.99", "$1,234.50", "3"], [9.99, 1234.5, 3], "$"),
        (["9,99 €", "€ 1.234,50", "1.234"], [9.99, 1234.5, 1234], "€"),
        (["1,234", "9.99"], [1234, 9.99], ""),
        (["1,234", "9,99"], [1.234, 9.99], ""),
        (["1,234,567", "5"], [1234567, 5], ""),
        (["USD 5", "6 USD"], [5, 6], "USD"),
        (["1 234,56 zł", "1'000,00 zł"], [1234.56, 1000], "zł"),
        (["1.234", "1e3", ".5"], [1.234, 1000, 0.5], ""),
        (["-$5", "0.123"], [-5, 0.123], "$"),
    ],
)
def test_prices_as_people_write_them(words, values, currency):
    found, rules, sign = read_numbers(words, np.ones(len(words), int))
    assert rules.tolist() == [-1] * len(words)
    np.testing.assert_allclose(found, values)
    assert sign == currency


@pytest.mark.parametrize(
    ("words", "bad", "rule"),
    [
        (["1,234", "5,678"], [0, 1], 1),
        (["9.99", "1.50", "1,5"], [2], 2),
        (["$9.99", "$5", "€8.00"], [2], 3),
        (["free", "5"], [0], 0),
        (["12,34,567", "5"], [0], 0),
        (["$5 €", "5"], [0], 0),
    ],
)
def test_ambiguous_prices_are_refused(words, bad, rule):
    rules = read_numbers(words, np.ones(len(words), int))[1]
    assert [k for k, found in enumerate(rules) if found >= 0] == bad
    assert {RULES[rules[k]] for k in bad} == {RULES[rule]}


def test_prices_of_a_file(tmp_path):
    log = read_log(table(tmp_path, 'user,item,price\na,x,$9.99\nb,y,"$1,234.50"\nc,z,\n'), domain="ecommerce")
    np.testing.assert_allclose(log.column("price"), [9.99, 1234.5, np.nan])
    assert other_remarks(log) == (
        "t.csv: prices are in $",
        "t.csv: prices have the decimal sign '.': $1,234.50 is 1234.5",
        "1 of 3 items have no price: in a world they count as the mean price",
    )
    error = refused(table(tmp_path, 'user,item,price\na,x,"1,234"\na,y,"5,678"\na,z,5\n'), domain="ecommerce")
    assert rows_of(error) == [(2, "price"), (3, "price")]


def of_column(tmp_path, key, words, domain="content"):
    """Log of a table between semicolons whose column `key` has these words."""
    rows = [f"u{k};x{k};{word}" for k, word in enumerate(words)]
    return read_log(table(tmp_path, "\n".join([f"user;item;{key}", *rows]) + "\n"), domain=domain)


@pytest.mark.parametrize(
    ("key", "words", "values", "said"),
    [
        ("rating", ["4,5", "3,0", "2", "1.234,5"], [4.5, 3, 2, 1234.5], "4,5 is 4.5"),
        ("rating", ["4,5", "1.234"], [4.5, 1234], "4,5 is 4.5"),
        ("propensity", ["0,5", "0,125", "1e-05", "1,5E-05"], [0.5, 0.125, 1e-5, 1.5e-5], "0,5 is 0.5"),
        ("watch_ms", ["4500,0", "12500,4", "7"], [4500, 12500, 7], "4500,0 is 4500"),
        ("watch_ms", ["1,234,567", "4,500", "7"], [1234567, 4500, 7], "1,234,567 is 1234567"),
        ("position", ["0,0", "1,0", "2"], [0, 1, 2], "0,0 is 0"),
    ],
)
def test_all_numbers_of_text_have_one_rule(tmp_path, key, words, values, said):
    log = of_column(tmp_path, key, words)
    np.testing.assert_allclose(log.column(key), values)
    assert any(f"numbers of {key} have the decimal sign" in line and said in line for line in log.remarks)


def test_decimal_commas_of_events_counts_times_and_items(tmp_path):
    assert of_column(tmp_path, "click", ["1,0", "0,0", "1,0"]).column("click").tolist() == [True, False, True]
    assert of_column(tmp_path, "listen", ["2,0", "0,0"], "social").column("listens").tolist() == [2, 0]
    times = of_column(tmp_path, "time", ["1600000000,5", "1600000001,25", "1600000002"]).column("time")
    assert times.tolist() == [1600000000500, 1600000001250, 1600000002000]
    (tmp_path / "items.csv").write_text("id;price;duration_ms\nx0;9,99;4000,5\nx1;5,00 €;NA\n")
    path = table(tmp_path, "user;item\na;x0\nb;x1\n")
    items = read_log(path, domain="content", items=str(tmp_path / "items.csv")).items
    assert items["price"].to_pylist() == [9.99, 5.0]
    assert items["duration_ms"].to_pylist() == [4000.5, None]


def test_features_with_a_comma_stay_words_and_a_remark_says_so(tmp_path):
    (tmp_path / "users.csv").write_text("id;age;tags;size\na;23,5;x,y;7\nb;24;NA;8\n")
    log = read_log(
        table(tmp_path, "user;item\na;x\nb;y\n"), domain="content", users=str(tmp_path / "users.csv")
    )
    assert log.users["age"].to_pylist() == ["23,5", "24"]
    said = [line for line in log.remarks if "comma" in line]
    assert said == ["users.csv, age: numbers with a comma are words here; a decimal point makes them numbers"]


@pytest.mark.parametrize(
    ("key", "words", "rule"),
    [
        ("rating", ["4,5", "3,5", "2.5"], "one decimal sign"),
        ("watch_ms", ["4,500", "3,000"], "no row shows which sign is decimal"),
        ("watch_ms", ["4500,5", "$3", "7"], "a whole number is needed"),
        ("propensity", ["0,5", "5 €"], "a number is needed"),
        ("time", ["1600000000,5", "1600000001.5"], "a time is needed"),
    ],
)
def test_numbers_that_may_be_two_are_refused(tmp_path, key, words, rule):
    with pytest.raises(LogError, match=rule):
        of_column(tmp_path, key, words)
