"""Estimates with a reward model: values of an independent library, closed forms, coverage, refusals."""

import math

import numpy as np
import pytest

from recgym import evaluate
from recgym.evaluate import clipped_dr, clipped_ips, dm, dr, dr_os, ips, mips, replay, sndr, snips, switch_dr

GOLDEN = {  # of sb-obp 0.5.10 on `logged()`
    "ips": 0.48723861626128057,
    "clipped_ips": 0.48131126960910847,
    "snips": 0.4949010168727695,
    "dm": 0.5052189384084276,
    "dr": 0.4869665991714134,
    "clipped_dr": 0.48987935772220054,
    "sndr": 0.4866795596579939,
    "switch_dr": 0.5005756845124304,
    "dr_os": 0.4912034971604074,
    "replay": 0.6057142857142856,
}


def softmax(x):
    return np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)


def logged(n=400, num_actions=6):
    """Rounds of a contextual bandit, the two policies' distributions, and a noisy reward model."""
    rng = np.random.RandomState(20261127)  # its stream is frozen
    x, weights = rng.randn(n, 3), rng.randn(3, num_actions)
    propensity = softmax(x @ weights * 0.8)
    target = softmax(x @ weights * 1.5 + np.arange(num_actions) * 0.2)
    action = (rng.random_sample(n)[:, None] > propensity.cumsum(1)).sum(1).clip(0, num_actions - 1)
    rate = 1 / (1 + np.exp(-(x @ weights * 0.7 - 1)))
    reward = (rng.random_sample(n) < rate[np.arange(n), action]).astype(float)
    model = np.clip(rate + 0.1 * rng.randn(*rate.shape), 0, 1)
    return reward, target, propensity, model, action


def test_values_are_those_of_an_independent_library():
    reward, target, propensity, model, action = logged()
    given, modelled = (reward, target, propensity), (reward, target, propensity, model)
    best = np.eye(target.shape[1])[target.argmax(axis=1)]
    values = {
        "ips": ips(*given, action=action),
        "clipped_ips": clipped_ips(*given, 1.5, action=action),
        "snips": snips(*given, action=action),
        "dm": dm(*modelled, action=action),
        "dr": dr(*modelled, action=action),
        "clipped_dr": clipped_dr(*modelled, 1.5, action=action),
        "sndr": sndr(*modelled, action=action),
        "switch_dr": switch_dr(*modelled, 1.5, action=action),
        "dr_os": dr_os(*modelled, 7.0, action=action),
        "replay": replay(reward, best, propensity, action=action),
    }
    assert values.keys() == GOLDEN.keys()
    for name, value in GOLDEN.items():
        assert values[name].value == pytest.approx(value, abs=1e-9), name


def test_the_propensity_of_the_logged_action_suffices():
    reward, target, propensity, model, action = logged()
    taken = propensity[np.arange(len(action)), action]
    assert dr(reward, target, taken, model, action=action) == dr(
        reward, target, propensity, model, action=action
    )


def test_limits_of_the_estimators_are_one_another():
    reward, target, propensity, model, action = logged()
    given, zero = (reward, target, propensity), np.zeros(6)
    plain, robust = ips(*given, action=action), dr(*given, model, action=action)
    assert dr(*given, zero, action=action).value == pytest.approx(plain.value)
    assert dr_os(*given, model, math.inf, action=action).value == pytest.approx(robust.value)
    assert switch_dr(*given, model, math.inf, action=action)[:4] == pytest.approx(robust[:4])
    assert clipped_ips(*given, 1e9, action=action)[:4] == pytest.approx(plain[:4])
    direct = dm(*given, model, action=action)
    assert switch_dr(*given, model, 1e-9, action=action).value == pytest.approx(direct.value)
    assert mips(*given, np.arange(6), action=action)[:4] == pytest.approx(plain[:4])
    assert mips(*given, np.zeros(6), action=action).value == pytest.approx(reward.mean())


def test_a_perfect_model_leaves_the_noise_of_rewards_alone():
    """With a model that has no error, the standard error is that of the residuals and of the rounds' values."""
    rng = np.random.default_rng(2)
    n, target, propensity = 5_000, np.array([0.1, 0.9]), np.array([0.5, 0.5])
    mean = np.array([0.2, 0.7])
    action = rng.integers(0, 2, n)
    reward = mean[action] + rng.normal(0, 0.1, n)
    estimate = dr(reward, target, propensity, mean, action=action)
    weight = target[action] / 0.5
    assert estimate.se == pytest.approx(
        (weight * (reward - mean[action])).std(ddof=1) / math.sqrt(n), rel=1e-6
    )
    assert (estimate.high - estimate.low) / 2 == pytest.approx(1.96 * estimate.se, rel=0.01)
    assert estimate.se < ips(reward, target, propensity, action=action).se / 4


