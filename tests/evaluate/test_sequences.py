"""Estimates of slates and sessions: an independent library, exact expectations, coverage, refusals."""

import itertools
import math

import numpy as np
import pytest

from recgym import evaluate
from recgym.evaluate import (
    independent_ips,
    ips,
    per_decision_ips,
    pseudo_inverse_ips,
    sequential_dr,
    standard_ips,
)

GOLDEN = {  # of sb-obp 0.5.10 on `logged()`: value, and self-normalised where all positions share one mean weight
    standard_ips: (1.6277385904018138, 0.68030444333756),
    independent_ips: (1.2093774740307575, None),
    per_decision_ips: (1.8031154609569775, None),
}


def logged(n=60, stages=3):
    rng = np.random.RandomState(7)  # its stream is frozen
    target, propensity = rng.uniform(0.1, 0.9, (n, stages)), rng.uniform(0.1, 0.9, (n, stages))
    return (rng.random_sample((n, stages)) < 0.3).astype(float), target, propensity


@pytest.mark.parametrize("estimator", GOLDEN)
def test_values_are_those_of_an_independent_library(estimator):
    plain, normalised = GOLDEN[estimator]
    assert estimator(*logged()).value == pytest.approx(plain, abs=1e-9)
    if normalised is not None:
        assert estimator(*logged(), is_normalised=True).value == pytest.approx(normalised, abs=1e-9)


def enumerated(reward, target):
    """All action sequences of a uniform logging policy, once each: averages over them are expectations.

    Args:
        reward: function of the actions up to a stage.
        target: function of the actions before a stage: probability of action 1.
    """
    rows = []
    for actions in itertools.product((0, 1), repeat=3):
        p = [target(actions[:t]) if actions[t] else 1 - target(actions[:t]) for t in range(3)]
        rows.append(([reward(actions[: t + 1]) for t in range(3)], p))
    r, p = (np.array(each, float) for each in zip(*rows, strict=True))
    return r, p, np.full_like(p, 0.5), float((p.prod(axis=1) * r.sum(axis=1)).sum())


def chain(actions):
    return 0.3 + 0.5 * actions[-1] + 0.7 * sum(actions[:-1])


def own(actions):
    return 0.2 * len(actions) + 0.5 * actions[-1]


def leaning(before):
    return 0.7 - 0.2 * sum(before)


def fixed(before):
    return 0.8


@pytest.mark.parametrize(
    ("estimator", "reward", "target"),
    [
        (standard_ips, chain, leaning),
        (per_decision_ips, chain, leaning),
        (independent_ips, own, fixed),
        (pseudo_inverse_ips, own, fixed),
    ],
)
def test_estimators_are_unbiased_where_their_assumption_holds(estimator, reward, target):
    r, p, q, truth = enumerated(reward, target)
    assert estimator(r, p, q).value == pytest.approx(truth, abs=1e-12)


@pytest.mark.parametrize("estimator", [independent_ips, pseudo_inverse_ips])
def test_estimators_of_independent_stages_are_biased_elsewhere(estimator):
    r, p, q, truth = enumerated(chain, leaning)
    assert abs(estimator(r, p, q).value - truth) > 0.01


@pytest.mark.parametrize("seed", range(3))
def test_the_sequential_doubly_robust_estimate_is_unbiased_for_every_model(seed):
    """Its model is any function of the actions up to a stage; v is its mean over the target's actions."""
    r, p, q, truth = enumerated(chain, leaning)
    values = {}
    rng = np.random.default_rng(seed)

    def model(actions):
        return values.setdefault(actions, rng.normal())

    q_logged, q_target = np.empty_like(r), np.empty_like(r)
    for row, actions in enumerate(itertools.product((0, 1), repeat=3)):
        for t in range(3):
            before, one = actions[:t], leaning(actions[:t])
            q_logged[row, t] = model(actions[: t + 1])
            q_target[row, t] = one * model((*before, 1)) + (1 - one) * model((*before, 0))
    assert sequential_dr(r, p, q, q_logged, q_target).value == pytest.approx(truth, abs=1e-12)


