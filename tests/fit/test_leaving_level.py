"""The effect of a user's level of response on leaving: recovered from known rows, and in sessions of a world."""

import numpy as np
import pytest
from frequencies import engine_of

from recgym.fit.hazard_baseline import better_effects, fit_lengths
from recgym.fit.leaving_model import HazardRows
from recgym.sim.synthetic import synthetic

SIZE = (5, 1)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def known_rows(level, idle, seed, num=4_000):
    """Rows of visits of users with levels of variance 1, whose chance of a response is sigmoid(level)."""
    rng = np.random.default_rng(seed)
    of_user, alive, steps = rng.normal(0, 1, num), np.arange(num), []
    for t in range(1, 200):
        skipped = rng.random(len(alive)) > sigmoid(of_user[alive])
        logit = -1.5 + 0.6 * (t == 1) + level * of_user[alive] + idle * skipped
        left = rng.random(len(alive)) < sigmoid(logit)
        steps.append((alive, np.full(len(alive), t), skipped, left))
        alive = alive[~left]
    visit, step, skipped, left = (np.concatenate(column) for column in zip(*steps, strict=True))
    order = np.lexsort((step, visit))
    visit, step, skipped, left = visit[order], step[order], skipped[order], left[order].astype(float)
    zeros = np.zeros(len(visit), np.int64)
    return HazardRows(
        step, zeros, zeros.astype(float), skipped.astype(float), zeros, zeros, left, visit, of_user[visit]
    )


def test_effects_and_rates_by_step_are_recovered_jointly():
    rows = known_rows(-0.6, 0.5, seed=1)
    found = fit_lengths(*SIZE, rows, 0, ("level", "no_response"))
    assert found.level == pytest.approx(-0.6, abs=0.08)
    assert found.no_response == pytest.approx(0.5, abs=0.12)
    assert found.bias == pytest.approx(-0.9, abs=0.12)
    assert found.time[1:4] == pytest.approx(np.full(3, -0.6), abs=0.15)  # flat: the level is not in them
    plain = fit_lengths(*SIZE, rows, 0)
    assert plain.level == plain.no_response == 0.0
    assert plain.time[10] < -1.0  # long visits are those of users who respond


def test_only_effects_of_the_rows_are_kept():
    truths = {(): (0.0, 0.0), ("level",): (-0.6, 0.0), ("no_response",): (0.0, 0.6)}
    for expected, truth in truths.items():
        assert better_effects(SIZE, known_rows(*truth, seed=2), 0, 2.0) == expected
    both = better_effects(SIZE, known_rows(-0.6, 0.6, seed=2), 0, 2.0)
    assert set(both) == {"level", "no_response"}


def test_sessions_leave_by_the_level_of_their_user():
    world = synthetic(3, domain="content", num_items=6).with_params(patience=0.0)
    arrays = {name: np.zeros_like(getattr(world.arrays, name)) for name in ("leave_item", "leave_context")}
    arrays |= {"user_bias": np.linspace(-2, 2, world.num_users), "leave_level": np.array([-0.7])}
    world = world.with_arrays(**arrays).with_params(leave_bias=-1.0, leave_idle=0.0, leave_repeat=0.0)
    world = world.with_arrays(leave_time=np.zeros(1), leave_run=np.zeros(1))
    engine = engine_of(world, 40_000)
    level = world.arrays.user_bias[engine.sessions.user].astype(float)
    left = engine.step(np.zeros((40_000, 1), np.int64)).left
    for low, high in ((-2.1, -1.0), (-1.0, 0.0), (0.0, 1.0), (1.0, 2.1)):
        chosen = (level > low) & (level <= high)
        expected = sigmoid(-1.0 - 0.7 * level[chosen])
        assert left[chosen].mean() == pytest.approx(expected.mean(), abs=4 * 0.5 / np.sqrt(chosen.sum()))
    assert world.sha256 != world.with_arrays(leave_level=np.zeros(1)).sha256