def test_a_category_that_carries_the_reward_needs_no_overlap_of_actions():
    """Actions 1 and 3 are never logged; the reward depends on the category (0, 0, 1, 1) alone."""
    rng = np.random.default_rng(5)
    n, propensity, target = 20_000, np.array([0.5, 0, 0.5, 0]), np.array([0.1, 0.1, 0.2, 0.6])
    action = rng.choice(4, n, p=propensity)
    reward = rng.random(n) < np.array([0.2, 0.2, 0.6, 0.6])[action]
    estimate = mips(reward, target, propensity, [0, 0, 1, 1], action=action)
    assert estimate.low < 0.2 * 0.2 + 0.8 * 0.6 < estimate.high
    assert estimate.reasons == (
        "bias: the interval does not hold differences between actions of one category",
    )
    assert "no overlap" in ips(reward, target, propensity, action=action).warning


@pytest.mark.parametrize("rate", [0.004, 0.05, 0.4])
@pytest.mark.parametrize("n", [300, 3_000])
def test_intervals_that_are_called_reliable_cover(rate, n):
    """92-97 % are aimed at, +- 3 errors here; the model is half wrong."""
    rng, logging, repetitions = np.random.default_rng(n), np.full(5, 0.2), 200
    target, means = np.array([0.6, 0.1, 0.1, 0.1, 0.1]), rate * np.array([1.4, 1.2, 1.0, 0.8, 0.6])
    claims = {dr: [], sndr: []}
    for _ in range(repetitions):
        action = rng.choice(5, n, p=logging)
        reward = (rng.random(n) < means[action]).astype(float)
        for estimator, rows in claims.items():
            estimate = estimator(reward, target, logging, np.full(5, rate * 0.8), action=action)
            rows.append((estimate.is_reliable, estimate.low <= target @ means <= estimate.high))
    for rows in claims.values():
        reliable, covers = np.array(rows).T
        if reliable.mean() > 0.5:
            low, high = (
                p + s * 3 * np.sqrt(p * (1 - p) / reliable.sum()) for p, s in ((0.92, -1), (0.97, 1))
            )
            assert low < covers[reliable].mean() < high


def test_the_bias_of_cut_weights_and_of_the_model_are_reasons():
    reward, target, propensity, model, action = logged()
    given = (reward, target, propensity)
    assert any("were cut" in reason for reason in clipped_ips(*given, 1.5, action=action).reasons)
    assert any("rest on the reward model" in r for r in switch_dr(*given, model, 1.5, action=action).reasons)
    assert any("shrinkage takes" in r for r in dr_os(*given, model, 1.0, action=action).reasons)
    assert any("error of the reward model" in r for r in dm(*given, model, action=action).reasons)
    best = np.eye(6)[target.argmax(axis=1)]
    assert "the logging policy is not uniform" in replay(reward, best, propensity, action=action).warning


def test_a_target_outside_the_log_has_the_models_value_and_a_reason():
    n, model = 400, np.array([0.1, 0.7])
    action, reward = np.zeros(n, int), np.arange(n) % 2
    estimate = dr(reward, [0.0, 1.0], [1.0, 0.0], model, action=action)
    assert estimate.value == pytest.approx(0.7)
    assert estimate.reasons == ("no overlap: the target never takes a logged action",)
    assert math.isnan(sndr(reward, [0.0, 1.0], [1.0, 0.0], model, action=action).value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": np.zeros(3)}, r"model \(3,\) must be \(n, A\) or \(A,\), here A is 2 and n is 4"),
        (
            {"model": [[0, 0], [0, math.nan], [0, 0], [0, 0]]},
            "model is not finite at index 1, or over 1e[+]70 in size",
        ),
        ({"model": ["a", "b"]}, "model must be an array of real numbers"),
        ({"action": [0, 1, 2, 0]}, "action is 2 at index 2"),
        ({"target": [0.4, 0.5]}, "target has sum 0.9 at index 0"),
        ({"propensity": [0.5, 0.5, 0.0, 0.5]}, r"propensity is 0.0 at index 2, it must be in \(0, 1\]"),
        ({"reward_range": (0, 0.5)}, "reward is 1 at index 0, allowed: 0 to 0.5"),
        ({"level": 2}, "level is 2, expected a number between 0 and 1"),
    ],
)
def test_wrong_arguments_are_refused_by_name(changes, message):
    given = {"reward": [1, 0, 1, 0], "target": [0.5, 0.5], "propensity": [0.5, 0.5], "model": [0.2, 0.3]}
    for name in ("dm", "dr", "sndr", "clipped_dr", "switch_dr", "dr_os"):
        with pytest.raises(ValueError, match=message):
            getattr(evaluate, name)(**{**given, "action": [0, 1, 0, 1], **changes})


@pytest.mark.parametrize("bad", [0, -1.0, 1e-320, math.nan, "a", True, None])
def test_thresholds_are_positive_numbers(bad):
    reward, target, propensity, model, action = logged(20)
    for call, name in (
        (lambda: clipped_ips(reward, target, propensity, bad, action=action), "max_weight"),
        (lambda: switch_dr(reward, target, propensity, model, bad, action=action), "max_weight"),
        (lambda: dr_os(reward, target, propensity, model, bad, action=action), "shrinkage"),
    ):
        with pytest.raises(ValueError, match=f"{name} is .* expected a number above 0"):
            call()
