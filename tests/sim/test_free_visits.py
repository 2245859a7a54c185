"""Free-running visits to a shop whose only page has more items than a slate."""

import numpy as np
import pytest

from recgym.numerics import sigmoid
from recgym.sim.free_visits import free_visits, page_slots
from recgym.sim.synthetic import synthetic

ITEMS, PAGE_ITEMS, VISITS = 70, 10, 1_500


@pytest.fixture(scope="module")
def visits():
    """Steps of visits in which a click on item i leads to item i + 1."""
    eye = np.eye(ITEMS)
    world = synthetic(1, num_users=2, num_items=ITEMS, num_factors=ITEMS, num_categories=1)
    world = world.with_arrays(
        factors=eye, push=800 * np.roll(eye, 1, axis=1), profile=np.zeros((2, ITEMS)), item_bias=np.zeros(ITEMS),
        page=np.zeros(ITEMS), page_items=[PAGE_ITEMS], examine=np.ones(50), leave_time=[0.0], leave_run=[0.0],
    ).with_params(
        sigma=0.0, mood=0.0, eta=1.0, pull=0.99, kappa=0.0, rho=0.0, theta=0.0, outside=1.0, leave_bias=-1.0
    )  # fmt: skip
    assert page_slots(world) == 50
    return list(free_visits(world, VISITS, 3, slate_size=50, horizon=40, pages=True))


def test_users_choose_among_all_items_of_a_large_page(visits):
    last, same, moves = np.full(VISITS, -1), 0, 0
    for step in visits:
        assert step.slate.shape[1] == 1
        clicked = step.events[:, 0] & 1 == 1
        visit, item = step.visit[clicked], step.slate[clicked, 0]
        known = last[visit] >= 0
        same += (item[known] == (last[visit[known]] + 1) % ITEMS).sum()
        moves += known.sum()
        last[visit] = item
    assert moves > 1_000
    assert same / moves > 0.9  # of slates of 50 of the 70 items it would be less than .8


def test_a_large_page_has_a_click_as_often_as_a_page_of_the_shop(visits):
    clicks = sum(int((step.events[step.step == 1] & 1).sum()) for step in visits)
    assert clicks / VISITS == pytest.approx(float(sigmoid(np.log(PAGE_ITEMS) - 1.0)), abs=0.04)


def test_users_of_a_large_page_go_back_at_their_rate():
    world = synthetic(1, num_users=2, num_items=ITEMS, num_factors=1, num_categories=1)
    world = world.with_arrays(
        factors=np.zeros((ITEMS, 1)), item_bias=np.zeros(ITEMS), page=np.zeros(ITEMS), page_items=[PAGE_ITEMS],
        examine=np.ones(50), leave_time=[0.0], leave_run=[0.0],
        return_logit=np.full(ITEMS, np.log(0.5 * ITEMS)),  # half the weight of all items together
    ).with_params(sigma=0.0, mood=0.0, kappa=0.0, rho=0.0, theta=0.0, outside=1.0, leave_bias=-1.0)  # fmt: skip
    seen, back, later = [set() for _ in range(VISITS)], 0, 0
    for step in free_visits(world, VISITS, 3, slate_size=50, horizon=40, pages=True):
        clicked = step.events[:, 0] & 1 == 1
        for visit, item in zip(step.visit[clicked].tolist(), step.slate[clicked, 0].tolist(), strict=True):
            back += item in seen[visit]
            later += len(seen[visit]) > 0
            seen[visit].add(item)
    assert later > 1_000
    assert back / later == pytest.approx(1 / 3 + 2 / 3 / ITEMS, abs=0.04)


def test_cut_visits_are_those_of_the_whole_run_up_to_their_click():
    world = synthetic(3, num_items=60, num_users=20)

    def clicks_of(**cut):
        found = np.zeros(VISITS, np.int64)
        for step in free_visits(world, VISITS, 3, slate_size=4, horizon=40, pages=False, **cut):
            found[step.visit] += (step.events & 1).sum(1)
        return found

    whole = clicks_of()
    assert (whole > 2).sum() > 20
    # a visit's random numbers do not depend on how the row's earlier visits ended
    np.testing.assert_array_equal(clicks_of(cut=2), np.minimum(whole, 2))
