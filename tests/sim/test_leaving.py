"""In a world of a log of responses alone the steps of the session model are responses."""

import numpy as np
import pytest
from frequencies import check_frequencies, engine_of

from recgym.sim.expectations import slate_expectation
from recgym.sim.reward_arrays import make_reward
from recgym.sim.synthetic import synthetic


def shop(page_items=18, seed=1, **numbers):
    numbers = {"pull": 0.3, "kappa": 0.6, "decay": 0.3, "leave_idle": -0.5, **numbers}
    return synthetic(seed, num_items=40).with_arrays(page_items=np.array([page_items])).with_params(**numbers)


@pytest.mark.slow
@pytest.mark.parametrize("slots", [1, 6])
def test_leaving_and_intent_are_those_of_the_reference(slots):
    check_frequencies(shop(4), slots, 60_000 // slots, steps=4)


def test_a_slate_without_a_response_leaves_the_state_as_it_was():
    world = shop(outside=60.0, leave_bias=-60.0)
    engine = engine_of(world, 50, 3)
    engine.sessions.satiation[:] = 1.0
    engine.sessions.intent[:] += 1.0
    before = engine.snapshot()
    for start in (0, 3, 6):
        engine.step(np.tile(np.arange(start, start + 3), (50, 1)))
    np.testing.assert_array_equal(engine.sessions.satiation, before.satiation)
    np.testing.assert_array_equal(engine.sessions.intent, before.intent)
    plain = engine_of(world.with_arrays(page_items=np.zeros(1)), 50, 3)
    plain.sessions.satiation[:] = 1.0
    plain.step(np.tile(np.arange(3), (50, 1)))
    assert (plain.sessions.satiation < 1.0).all()


def test_leaving_without_responses_depends_on_the_number_of_items_not_of_slates():
    """Six slates of one item keep as many sessions as one slate of six."""
    world, num = shop(6, outside=60.0, patience=0.0, leave_bias=0.0), 40_000
    stayed = []
    for slots in (1, 6):
        engine = engine_of(world, num, slots)
        here = np.ones(num, bool)
        for start in range(0, 6, slots):
            slate = np.tile(np.arange(start, start + slots), (num, 1))
            here &= ~engine.step(slate, here).left
        stayed.append(here.mean())
    assert stayed[0] == pytest.approx(stayed[1], abs=4 * np.sqrt(0.5 / num))
    assert 0.3 < stayed[0] < 0.9


@pytest.mark.parametrize("slots", [1, 3])
def test_the_expected_stay_is_the_frequency(slots):
    world = shop(5, leave_bias=-0.5)
    world = world.with_arrays(
        examine=np.ones(len(world.arrays.examine))
    )  # else the expectation is approximate
    reward, num = make_reward(world, {"click": 1.0}), 40_000
    engine = engine_of(world, num, slots, reward=reward)
    engine.step(np.tile(np.arange(slots), (num, 1)))
    slate = np.arange(10, 10 + slots)[None]
    known = [slate_expectation(world.arrays, reward, engine.sessions, b, slate) for b in range(0, num, 20)]
    feedback = engine.step(np.tile(slate, (num, 1)))
    paid, stay = np.array(known).mean(0)
    assert feedback.reward.mean() == pytest.approx(paid, abs=0.015)
    assert 1.0 - feedback.left.mean() == pytest.approx(stay, abs=0.015)


def test_a_world_without_the_flag_is_stored_as_before():
    world = synthetic(1)
    assert not {"page_items", "page_chain"} & set(world._stored())
    assert world.with_arrays(page_items=np.zeros(1)).sha256 == world.sha256
    assert shop(4).sha256 != shop(5).sha256


def test_the_flag_is_kept_in_a_folder(tmp_path):
    world = shop(7)
    again = type(world).load(world.save(tmp_path / "w"))
    assert again.arrays.page_items[0] == 7
    assert again.sha256 == world.sha256
