"""Numbers of tables as text."""

from recgym.bench.leaderboard import Leaderboard, Row
from recgym.bench.table_text import GAIN_HEAD, filled_columns, filled_names, format_number
from recgym.evaluate.stats import Interval


def test_numbers_have_three_digits():
    assert [format_number(value) for value in (0.0, 12.3456, -0.012345, 1234.5, float("nan"))] == [
        "0",
        "12.3",
        "-0.0123",
        "1234",
        "-",
    ]


def test_columns_that_no_run_fills_are_left_out():
    interval = Interval(1.2, 0.9, 1.5, 0.1, 10)

    def table(gain):
        row = Row("linucb", 10, interval, interval, gain, None, 5.0, 0.25, 0.5, 0.3, 12.0)
        place = "own", "ecommerce", "recgym/Ecommerce-v1", "ecommerce-1", 1, 2, 10
        return Leaderboard(*place, (row,), interval, None, True, reference="dcf-dqn")

    names, rows = filled_columns(table(None), filled_names([table(None)]))
    assert names == ["agent", "return", GAIN_HEAD, "response rate", "length", "coverage", "CPU seconds"]
    assert rows == [["linucb", "1.20", "+1.20 [+0.90, +1.50]", "0.250", "5.0", "50 %", "12.0"]]
    filled = filled_names([table(None), table(interval)])  # tables of one page have the same columns
    for each in (table(None), table(interval)):
        assert filled_columns(each, filled)[0][3] == "dcf-dqn over it, paired 95 %"
