"""What rules cost, in a world where it is known."""

import numpy as np
import pytest

from recgym.bench.rule_prices import prices, table
from recgym.sim.synthetic import synthetic


def dear_and_cheap():
    """Twelve items in three categories: costly ones (price ratio 1.5) have a response with .8, cheap ones with .2."""
    world = synthetic(domain="content", num_items=12, num_users=20, num_categories=3)
    names = ("factors", "push", "item_bias", "user_bias", "leave_item", "context_bias", "place_bias")
    flat = {name: np.zeros_like(getattr(world.arrays, name)) for name in names}
    costly = np.arange(12) % 2 == 0
    flat["item_bias"] = np.where(costly, 1.0, -1.0) * np.log(4.0)
    flat |= {"category": np.arange(12) // 4, "price_ratio": np.where(costly, 1.5, 0.5)}
    calm = dict.fromkeys(
        ("kappa", "rho", "theta", "mood", "sigma", "leave_idle", "leave_repeat", "patience"), 0.0
    )
    world = world.with_arrays(**flat, examine=np.ones(50), leave_run=np.zeros(1))
    return world.with_params(**calm, leave_bias=-30.0, outside=0.0)


@pytest.fixture(scope="module")
def found():
    rules = {
        "cheap": {"price_ceiling": 1.0},
        "one each": {"per_category": 1},
        "half": {"provider": {"items": [1, 3, 5, 7, 9, 11], "share": 0.5}},
    }
    return prices(
        "recgym/Content-v1", rules=rules, agents=("random", "oracle"), sessions=40, log_sessions=20,
        world=dear_and_cheap(), slate_size=2, horizon=10, reward="clicks",
    )  # fmt: skip


def test_the_oracle_pays_what_the_rule_takes_away(found):
    """Two items at ten steps: 16 responses of costly items, 4 of cheap ones, 10 of one of each."""
    paid = {price.rule: price for price in found if price.agent == "oracle"}
    assert paid["cheap"].without == pytest.approx(16, abs=0.6)
    for rule, price in (("cheap", -12.0), ("half", -6.0), ("one each", 0.0)):
        assert paid[rule].difference.mean == pytest.approx(price, abs=0.8), rule
    assert paid["cheap"].difference.high < 0


def test_the_table_has_a_row_for_each_rule_and_a_column_for_each_agent(found):
    lines = table(found).splitlines()
    assert lines[0] == "| rule | random | oracle |"
    assert [line.split("|")[1].strip() for line in lines[2:]] == ["none: return", "cheap", "one each", "half"]
