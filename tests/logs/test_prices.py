"""Prices: decimal signs, currencies, and errors."""

import numpy as np
import pytest
from log_tables import refused, rows_of, table
from small_logs import other_remarks

from recgym.logs import read_log
from recgym.logs.prices import RULES, read_prices


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
    found, rules, sign = read_prices(words, np.ones(len(words), int))
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
    rules = read_prices(words, np.ones(len(words), int))[1]
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
