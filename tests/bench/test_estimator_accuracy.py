"""The study of off-policy estimators: its truth, unbiasedness where theory has it, its page."""

import gymnasium as gym
import numpy as np
import pytest

from recgym.bench import estimator_accuracy
from recgym.bench.estimator_accuracy import run_study, write_page
from recgym.bench.estimator_study import BY_CATEGORY, ESTIMATORS, Bandit, bandit_of, cell_rows

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


@pytest.mark.slow
def test_estimators_without_bias_have_none_and_cover(bandit):
    rows = [
        row for name in ("uniform", "personalised") for row in cell_rows(bandit, name, 1_000, 120, seed=5)
    ]
    for row in rows:
        if row.estimator in ("IPS", "DR", "SNIPS", "SNDR"):
            assert row.bias < 4 * row.rmse / np.sqrt(120) + 0.003
            assert 0.91 < row.reliable_coverage < 0.985
            assert row.tau > 0.5
    found = {(row.logging, row.estimator): row for row in rows}
    assert found["uniform", "DM"].bias > 2 * found["uniform", "DR"].bias
    assert found["uniform", "DR"].rmse < found["uniform", "IPS"].rmse
    assert {row.estimator for row in rows} == {*ESTIMATORS, BY_CATEGORY}


@pytest.fixture
def small_study(bandit, tmp_path, monkeypatch):
    """A study of one made world and four cells, and the cells that were made."""
    made = []

    def counted(*cell):
        made.append(cell[1:3])
        return cell_rows(*cell)

    monkeypatch.setattr(estimator_accuracy, "WORLDS", ("made",))
    monkeypatch.setattr(estimator_accuracy, "SIZES", (300,))
    monkeypatch.setattr(estimator_accuracy, "bandit_of", lambda _: bandit)
    monkeypatch.setattr(estimator_accuracy, "cell_rows", counted)
    return tmp_path / "ope", made


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.slow
def test_a_stopped_study_goes_on_and_ends_in_the_same_bytes(small_study):
    folder, made = small_study
    run_study(folder, 2, seed=1)
    whole = contents(folder)
    assert set(whole) == {"README.md", "accuracy.png", "rows.csv", "study.json"}
    assert all(whole["README.md"].count(f"| {name} |".encode()) == 1 for name in ESTIMATORS)
    lines = (folder / "rows.csv").read_text().splitlines(keepends=True)
    (folder / "rows.csv").write_text("".join(lines[: 1 + 2 * (len(ESTIMATORS) + 1)]))
    write_page(folder)
    assert b"Preliminary: 2 of 4 pairs of world and policy." in contents(folder)["README.md"]
    made.clear()
    run_study(folder, 2)
    assert made == [("personalised", 300), ("epsilon-greedy .2", 300)]
    assert contents(folder) == whole


def test_another_study_or_damaged_rows_are_refused(small_study):
    folder, _ = small_study
    run_study(folder, 2, seed=1)
    for arguments, message in (((3,), "repetitions 2, not 3"), ((2, 5), "seed 1, not 5")):
        with pytest.raises(ValueError, match=message):
            run_study(folder, *arguments)
    text = (folder / "rows.csv").read_text()
    last = text.splitlines(keepends=True)[-1]
    for damaged, message in ((text[: text.rindex(",")], "row 36 lacks"), (text + last, "37 rows")):
        (folder / "rows.csv").write_text(damaged)
        with pytest.raises(ValueError, match=message):
            run_study(folder, 2)
