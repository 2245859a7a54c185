"""The study of off-policy estimators: its truth, unbiasedness where theory has it, its page."""

import gymnasium as gym
import numpy as np
import pytest

from recgym.bench import estimator_accuracy
from recgym.bench.estimator_accuracy import Bandit, bandit_of, report, study, write

ROWS = 400


@pytest.fixture(scope="module")
def bandit():
    rng = np.random.default_rng(0)
    return Bandit("made", rng.uniform(0.05, 0.6, (50, 6)), np.array([0, 0, 1, 1, 2, 2]))


def test_rates_of_a_world_are_those_of_its_responses():
    rates = bandit_of("recgym/Content-v1", seed=3).rate
    env = gym.make_vec("recgym/Content-v1", num_envs=ROWS, n_items=30, reward="clicks")
    clicks, expected = 0.0, 0.0
    rng = np.random.default_rng(1)
    for seed in range(12):
        env.reset(seed=3 + ROWS * seed)
        rate = env.unwrapped.privileged().expected_reward()
        if seed == 0:
            assert rates == pytest.approx(np.clip(rate, 1e-6, 1 - 1e-6))
        action = rng.integers(0, 30, ROWS)
        clicks += env.step(action)[1].sum()
        expected += rate[np.arange(ROWS), action].sum()
    assert clicks == pytest.approx(expected, abs=4 * np.sqrt(expected))


def test_estimators_without_bias_have_none_and_cover(bandit):
    rows = [row for row in study(bandit, (1_000,), 120, seed=5) if row.logging in ("uniform", "personalised")]
    for row in rows:
        if row.estimator in ("IPS", "DR", "SNIPS", "SNDR"):
            assert row.bias < 4 * row.rmse / np.sqrt(120) + 0.003
            assert 0.91 < row.reliable_coverage < 0.985
            assert row.tau > 0.5
    found = {(row.logging, row.estimator): row for row in rows}
    assert found["uniform", "DM"].bias > 2 * found["uniform", "DR"].bias
    assert found["uniform", "DR"].rmse < found["uniform", "IPS"].rmse
    assert {row.estimator for row in rows} == {*estimator_accuracy.ESTIMATORS, estimator_accuracy.BY_CATEGORY}


def test_the_page_has_every_estimator_and_is_the_same_again(bandit, tmp_path, monkeypatch):
    rows = list(study(bandit, (300,), 3, seed=1))
    assert rows == list(study(bandit, (300,), 3, seed=1)) or any(
        np.isnan(row.reliable_coverage) for row in rows
    )
    text = report(rows, 3)
    for name in estimator_accuracy.ESTIMATORS:
        assert text.count(f"| {name} |") == 1
    monkeypatch.setattr(estimator_accuracy, "WORLDS", ("made",))
    monkeypatch.setattr(estimator_accuracy, "bandit_of", lambda _: bandit)
    monkeypatch.setattr(estimator_accuracy, "SIZES", (300, 900))
    write(tmp_path / "ope", 2, seed=1)
    files = {path.name: path.read_bytes() for path in (tmp_path / "ope").iterdir()}
    assert set(files) == {"README.md", "accuracy.png", "rows.csv"}
    write(tmp_path / "ope", 2, seed=1)
    assert files == {path.name: path.read_bytes() for path in (tmp_path / "ope").iterdir()}
