"""An agent that shows items 0, 1, 2, ... earns what chance earns, where an environment numbers its items anew."""

import numpy as np
import pytest
from worlds import chain_world

from recgym.bench.number_order import OrderScale, engine_of, first_seeds, in_own_orders, mean_return
from recgym.envs import ENVIRONMENTS

ROWS = {row.id.removeprefix("recgym/"): row for row in ENVIRONMENTS}


def test_a_session_sees_the_items_of_its_own_order_once():
    engine = engine_of(ROWS["EcommerceSlate-v1"], 50)
    policy = in_own_orders(engine, 0)
    shown = np.concatenate([policy(engine, step) for step in range(5)], axis=1)
    assert all(len(set(row)) == 30 for row in shown)
    assert len({tuple(row) for row in shown}) == 50


def test_the_return_is_that_of_a_known_world(tmp_path):
    """Items 0, 1, ... of the chain: only item 0 pays in the first state, and a stepping stone moves on."""
    chain_world(0.95).save(tmp_path / "chain")
    row = ROWS["Social-v2"]._replace(
        world=str(tmp_path / "chain"), n_items=None, reward="clicks", horizon=2, numbering=None
    )
    engine = engine_of(row, 20_000)
    value = mean_return(engine, lambda engine, step: np.zeros((engine.num, 1), np.int64))
    assert value == pytest.approx(0.45 * 1.95, abs=0.015)


def test_order_by_exposure_pays_and_random_orders_pay_as_chance():
    row = ROWS["Ecommerce-v1"]._replace(numbering=None)
    scale = OrderScale.of(row, 2_000)
    assert scale.score(row) > 0.2
    scores = [scale.score(row._replace(numbering=seed)) for seed in range(20)]
    assert abs(np.mean(scores)) < 3 * np.std(scores) / np.sqrt(20) + 0.01
    seeds = first_seeds(row, 2_000, 20, 2)
    assert list(seeds) == [seed for seed, score in enumerate(scores) if abs(score) <= 0.01][:2]


@pytest.mark.slow
@pytest.mark.parametrize("name", ROWS)
def test_items_in_the_order_of_their_numbers_earn_what_chance_earns(name):
    assert abs(OrderScale.of(ROWS[name], 60_000).score(ROWS[name])) <= 0.02
