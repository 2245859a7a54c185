"""Off-policy estimates: closed forms, coverage of intervals, diagnostics and errors."""

import math

import numpy as np
import pytest

from recgym.evaluate import (
    ips,
    snips,
    t_interval,
    t_quantile,
)


def test_ips_and_snips_closed_forms():
    reward, target, propensity = [1.0, 0.0, 3.0], [0.5, 0.2, 0.1], [0.25, 0.4, 0.5]
    w = np.array([2.0, 0.5, 0.2])
    plain, normalised = ips(reward, target, propensity), snips(reward, target, propensity)
    assert plain.value == pytest.approx(2.6 / 3)
    assert normalised.value == pytest.approx(2.6 / 2.7)
    residual = w * (np.array(reward) - 2.6 / 2.7)
    assert normalised.se == pytest.approx(np.sqrt(residual @ residual) / 2.7)
    assert plain.effective_sample_size == pytest.approx(2.7**2 / 4.29)
    assert plain.max_weight == 2.0


def test_snips_of_the_logging_policy_is_the_mean():
    reward = np.random.default_rng(1).normal(size=500)
    same = np.full(500, 0.3)
    for estimate in (ips(reward, same, same), snips(reward, same, same)):
        assert estimate.value == pytest.approx(reward.mean())
        assert estimate.effective_sample_size == pytest.approx(500)
        assert estimate.is_reliable


def test_estimates_cover_the_truth_of_a_bandit():
    logging, target, means = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.2, 0.6]), np.array([0.1, 0.5, 0.8])
    rng = np.random.default_rng(11)
    truth, covered = float(target @ means), {ips: 0, snips: 0}
    for _ in range(300):
        action = rng.choice(3, 400, p=logging)
        reward = (rng.random(400) < means[action]).astype(float)
        for estimator in covered:
            estimate = estimator(reward, target[action], logging[action])
            covered[estimator] += estimate.low < truth < estimate.high
    assert all(0.90 < count / 300 < 0.985 for count in covered.values())


@pytest.mark.parametrize("estimator", [ips, snips])
def test_equal_weights_give_the_wilson_interval(estimator):
    """Roots of (p - theta)^2 = t^2 theta (1 - theta) / n, with 2 x responses + 10 degrees of freedom."""
    same = np.full(400, 0.2)
    for responses in (0, 1, 17, 200, 400):
        estimate = estimator(np.arange(400) < responses, same, same)
        p, t2 = responses / 400, t_quantile(0.975, 2 * responses + 10) ** 2
        half = math.sqrt(t2 * p * (1 - p) / 400 + t2**2 / (4 * 400**2))
        ends = [(p + t2 / 800 + sign * half) / (1 + t2 / 400) for sign in (-1, 1)]
        assert (estimate.low, estimate.high) == pytest.approx(ends, abs=1e-12)
        assert (estimate.value, estimate.num_rewarded) == (pytest.approx(p), responses)
        assert estimate.effective_rewarded == pytest.approx(responses)


@pytest.mark.parametrize("estimator", [ips, snips])
@pytest.mark.parametrize("n", [2, 7, 100, 12_345])
def test_rewards_of_one_alone_have_no_value_above_one(estimator, n):
    even = estimator(np.ones(n), np.full(n, 0.3), np.full(n, 0.3))
    assert even.value == even.high == 1.0 > even.low
    weights = np.random.default_rng(n).uniform(0.2, 0.9, n)
    assert snips(np.ones(n), weights, np.full(n, 0.5)).high <= 1.0 + 4 * np.finfo(float).eps


@pytest.mark.parametrize("estimator", [ips, snips])
def test_the_interval_without_a_response_is_a_bound_with_a_reason(estimator):
    same = np.full(300, 0.2)
    estimate = estimator(np.zeros(300), same, same)
    assert estimate.low == estimate.value == 0.0
    exact = 1 - 0.025 ** (1 / 300)  # Clopper and Pearson (1934)
    assert exact < estimate.high < 1.5 * exact
    assert not estimate.is_reliable
    assert estimate.reasons == ("no response: no round is rewarded, the interval is a bound",)
    assert estimator(np.zeros(300), same, same, reward_range=(0, 3)).high == pytest.approx(3 * estimate.high)
    both = estimator(np.zeros(300), same, same, reward_range=(-2, 3))
    assert (both.low, both.high) == pytest.approx((-2 * estimate.high, 3 * estimate.high))


LOGGING = np.full(5, 0.2)


TARGETS = {"uniform": LOGGING, "peaked": np.array([0.8, 0.05, 0.05, 0.05, 0.05])}


def draws(rate, n, target, rng):
    """Rewards, both policies' probabilities, and the truth; actions differ in their rates."""
    means = rate * np.array([1.4, 1.2, 1.0, 0.8, 0.6])
    action = rng.choice(5, n, p=LOGGING)
    return rng.random(n) < means[action], target[action], LOGGING[action], float(target @ means)


