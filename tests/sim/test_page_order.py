"""The chain of pages: the logging policy follows it, and a part of a catalogue has the chain of its pages."""

import numpy as np
import pytest
from frequencies import engine_of

from recgym.sim.free_visits import free_visits, page_sizes, page_slots
from recgym.sim.logging_policy import LoggedPolicy
from recgym.sim.page_order import pages_of, world_pages
from recgym.sim.synthetic import synthetic


def chained(seed=0):
    """Nine items on pages of 3, 2 and 4, the first two of one category, with a random chain."""
    world = synthetic(3, num_items=9, num_categories=2)
    page, category = np.repeat([0, 1, 0], [3, 2, 4]), np.repeat([0, 0, 1], [3, 2, 4])
    order = np.random.default_rng(1).permutation(9)  # exposure does not follow the pages
    chain = np.random.default_rng(seed).dirichlet(np.ones(3), 4)
    return world.with_arrays(
        page=page[order], category=category[order], page_chain=chain / chain.sum(1, keepdims=True)
    )


def pages(world):
    return pages_of(world.arrays.category, world.arrays.page)


@pytest.mark.parametrize("responded", [None, 0, 5])
@pytest.mark.parametrize("slots", [1, 2])
def test_the_chain_of_pages_follows_the_last_response(slots, responded):
    world, num = chained(), 20_000
    engine, policy = engine_of(world, num, slots), LoggedPolicy(world)
    page = pages(world)
    row = 3
    if responded is not None:  # and a slate of another page after it
        row = page[responded]
        engine.sessions.engaged[:], engine.sessions.memory[:, 0] = 1, responded
        engine.sessions.lead[:] = np.flatnonzero(page != row)[0]
    slates, propensity = policy(engine)
    shown = np.bincount(page[slates[:, 0]], minlength=3)
    expected = num * world.arrays.page_chain[row]
    assert (np.abs(shown - expected) < 5 * np.sqrt(expected) + 5).all()
    chance = world.arrays.page_chain[row] / np.bincount(page)
    np.testing.assert_allclose(propensity[:, 0], chance[page[slates[:, 0]]])


def test_a_part_of_the_catalogue_has_the_chain_of_its_pages():
    world = chained()
    page = pages(world)
    for num in range(1, 9):
        part, kept = world.subset(num), np.unique(page[:num])
        if len(kept) == 1:
            assert part.arrays.page_chain.shape == (1, 1)
            continue
        cut = world.arrays.page_chain[np.r_[kept, 3]][:, kept]
        np.testing.assert_allclose(part.arrays.page_chain, cut / cut.sum(1, keepdims=True))


@pytest.mark.parametrize("chain", [np.full((4, 3), 0.5), np.full((3, 3), 1 / 3), np.full((2, 1), 1.0)])
def test_a_chain_of_other_pages_is_refused(chain):
    with pytest.raises(ValueError, match="page_chain has"):
        chained().with_arrays(page_chain=chain)


def test_slates_of_some_rows_are_those_of_all():
    world = chained()
    engine, rows = engine_of(world, 20, 3), np.arange(20) % 3 > 0
    every, some = (LoggedPolicy(world)(engine, rows=part) for part in (None, rows))
    for one, other in zip(every, some, strict=True):
        np.testing.assert_array_equal(one[rows], other[rows])
    assert (some[0][~rows] == 0).all()


@pytest.mark.parametrize("slots", [1, 4])
def test_in_a_world_of_one_page_all_items_are_shown_together(slots):
    world, num = synthetic(3, num_items=9, num_categories=3).with_arrays(one_page=[1]), 20_000
    assert not world_pages(world.arrays).any()
    slates, propensity = LoggedPolicy(world)(engine_of(world, num, slots))
    shown = np.bincount(slates[:, -1], minlength=9)  # whatever their exposure
    assert (np.abs(shown - num / 9) < 5 * np.sqrt(num / 9)).all()
    np.testing.assert_allclose(propensity, np.tile(1.0 / (9 - np.arange(slots)), (num, 1)))


def test_users_of_a_world_of_one_page_choose_among_all_items():
    world = synthetic(3, num_items=9, num_categories=3).with_arrays(page_items=[3]).with_params(outside=-9.0)
    for one, expected in ((0, [3, 3, 3]), (1, [9, 9, 9])):
        each = world.with_arrays(one_page=[one], page=np.zeros(9), category=np.arange(9) % 3)
        assert page_sizes(each)[:3].tolist() == expected
        assert page_slots(each) == expected[0]
        first = next(free_visits(each, 500, 0, slate_size=1, horizon=2, pages=True))
        assert len(np.unique(first.slate)) == 9
    assert each.with_arrays(whole_pages=[1]).arrays.one_page[0] == 1
