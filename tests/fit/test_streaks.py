"""Streaks: what a response adds to the logits of later rows, apart from what users and visits have in common."""

import numpy as np
import pytest
import torch

from recgym.fit import FitConfig
from recgym.fit.dataset import make_dataset
from recgym.fit.place_terms import of_steps, shifts_of_steps
from recgym.fit.recipe_impressions import fit_impressions
from recgym.fit.response_calibration import choose_streak
from recgym.fit.streaks import earlier_sums, of_visits
from recgym.logs.sample import sample_log
from recgym.numerics import sigmoid
from recgym.sim.synthetic import synthetic

GAIN, PULL = 1.2, 0.3
CONFIG = FitConfig(dim=2, steps=20)


def world_of(gain: float, users=60):
    """A feed of users and visits with levels, in which a response raises all later logits of its visit."""
    rng = np.random.default_rng(1)
    world = synthetic(1, domain="content", num_users=users, num_items=25, num_factors=1)
    return world.with_arrays(
        factors=np.ones((25, 1)), push=np.full((25, 1), gain), profile=np.zeros((users, 1)),
        user_bias=rng.normal(0, 0.6, users), item_bias=rng.normal(-1.0, 0.3, 25),
        context_bias=0 * world.arrays.context_bias,
    ).with_params(sigma=0.0, mood=0.4, kappa=0.0, rho=0.0, pull=PULL, leave_bias=-2.5, leave_idle=0.0)  # fmt: skip


def log_of(world, visits=2_000, seed=3):
    return sample_log(world, "random", visits, seed=seed, horizon=15)


@pytest.fixture(scope="module")
def datasets():
    return {gain: make_dataset(log_of(world_of(gain)), CONFIG, positives_only=False) for gain in (0.0, GAIN)}


def test_sums_are_of_earlier_steps_alone(datasets):
    dataset = datasets[GAIN]
    value = np.random.default_rng(0).random(len(dataset.item))
    found = earlier_sums(dataset, value, PULL)
    for visit in (0, 5, 9):
        first, length = dataset.starts[visit], dataset.lengths[visit]
        for t in range(length):
            known = sum((1 - PULL) ** (t - j) * value[first + j] for j in range(t))
            assert found[first + t] == pytest.approx(known)
    sums, mean = of_visits(dataset, PULL)
    assert mean[0] == 0.0
    known = dataset.known & (dataset.place == 3)
    assert sums[known].mean() == pytest.approx(0.0, abs=1e-9)


def levels(dataset, world):
    """(rows,) logits without streak and random intercept."""
    return (world.arrays.user_bias[dataset.user_row][dataset.user]
            + world.arrays.item_bias[dataset.item_row][dataset.item]).astype(float)  # fmt: skip


@pytest.mark.parametrize("gain", [0.0, GAIN])
def test_a_known_streak_is_found_beside_levels_and_random_intercepts(datasets, gain):
    dataset = datasets[gain]
    x, rows = levels(dataset, world_of(gain)), np.flatnonzero(dataset.known)
    if gain:
        x = x + shifts_of_steps(dataset, x)[np.minimum(dataset.place, 14)]
    sd, found = choose_streak(dataset, rows, x[rows], 0.4, None, (0.1, PULL, 0.6), 2.0)
    print(f"gain {found.gain:.2f}, pull {found.pull}, random intercept {sd:.2f}")
    if not gain:
        assert found.gain == 0.0
        return
    assert found.pull == PULL
    assert found.gain == pytest.approx(gain, rel=0.35)
    assert sd == pytest.approx(0.4, abs=0.2)


def test_shifts_of_steps_give_each_step_its_rate(datasets):
    dataset = datasets[GAIN]
    x = levels(dataset, world_of(GAIN))
    x = x + of_steps(dataset, shifts_of_steps(dataset, x))
    rate = [
        (dataset.positive[rows].mean(), sigmoid(x[rows]).mean())
        for rows in (dataset.known & (dataset.place == k) for k in range(6))
    ]
    apart = np.diff(rate, axis=1).ravel()
    np.testing.assert_allclose(apart, apart[0], atol=0.03)


def neighbours(log):
    """Correlation of a response with the one before, of the one five rows before, and the rate."""
    visit, flag = log.column("session"), log.column("click").astype(float)
    found = [
        np.corrcoef(flag[k:][visit[k:] == visit[:-k]], flag[:-k][visit[k:] == visit[:-k]])[0, 1]
        for k in (1, 5)
    ]
    return np.array([*found, flag.mean()])


@pytest.mark.slow
def test_a_world_that_runs_has_the_streaks_of_its_log():
    truth = world_of(GAIN, users=300)
    log = log_of(truth, 6_000)
    world = fit_impressions(log, "w", CONFIG, 0, torch.device("cpu"), lambda *_: None)
    found, known = (neighbours(log_of(each, 6_000, seed=9)) for each in (world, truth))
    print("lag 1, lag 5, rate", found.round(3), known.round(3))
    terms = {row["term"]: row for row in world.card["terms"]}
    assert terms["push"]["status"] == "fitted"
    np.testing.assert_allclose(found, known, atol=0.035)