@pytest.mark.parametrize("weights", TARGETS)
@pytest.mark.parametrize("n", [300, 3_000])
def test_intervals_that_are_called_reliable_cover(weights, n):
    """From .1 % to 50 % responses; where most logs of a rate are reliable 92-97 % are aimed at, +- 3 errors here."""
    rng, repetitions = np.random.default_rng(n), 200
    for rate in (0.001, 0.004, 0.05, 0.5):
        claims = {ips: [], snips: []}
        for _ in range(repetitions):
            *given, truth = draws(rate, n, TARGETS[weights], rng)
            for estimator, rows in claims.items():
                estimate = estimator(*given)
                rows.append((estimate.is_reliable, estimate.low <= truth <= estimate.high))
        for rows in claims.values():
            reliable, covers = np.array(rows).T
            assert (reliable & ~covers).mean() < 0.08 + 3 * np.sqrt(0.08 * 0.92 / repetitions)
            if reliable.mean() > 0.5:
                num = reliable.sum()
                low, high = (p + s * 3 * np.sqrt(p * (1 - p) / num) for p, s in ((0.92, -1), (0.97, 1)))
                assert low < covers[reliable].mean() < high


def test_rewards_of_both_signs_have_the_normal_interval_where_they_are_many():
    rng = np.random.default_rng(4)
    reward, same = rng.normal(0.3, 1.0, 4_000), np.full(4_000, 0.5)
    for estimator in (ips, snips):
        estimate, normal = estimator(reward, same, same), t_interval(reward)
        assert (estimate.low, estimate.high) == pytest.approx((normal.low, normal.high), abs=0.003)


def test_the_interval_moves_with_the_unit_of_rewards():
    *given, _ = draws(0.05, 2_000, TARGETS["peaked"], np.random.default_rng(1))
    for estimator in (ips, snips):
        one = estimator(*given)
        for unit in (1e-9, 7.0, 1e60):
            other = estimator(unit * given[0], *given[1:])
            assert other[:4] == pytest.approx([unit * x for x in one[:4]])
        assert estimator(-1.0 * given[0], *given[1:]).low == pytest.approx(-one.high)


@pytest.mark.parametrize("estimator", [ips, snips])
def test_logs_with_more_responses_by_luck_are_not_the_reliable_ones(estimator):
    """Ten responses are expected of 500 rounds; where those with more alone were reliable, these had 87 %."""
    rng, target, covers = np.random.default_rng(3), np.random.default_rng(7).dirichlet(np.ones(5)), []
    means = 0.02 * np.linspace(0.5, 1.5, 5)
    for _ in range(600):
        action = rng.integers(0, 5, 500)
        found = estimator(rng.random(500) < means[action], target[action], LOGGING[action])
        if found.is_reliable:
            covers.append(found.low <= target @ means <= found.high)
    assert len(covers) > 590
    assert np.mean(covers) > 0.93


def test_a_large_weight_and_no_overlap_are_reasons_and_few_responses_a_remark():
    same = np.full(300, 0.2)
    few = ips(np.arange(300) < 4, same, same)
    assert few.warning == "few responses: 4 rewarded rounds are worth 4.0, the interval is wide"
    assert few.is_reliable
    target, propensity = np.full(300, 0.2), np.full(300, 0.2)
    target[0], propensity[0] = 1.0, 0.01
    assert (
        "largest weight: one round has 25.1% of all weight" in ips(np.ones(300), target, propensity).reasons
    )
    for estimator in (ips, snips):
        none = estimator(np.ones(300), np.zeros(300), same)
        assert none.reasons == ("no overlap: the target never takes a logged action",)
        assert math.isnan(none.low)
    action = np.arange(300) % 2
    outside = ips(np.ones(300), [0.2, 0.3, 0.5], [0.5, 0.5, 0.0], action=action)
    assert outside.reasons[0] == "no overlap: 50.0% of the target's actions have propensity 0 in the log"


def test_distributions_are_looked_up():
    action = np.array([0, 1, 1, 2])
    p, q = np.array([0.2, 0.3, 0.5]), np.tile([0.5, 0.25, 0.25], (4, 1))
    for estimator in (ips, snips):
        assert estimator(np.arange(4), p, q, action=action) == estimator(
            np.arange(4), p[action], q[0][action]
        )