def test_one_stage_is_a_bandit():
    reward, target, propensity = (each[:, :1] for each in logged())
    plain = ips(reward[:, 0], target[:, 0], propensity[:, 0])
    for estimator in GOLDEN:
        assert estimator(reward, target, propensity)[:6] == pytest.approx(plain[:6])
    zero = np.zeros_like(reward)
    assert sequential_dr(reward, target, propensity, zero, zero).value == pytest.approx(plain.value)


def test_a_padded_stage_changes_nothing():
    reward, target, propensity = logged()
    pad = [
        np.hstack([each, np.full((60, 2), fill)])
        for each, fill in ((reward, 0), (target, 1), (propensity, 1))
    ]
    for estimator in GOLDEN:
        assert estimator(*pad).value == pytest.approx(estimator(*logged()).value)


@pytest.mark.parametrize("is_normalised", [False, True])
@pytest.mark.parametrize("estimator", [standard_ips, per_decision_ips, independent_ips, pseudo_inverse_ips])
def test_intervals_cover(estimator, is_normalised):
    """92-97 % are aimed at, +- 3 errors here; rewards add over independent positions."""
    rng, covered, repetitions = np.random.default_rng(3), 0, 300
    rates = np.array([[0.1, 0.3], [0.2, 0.05], [0.02, 0.1]])
    truth = float((rates @ [0.35, 0.65]).sum())
    for _ in range(repetitions):
        action = rng.integers(0, 2, (800, 3))
        reward = rng.random((800, 3)) < rates[np.arange(3), action]
        estimate = estimator(
            reward, np.where(action, 0.65, 0.35), np.full((800, 3), 0.5), is_normalised=is_normalised
        )
        covered += estimate.low <= truth <= estimate.high
    low, high = (p + s * 3 * math.sqrt(p * (1 - p) / repetitions) for p, s in ((0.92, -1), (0.97, 1)))
    assert low < covered / repetitions < high


@pytest.mark.parametrize("is_normalised", [False, True])
def test_intervals_of_the_doubly_robust_estimate_cover(is_normalised):
    """A model that is half wrong, rewards that depend on both stages."""
    rng, covered, repetitions = np.random.default_rng(3), 0, 300
    rates = np.array([[0.1, 0.3], [0.4, 0.2]])  # of stage 1, by both actions
    truth = 0.35 * 0.1 + 0.65 * 0.3 + float(np.array([0.35, 0.65]) @ rates @ [0.35, 0.65])
    last = 0.8 * rates  # model of stage 1, (first action, second action)
    first = np.array([0.05, 0.2]) + last @ [0.35, 0.65]
    for _ in range(repetitions):
        action = rng.integers(0, 2, (800, 2))
        p = np.stack([np.array([0.1, 0.3])[action[:, 0]], rates[action[:, 0], action[:, 1]]], axis=1)
        q = np.stack([first[action[:, 0]], last[action[:, 0], action[:, 1]]], axis=1)
        v = np.stack([np.full(800, first @ [0.35, 0.65]), last[action[:, 0]] @ [0.35, 0.65]], axis=1)
        given = rng.random((800, 2)) < p, np.where(action, 0.65, 0.35), np.full((800, 2), 0.5)
        estimate = sequential_dr(*given, q, v, is_normalised=is_normalised)
        covered += estimate.low <= truth <= estimate.high
    low, high = (p + s * 3 * math.sqrt(p * (1 - p) / repetitions) for p, s in ((0.92, -1), (0.97, 1)))
    assert low < covered / repetitions < high


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reward": [1, 0]}, r"reward \(2,\), target \(2, 2\), propensity \(2, 2\) must be of one shape"),
        ({"target": [[0.5, 0.5], [0.5, 2]]}, "stage 1: target is 2.0 at index 1"),
        ({"propensity": [[0.5, 0.5], [0, 0.5]]}, "stage 0: propensity is 0.0 at index 1"),
        ({"reward": [[0, 0], [0, math.inf]]}, "stage 1: reward is not finite at index 1"),
        ({"reward_range": (0, 0.5)}, "reward is 1 at index 0, allowed: 0 to 0.5"),
        ({"propensity": [[1e-60, 1e-60], [0.5, 0.5]]}, "product of the weights of row 0 is over 1e[+]70"),
    ],
)
def test_wrong_arguments_are_refused_by_name(changes, message):
    half = [[0.5, 0.5], [0.5, 0.5]]
    given = {"reward": [[1, 0], [0, 0]], "target": half, "propensity": half, **changes}
    with pytest.raises(ValueError, match=message):
        evaluate.per_decision_ips(**given)
    with pytest.raises(ValueError, match=r"q_logged \(1,\) must be finite numbers of shape \(2, 2\)"):
        sequential_dr([[1, 0], [0, 0]], half, half, [1], half)


