"""Worlds in which an item stands for its page, against slates that hold the same page."""

import numpy as np
import pytest

from recgym.logs.sample import sample_log
from recgym.sim.engine import Engine
from recgym.sim.expectations import item_expectation, slate_expectation
from recgym.sim.lookahead import plan
from recgym.sim.reward_arrays import make_reward
from recgym.sim.synthetic import synthetic
from recgym.sim.whole_pages import first_on_page, page_size, with_whole_pages

SESSIONS, STEPS = 60, 6


def shop(**params):
    world = synthetic(5, num_users=6, num_items=24, num_factors=3, num_categories=3)
    page = np.arange(24) % 2
    return world.with_arrays(page=page, page_items=[8]).with_params(outside=1.0, leave_idle=-0.5, **params)


def page_slates(world):
    """(N, K) the page of each item, in the order of numbers, padded by its first item."""
    arrays = world.arrays
    pages = [
        np.flatnonzero((arrays.category == c) & (arrays.page == p))
        for c, p in zip(arrays.category, arrays.page, strict=True)
    ]
    size = max(map(len, pages))
    return np.stack([np.r_[page, np.full(size - len(page), page[0])] for page in pages])


def engine_of(world, slate_size, num=SESSIONS):
    engine = Engine(
        world, num, slate_size=slate_size, horizon=STEPS, reward=make_reward(world, {"click": 1.0})
    )
    engine.seed(np.arange(num, dtype=np.uint64))
    engine.reset()
    return engine


def test_an_item_that_stands_for_its_page_is_a_slate_of_the_page():
    world = shop()
    slates = page_slates(world)
    pages, plain = engine_of(with_whole_pages(world), 1), engine_of(world, slates.shape[1])
    running, rng, clicks = np.ones(SESSIONS, bool), np.random.default_rng(0), 0
    for _ in range(STEPS):
        named = rng.integers(24, size=SESSIONS)
        one, other = pages.step(named[:, None], running), plain.step(slates[named], running)
        np.testing.assert_array_equal(one.reward, other.reward)
        np.testing.assert_array_equal(one.left, other.left)
        for name in ("memory", "engaged", "run", "liked_category", "intent", "satiation"):
            np.testing.assert_array_equal(getattr(pages.sessions, name), getattr(plain.sessions, name), name)
        clicked = running & (one.events[:, 0] & 1 == 1)
        last = pages.sessions.items[:, -1]
        chosen = slates[named, (other.events & 1).argmax(1)]
        np.testing.assert_array_equal(last[running], np.where(clicked, chosen, named)[running])
        clicks += clicked.sum()
        running &= ~one.left
    assert clicks > 50


def test_expected_rewards_are_those_of_the_slate():
    world = shop()
    slates = page_slates(world)
    pages, plain = engine_of(with_whole_pages(world), 1, 5), engine_of(world, slates.shape[1], 5)
    found = pages.expected_reward()
    for b in range(5):
        for item in range(24):
            w = plain.world.arrays
            wanted = slate_expectation(w, plain.reward, plain.sessions, b, slates[item][None])
            own = slate_expectation(pages.world.arrays, pages.reward, pages.sessions, b, np.array([[item]]))
            assert found[b, item] == pytest.approx(wanted[0], abs=1e-12)
            assert own == pytest.approx(wanted, abs=1e-12)


def test_a_plan_searches_each_page_once_and_takes_the_best():
    engine = engine_of(with_whole_pages(shop()), 1, 20)
    engine.sessions.step[:] = STEPS - 1
    w, chosen = engine.world.arrays, plan(engine, simulations=5)[:, 0]
    for b, item in enumerate(chosen):
        reward, stay = np.transpose(
            [item_expectation(w, engine.reward, engine.sessions, b, i) for i in range(24)]
        )
        score = reward + stay * reward.max()  # the stationary value of one step
        assert score[item] == pytest.approx(score.max(), abs=1e-12)
        assert first_on_page(w, item) == item
    assert sum(page_size(w, item) for item in {first_on_page(w, i) for i in range(24)}) == 24


def test_a_log_has_the_named_items_and_the_events_of_their_pages():
    log = sample_log(with_whole_pages(shop()), "random", 400, seed=2, horizon=3)
    alone = sample_log(shop(), "random", 400, seed=2, horizon=3)
    assert log.column("click").mean() > alone.column("click").mean() + 0.1
    share = np.bincount(log.column("named"), minlength=24) / log.num_rows
    assert share.max() < 0.08  # items that are clicked more are not named more
    np.testing.assert_allclose(log.column("propensity"), 1 / 24)
    clicked, named, w = log.column("item"), log.column("named"), shop().arrays
    is_other = clicked != named
    assert (is_other <= log.column("click")).all()
    assert is_other.mean() > 0.1
    np.testing.assert_array_equal(w.category[clicked], w.category[named])
    np.testing.assert_array_equal(w.page[clicked], w.page[named])
    assert "named" not in alone.rows.column_names


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: engine_of(with_whole_pages(shop()), 2), "slate_size is 2, an item that stands for its page"),
        (lambda: with_whole_pages(shop().with_arrays(page_items=[0])), "whole pages need a world"),
        (lambda: with_whole_pages(shop().with_arrays(examine=np.ones(3))), "whole pages have up to 3 items"),
    ],
)
def test_what_cannot_be_shown_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
