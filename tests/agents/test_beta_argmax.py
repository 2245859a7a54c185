"""Batches of Thompson's and UCB1's decisions against the same decisions made one by one."""

import numpy as np
import pytest
from learners import bandit_problem, pulls
from scipy.special import betainc

from agents import make_agent
from agents.bandits.beta_argmax import BetaArgmax
from agents.bandits.beta_cdf import heights


def test_heights_are_scipys_incomplete_beta_function():
    rng = np.random.default_rng(0)
    a, b = 10 ** rng.uniform(0, 5, 40), 10 ** rng.uniform(0, 5, 40)
    levels = np.linspace(1.0, 0.001, 200)
    out = np.empty((40, 200))
    heights(levels, a, b, out)
    expected = betainc(a[:, None], b[:, None], levels)
    np.testing.assert_allclose(np.exp(-out), expected, atol=1e-11)
    small = (expected > 1e-100) & (expected < 0.5)
    np.testing.assert_allclose(out[small], -np.log(expected[small]), rtol=1e-9)


def test_a_table_updated_step_by_step_is_scipys():
    rng = np.random.default_rng(6)
    chance = np.r_[rng.uniform(0.0, 0.5, 98), 0.9, 1.0]
    a, b = rng.uniform(0.1, 3.0, (2, 100))
    race = BetaArgmax(100)
    for round_ in range(400):
        arms = rng.integers(0, 100, 100) if round_ % 2 else np.full(30, 99 - round_ % 3)
        won = np.bincount(arms, rng.random(len(arms)) < chance[arms], 100)
        a, b = a + won, b + np.bincount(arms, minlength=100) - won
        race.refresh(a, b)
        if round_ % 40 == 39:
            assert (race.since > 0).any()
            expected = -np.log(betainc(a[:, None], b[:, None], race.levels))
            np.testing.assert_allclose(race.shares.cumsum(axis=1), expected[:, 1:], rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(race.total, expected[:, 1:].sum(axis=0), rtol=1e-9)
    race.refresh(a + 0.5, b[::-1])  # no steps of theirs
    np.testing.assert_allclose(
        race.total, -np.log(betainc(a + 0.5, b[::-1], race.levels[1:, None])).sum(axis=1), rtol=1e-9
    )


def shares(arms, num):
    return np.bincount(arms, minlength=num) / len(arms)


CASES = {
    "alike": (np.full(30, 3.0), np.full(30, 5.0)),
    "nobody tried": (np.ones(60), np.ones(60)),
    "one far ahead": (np.r_[90.0, 2, 5, 9], np.r_[10.0, 9, 5, 4]),
    "narrow and wide": (np.r_[900.0, 1, 1, 30], np.r_[100.0, 1, 2, 5]),
    "three": (np.r_[4.0, 2, 2], np.r_[4.0, 5, 3]),
}


@pytest.mark.parametrize("case", sorted(CASES))
def test_sampled_argmax_has_the_frequencies_of_drawing_all_arms(case):
    a, b = CASES[case]
    race, rng, rows = BetaArgmax(len(a)), np.random.default_rng(1), 100_000
    race.refresh(a, b)
    direct = np.concatenate([rng.beta(a, b, (1_000, len(a))).argmax(axis=1) for _ in range(rows // 1_000)])
    mine = shares(race.best(rng, rows, 1, None), len(a))
    error = 5 * np.sqrt(2 * np.maximum(shares(direct, len(a)), 1e-5) / rows)
    assert (np.abs(mine - shares(direct, len(a))) < error).all()


def test_sampled_arms_are_ranked_and_obey_the_mask():
    a, b = np.r_[9.0, 6, 5, 2, 1], np.r_[3.0, 4, 5, 6, 9]
    race, rng, rows = BetaArgmax(5), np.random.default_rng(2), 100_000
    race.refresh(a, b)
    for allowed in ([0, 1, 2, 3, 4], [2, 3, 4], [0, 4]):
        mask = np.tile(np.isin(np.arange(5), allowed), (rows, 1))
        draws = np.where(mask, rng.beta(a, b, (rows, 5)), -1.0)
        first, second = np.argsort(-draws, axis=1)[:, :2].T
        slates = race.best(rng, rows, 2, mask)
        assert np.take_along_axis(mask, slates, axis=1).all()
        mine, direct = shares(slates @ [5, 1], 25), shares(5 * first + second, 25)
        assert (np.abs(mine - direct) < 5 * np.sqrt(2 * np.maximum(direct, 1e-4) / rows)).all()


def test_sampling_follows_updates_and_its_levels_are_state():
    agents = [make_agent("thompson", bandit_problem(60), 5, fresh=False) for _ in range(2)]
    rng = np.random.default_rng(3)
    chance = np.linspace(0.1, 0.9, 60)
    for _ in range(30):
        arms = agents[0].act(np.zeros(400), explore=True)
        agents[0].learn(pulls(arms, rng.random(400) < chance[arms]))
    assert agents[0].argmax.levels[0] == 1.0  # 400 * 60 draws: the table is in use
    agents[1].restore({name: value.copy() for name, value in agents[0].state().items()})
    agents[1].rng.bit_generator.state = agents[0].rng.bit_generator.state
    for _ in range(2):
        first, second = (agent.act(np.zeros(100_000), explore=True) for agent in agents)
        np.testing.assert_array_equal(first, second)
    a, b = agents[0].posterior()
    direct = np.concatenate([rng.beta(a, b, (1_000, 60)).argmax(axis=1) for _ in range(100)])
    error = 5 * np.sqrt(2 * np.maximum(shares(direct, 60), 1e-4) / 100_000)
    assert (np.abs(shares(first, 60) - shares(direct, 60)) < error).all()


@pytest.mark.parametrize("slate_size", [1, 3])
def test_ucb1_picks_what_sorting_every_row_picks(slate_size):
    rng = np.random.default_rng(4)
    agent = make_agent("ucb1", bandit_problem(100, slate_size), 0, fresh=False)
    count = rng.integers(1, 30, 100)
    arms = np.repeat(np.arange(100), count)
    flat = pulls(arms, rng.random(len(arms)))
    agent.pulls += count
    agent.total += np.bincount(arms, flat.reward, 100)
    mask = rng.random((300, 100)) < 0.7
    mine = agent.act(np.zeros(300), mask, explore=True).reshape(300, slate_size)
    mean, count = agent.total / agent.pulls, count.copy()
    for b in range(300):
        bound = mean + np.sqrt(2 * np.log(len(arms)) / count)
        slate = np.argsort(-np.where(mask[b], bound, -np.inf), kind="stable")[:slate_size]
        np.testing.assert_array_equal(mine[b], slate)
        count[slate] += 1


@pytest.mark.slow
def test_the_speed_of_bandits_is_measured():
    from recgym.bench.bandit_speed import BANDITS, measure_bandits

    rows = list(measure_bandits(0.01))
    assert [row.name for row in rows] == list(BANDITS)
    assert all(min(row[1:]) > 0 for row in rows)
    rates = {row.name: row for row in rows}
    assert rates["ucb1"].batch > 10 * rates["linucb"].batch  # no row of N numbers an arm