def test_the_pseudo_inverse_estimate_is_diagnosed_by_its_own_weights():
    """20 items, 6 positions, a uniform log and one target slate: few slates carry the estimate."""
    rng = np.random.default_rng(0)
    propensity = np.full((3_000, 6), 0.05)
    target = (rng.integers(0, 20, (3_000, 6)) == 0).astype(float)
    estimate = pseudo_inverse_ips(rng.random((3_000, 6)) < 0.1, target, propensity)
    weight = 1.0 + (target / 0.05 - 1.0).sum(axis=1)
    assert estimate.mean_weight == pytest.approx(weight.mean())
    assert estimate.effective_sample_size == pytest.approx(weight.sum() ** 2 / (weight @ weight))
    assert "poor overlap" in estimate.warning
    assert "weights average" not in estimate.warning


@pytest.mark.parametrize("estimator", [standard_ips, pseudo_inverse_ips])
@pytest.mark.parametrize("total", [3.0, -3.0, 0.3])
def test_self_normalised_estimates_of_equal_slates_have_no_error(estimator, total):
    """Every slate has the same total, whatever its weight: only rewards that were not seen are in the interval."""
    rng = np.random.default_rng(2)
    propensity, target = np.full((5_000, 3), 0.25), np.where(rng.random((5_000, 3)) < 0.25, 0.7, 0.1)
    reward = np.full((5_000, 3), total / 3)
    one = estimator(reward, target, propensity, is_normalised=True)
    assert one.value == pytest.approx(total)
    assert one.se < 1e-12
    assert total - 0.02 * abs(total) < one.low <= one.high < total + 0.02 * abs(total)


@pytest.mark.parametrize("estimator", [standard_ips, per_decision_ips, independent_ips, pseudo_inverse_ips])
def test_the_error_of_self_normalised_estimates_is_their_spread_over_logs(estimator):
    """300 logs of 500 slates with 3 positions; the interval is as wide as the spread says."""
    values, errors, widths, covered = [], [], [], 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        action, propensity = rng.integers(0, 4, (500, 3)), np.full((500, 3), 0.25)
        reward, target = rng.random((500, 3)) < 0.8, np.where(action == 0, 0.7, 0.1)
        one = estimator(reward, target, propensity, is_normalised=True)
        values.append(one.value)
        errors.append(one.se)
        widths.append(one.high - one.low)
        covered += one.low <= 2.4 <= one.high
    spread = float(np.std(values))
    assert np.mean(errors) == pytest.approx(spread, rel=0.2)
    assert np.mean(widths) < 1.3 * 2 * 1.96 * spread
    assert covered / 300 > 0.92 - 3 * math.sqrt(0.92 * 0.08 / 300)


@pytest.mark.parametrize("target", [[[0, 0.5], [0, 0.5]], [[0, 0], [0, 0]]])
def test_weights_without_a_positive_sum_cannot_be_normalised(target):
    reward, propensity = [[1, 0], [0, 1]], [[0.5, 0.5], [0.5, 0.5]]
    estimate = pseudo_inverse_ips(reward, target, propensity, is_normalised=True)
    assert math.isnan(estimate.value)
    assert math.isnan(estimate.low)
    assert estimate.reasons == ("no overlap: the target never takes a logged action",)


@pytest.mark.parametrize(
    "estimator", [standard_ips, per_decision_ips, independent_ips, pseudo_inverse_ips, sequential_dr]
)
def test_a_word_is_no_flag(estimator):
    more = [np.zeros((60, 3)), np.zeros((60, 3))] if estimator is sequential_dr else []
    with pytest.raises(ValueError, match="is_normalised is 'no', expected True or False"):
        estimator(*logged(), *more, is_normalised="no")
