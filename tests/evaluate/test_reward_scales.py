"""Intervals of rewards of any sign and size: each holds its estimate, and those of errors of both signs are whole."""

import math

import numpy as np
import pytest

from recgym import evaluate
from recgym.evaluate import sequential_dr

RANGES = [(0.0, 1.0), (1.0, 5.0), (-5.0, -1.0), (-1.0, 1.0), (10.0, 12.0), (-100.0, 3.0), (0.0, 0.01)]
OF_ACTIONS = ("ips", "snips", "clipped_ips", "mips", "replay")
MODELLED = ("dm", "dr", "sndr", "clipped_dr", "switch_dr", "dr_os")
OF_STAGES = ("standard_ips", "per_decision_ips", "independent_ips", "pseudo_inverse_ips")
LOGGING, TARGET = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.2, 0.6])


def of_rounds(rng, low, high):
    """Estimates of one log of rounds, by name of the estimator; the model is a random number for each action."""
    action, n = rng.choice(3, 300, p=LOGGING), 300
    reward, model = rng.uniform(low, high, n), rng.uniform(low, high, 3) + rng.normal() * (high - low)
    for name in OF_ACTIONS:
        more = [[0, 0, 1]] if name == "mips" else []
        target = np.array([0.0, 1.0, 0.0]) if name == "replay" else TARGET
        yield name, getattr(evaluate, name)(reward, target, LOGGING, *more, action=action)
    for name in MODELLED:
        yield name, getattr(evaluate, name)(reward, TARGET, LOGGING, model, action=action)


def of_stages(rng, low, high):
    """Estimates of one log of two stages, plain and self-normalised."""
    action = rng.integers(0, 2, (300, 2))
    given = rng.uniform(low, high, (300, 2)), np.where(action, 0.65, 0.35), np.full((300, 2), 0.5)
    q = rng.uniform(2 * low, 2 * high, (2, 2)) + rng.normal() * (high - low)
    q_logged, q_target = q[[0, 1], action], np.broadcast_to(q @ [0.35, 0.65], (300, 2))
    for is_normalised in (False, True):
        for name in OF_STAGES:
            yield name, getattr(evaluate, name)(*given, is_normalised=is_normalised)
        yield "sequential_dr", sequential_dr(*given, q_logged, q_target, is_normalised=is_normalised)


@pytest.mark.parametrize(("low", "high"), RANGES)
def test_the_interval_of_every_estimator_holds_its_estimate(low, high):
    rng = np.random.default_rng(5)
    for _ in range(10):
        for name, one in (*of_rounds(rng, low, high), *of_stages(rng, low, high)):
            slack = 1e-9 * max(abs(low), abs(high))
            assert one.low - slack <= one.value <= one.high + slack, name


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("name", ["dr", "sndr", "clipped_dr", "switch_dr", "dr_os"])
def test_ratings_from_1_to_5_have_the_normal_interval_where_the_target_is_the_log(name, sign):
    """The model is 3 for all, its errors are of both signs: value and interval are those of the mean rating."""
    rng = np.random.default_rng(0)
    action = rng.integers(0, 2, 2_000)
    rating = sign * rng.choice([1.0, 2.0, 3.0, 4.0, 5.0], 2_000, p=[0.05, 0.1, 0.15, 0.3, 0.4])
    half, model = np.array([0.5, 0.5]), np.full(2, 3.0 * sign)
    more = {"shrinkage": math.inf} if name == "dr_os" else {}
    one = getattr(evaluate, name)(rating, half, half, model, action=action, **more)
    error = rating.std(ddof=1) / math.sqrt(2_000)
    ends = rating.mean() - 1.96 * error, rating.mean() + 1.96 * error
    assert (one.low, one.high) == pytest.approx(ends, abs=0.1 * error)
    bounds = (1, 5) if sign > 0 else (-5, -1)
    known = getattr(evaluate, name)(rating, half, half, model, action=action, reward_range=bounds, **more)
    assert (one.low, one.high) == pytest.approx((known.low, known.high))


def test_stages_whose_rewards_cancel_have_the_normal_interval_of_their_sum():
    """Rewards near 10 and -10, a model that knows the second stage alone."""
    rng = np.random.default_rng(1)
    first = 10.0 + rng.normal(size=2_000)
    reward = np.column_stack([first, -first + 0.5 * rng.normal(size=2_000)])
    same, q = np.ones((2_000, 2)), np.column_stack([np.zeros(2_000), np.full(2_000, -10.0)])
    one, total = sequential_dr(reward, same, same, q, q), reward.sum(axis=1)
    error = total.std(ddof=1) / math.sqrt(2_000)
    assert one.value == pytest.approx(total.mean())
    assert one.se == pytest.approx(error)
    assert one.low < total.mean() - 1.8 * error
    assert one.high > total.mean() + 1.8 * error


def test_the_bound_of_rewards_without_a_weight_is_their_size():
    """Ratings of 5 at actions that the target never takes: the bound is that of rewards up to 5."""
    reward, target = np.r_[np.full(50, 5.0), np.zeros(250)], np.r_[np.zeros(50), np.full(250, 0.5)]
    for name in ("ips", "snips"):
        one = getattr(evaluate, name)(reward, target, np.full(300, 0.5))
        known = getattr(evaluate, name)(reward, target, np.full(300, 0.5), reward_range=(0, 5))
        assert (one.low, one.high) == pytest.approx((known.low, known.high))