def test_propensities_of_rounds_or_of_actions_are_told_apart():
    """Two rounds and two actions: both shapes are (2,)."""
    target = [[0.5, 0.5], [0.5, 0.5]]
    with pytest.raises(
        ValueError, match=r"propensity \(2,\) may be .* as n and A are 2: give it as \(n, A\)"
    ):
        ips([1.0, 1.0], target, [0.9, 0.1], action=[1, 1])
    both = ips([1.0, 1.0], target, [[0.9, 0.1], [0.9, 0.1]], action=[1, 1])
    assert both.value == pytest.approx(5.0)
    assert ips([1.0, 1.0], [0.5, 0.5], [0.9, 0.1]).value == pytest.approx((0.5 / 0.9 + 5.0) / 2)
    assert ips([1.0, 1.0], target, [0.9, 0.5], action=[1, 1]).value == pytest.approx((0.5 / 0.9 + 1.0) / 2)
    assert ips([1.0, 1.0], target, [0.5, 0.5], action=[1, 0]).value == pytest.approx(1.0)
    assert ips([1.0, 1.0], target, [1.0, 0.0], action=[0, 0]).value == pytest.approx(0.5)


def test_poor_overlap_is_a_reason():
    target, propensity = np.full(500, 1e-4), np.full(500, 0.5)
    target[:3] = 1.0
    assert "poor overlap: 500 rounds are worth 3" in snips(np.ones(500), target, propensity).warning
    half = np.full(500, 0.25)  # the target spends half its time on what was never logged
    assert "average 0.500, not 1" in ips(np.ones(500), half, propensity).warning


def test_few_rounds_are_not_called_poor_overlap():
    ones = np.ones(40)
    for estimator in (ips, snips):
        assert estimator(ones, ones, ones).reasons == ("few rounds: 40 are worth 40, fewer than 50",)
    target, propensity = np.full(40, 0.01), np.full(40, 0.5)
    target[:2] = 1.0
    assert "poor overlap: 40 rounds are worth 3" in snips(ones, target, propensity).reasons
    target, propensity = np.full(60, 0.5), np.full(60, 0.5)
    target[:20] = 0.05
    assert ips(np.ones(60), target, propensity).reasons[0] == "few rounds: 60 are worth 44, fewer than 50"


def test_estimators_name_the_bad_row():
    with pytest.raises(ValueError, match=r"propensity is 0.0 at index 1, it must be in \(0, 1\]"):
        ips([1.0, 1.0], [0.5, 0.5], [0.5, 0.0])
    with pytest.raises(ValueError, match=r"target is 1.5 at index 0"):
        snips([1.0, 1.0], [1.5, 0.5], [0.5, 0.5])
    with pytest.raises(ValueError, match="one length"):
        snips([1.0], [0.5, 0.5], [0.5, 0.5])


HALF = [0.5, 0.5]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"propensity": [0.5, 1e-310]},
            "propensity is 1e-310 at index 1 where target is 0.5: their ratio is over",
        ),
        ({"propensity": [0.5, math.nan]}, "propensity is nan at index 1"),
        ({"target": [-0.1, 0.5]}, "target is -0.1 at index 0"),
        ({"action": [0, 1], "target": [[0.5, 0.5], [1.1, -0.1]]}, "target is 1.1 at index 1, it must be"),
        ({"reward": [0.0, math.inf]}, "reward is not finite at index 1"),
        ({"reward": [1e300, 0.0]}, r"reward is 1e\+300 at index 0, allowed: -1e\+70 to 1e\+70"),
        ({"reward": ["a", "b"]}, "reward must be an array of real numbers"),
        ({"reward": [1j, 0.0]}, "reward must be an array of real numbers"),
        ({"reward": [[1], [2, 3]]}, "reward must be an array of real numbers"),
        ({"level": 1.5}, "level is 1.5, expected a number between 0 and 1"),
        ({"level": "a"}, "level is 'a', expected a number between 0 and 1"),
        ({"level": None}, "level is None, expected a number between 0 and 1"),
        ({"reward_range": (1, 0)}, r"reward_range is \(1, 0\), expected a smaller and a larger"),
        ({"reward": [0, 2], "reward_range": (0, 1)}, "reward is 2 at index 1, allowed: 0 to 1"),
        ({"action": [0, 1], "target": [0.5, 0.6]}, "target has sum 1.1 at index 0, a distribution has sum 1"),
        ({"action": [0, 1], "propensity": [HALF, [1, 1]]}, "propensity has sum 2 at index 1"),
        ({"action": [0, 1], "target": [-0.5, 1.5]}, r"target is -0.5 at index 0, it must be"),
        ({"action": [0, 1], "propensity": [1, 0]}, "propensity is 0.0 at index 1"),
        ({"action": [0, 2]}, "action is 2 at index 1, it must be a whole number from 0 to 1"),
        ({"action": [0, 0.5]}, "action is 0.5 at index 1"),
        (
            {"action": [0, 1], "target": [0.2, 0.3, 0.5], "propensity": [0.25] * 4},
            r"must be \(n, A\) or \(A,\)",
        ),
        ({"action": [0, 1], "target": [HALF] * 3}, "target has 3 rows, action has 2"),
    ],
)
def test_wrong_arguments_are_refused_by_name(changes, message):
    for estimator in (ips, snips):
        with pytest.raises(ValueError, match=message):
            estimator(**{"reward": [1, 0], "target": HALF, "propensity": HALF, **changes})
