"""Numbers of tables as text."""

from recgym.bench.leaderboard import Leaderboard, Row
from recgym.bench.table_text import (
    GAIN_HEAD,
    describe_judged,
    describe_planning,
    filled_columns,
    filled_names,
    format_number,
)
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


def test_planning_that_loses_is_not_called_nothing():
    """The page of SocialFriends-v3 said "-0.03 [-0.06, -0.00]: possibly nothing, as in a bandit"."""
    place = "own", "social", "recgym/Social-v2", "social-3", 1, 2, 10

    def said(low, high):
        worth = Interval((low + high) / 2, low, high, 0.01, 10)
        return describe_planning(Leaderboard(*place, (), worth, None, True)).partition("]: ")[2]

    assert said(-0.06, -0.01) == "oracle-plan earns less."
    assert said(-0.06, 0.01) == "possibly nothing, as in a bandit."
    assert said(0.01, 0.06) == ""


def test_the_units_of_the_intervals_of_one_seed_are_named():
    """The page said "1 seeds" below a head that had intervals over the seeds."""
    place = "own", "social", "recgym/Social-v2", "social-3", 1, 2000
    said = [describe_judged(Leaderboard(*place, seeds, (), None, None, False)) for seeds in (1, 2)]
    assert said[0] == "2,000 judged sessions a seed, 1 seed: intervals are over its sessions."
    assert said[1] == "2,000 judged sessions a seed, 2 seeds."
