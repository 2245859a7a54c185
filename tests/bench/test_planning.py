"""The worth of planning: how many sessions it takes, and the coverage of its interval."""

import json

import numpy as np
import pytest
from worlds import chain_optimum, chain_world

from recgym.bench import planning
from recgym.bench.planning import Begun, planning_worth
from recgym.sim.synthetic import synthetic

WORLD = synthetic(2, domain="social")


@pytest.fixture
def sessions_of(monkeypatch):
    """Replace the returns of sessions by draws of a function of a generator and a number of sessions."""

    def replace(draw):
        played = []

        def returns(env_id, world, seed, first, count, simulations, report):
            played.append((first, count))
            report(1.0)
            return draw(np.random.default_rng([seed, first]), count)

        monkeypatch.setattr(planning, "_returns", returns)
        return played

    return replace


def skewed(mean, spread):
    """Returns of which the difference is skewed: most sessions gain little, few gain much."""

    def draw(rng, count):
        oracle = rng.exponential(10.0, count)
        return np.stack([oracle, oracle + mean + spread * (rng.gamma(0.5, 1.0, count) - 0.5)])

    return draw


@pytest.mark.parametrize(("mean", "spread"), [(0.2, 1.0), (2.0, 6.0), (0.0, 3.0)])
def test_the_interval_covers_the_difference_whatever_stops_it(sessions_of, mean, spread):
    sessions_of(skewed(mean, spread))
    found = [planning_worth(WORLD, 500, seed=seed).difference for seed in range(400)]
    covered = np.mean([gain.low <= mean <= gain.high for gain in found])
    print(f"{covered:.3f}, sessions {np.unique([gain.n for gain in found], return_counts=True)}")
    assert covered >= 0.95 - 2 * (0.95 * 0.05 / 400) ** 0.5
    assert abs(np.mean([gain.mean for gain in found]) - mean) < 0.15 * max(mean, 1.0)


def test_it_stops_where_the_interval_is_narrow(sessions_of):
    played = sessions_of(skewed(0.2, 0.1))
    done = []
    worth = planning_worth(WORLD, 500, progress=done.append)
    assert worth.difference.n == 32
    assert played == [(0, 32)]
    assert done[-1] == 1000
    assert done == sorted(done)


def test_it_ends_at_the_sessions_that_are_asked_for(sessions_of):
    played = sessions_of(skewed(0.0, 1000.0))
    assert planning_worth(WORLD, 100).difference.n == 100
    assert played == [(0, 32), (32, 32), (64, 32), (96, 4)]
    assert planning_worth(WORLD, 20).difference.n == 20


def test_the_returns_of_both_policies_are_the_known_ones():
    world = chain_world(0.95)
    best, myopic = chain_optimum(world, 0.95, 50)
    worth = planning_worth(world, 32)
    assert abs(worth.oracle.mean - myopic) < 4 * worth.oracle.se
    assert worth.difference.mean > 0.8 * (best - myopic)
    assert worth.oracle_plan.mean < best + 4 * worth.oracle_plan.se
    assert worth.difference.n == 32


@pytest.mark.parametrize("kept", [0, 32, 40, 96, 128, 150])
def test_an_estimate_goes_on_from_the_sessions_that_were_played(sessions_of, kept):
    played = sessions_of(skewed(0.3, 9.0))
    stored = []
    whole = planning_worth(WORLD, 150, seed=3, begun=Begun(store=lambda known: stored.append(known[""])))
    assert played == [(0, 32), (32, 32), (64, 32), (96, 32), (128, 22)]
    assert [len(oracle) for oracle, _ in stored] == [32, 64, 96, 128, 150]
    again = planning_worth(WORLD, 160, seed=3)
    played.clear()
    known = json.loads(json.dumps({"": [returns[:kept] for returns in stored[-1]]}))
    assert planning_worth(WORLD, 150, seed=3, begun=Begun(known)) == whole
    assert played == [(0, 32), (32, 32), (64, 32), (96, 32), (128, 22)][5 if kept == 150 else kept // 32 :]
    assert planning_worth(WORLD, 160, seed=3, begun=Begun(json.loads(json.dumps({"": stored[-1]})))) == again
