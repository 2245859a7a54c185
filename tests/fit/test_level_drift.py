"""The level of an event at the end of the period of a fit: drift against chance, and visits that responses prolong."""

import numpy as np
import pandas as pd
import pytest
import torch

from recgym.fidelity.free_running import Form, simulated_visits
from recgym.fit import FitConfig
from recgym.fit.dataset import make_dataset
from recgym.fit.level_drift import at_the_end, last_level
from recgym.fit.recipe_impressions import fit_impressions
from recgym.fit.user_levels import common_level
from recgym.logs import Log
from recgym.logs.splits import VALIDATION
from recgym.numerics import hermite_nodes, sigmoid


def log_of(user, visit, step, click, item=None, seed=0) -> Log:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "user": user, "session": visit, "item": rng.integers(9, size=len(user)) if item is None else item,
            "time": pd.to_datetime(1_600_000_000 + 5_000 * visit + 10 * step, unit="s"), "click": click.astype(int),
        }
    )  # fmt: skip
    return Log.from_pandas(frame, domain="content")


def kalman(level, variance, step):
    """Mean of the last level of a random walk with a diffuse start, by the filter of Kalman (1960)."""
    mean, spread = level[0], variance[0]
    for value, error in zip(level[1:], variance[1:], strict=True):
        spread += step**2
        gain = spread / (spread + error)
        mean, spread = mean + gain * (value - mean), (1 - gain) * spread
    return mean


def test_the_last_level_of_a_walk_is_that_of_a_kalman_filter(monkeypatch):
    rng = np.random.default_rng(0)
    monkeypatch.setattr("recgym.fit.level_drift.STEPS", np.array([0.4]))
    level, variance = np.cumsum(rng.normal(0, 0.4, 9)), rng.uniform(0.01, 0.03, 9)
    level += rng.normal(0, np.sqrt(variance))
    assert last_level(level, variance) == pytest.approx(kalman(level, variance, 0.4), abs=1e-9)


def test_chance_is_no_drift_and_drift_is_followed():
    rng = np.random.default_rng(1)
    variance = np.full(9, 0.05**2)
    calm = [last_level(rng.normal(0, 0.05, 9), variance) for _ in range(150)]
    assert np.mean(np.array(calm) != 0.0) < 0.04
    error = {"found": [], "last": [], "mean": []}
    for _ in range(150):
        true = np.cumsum(rng.normal(0, 0.08, 9))
        seen = true + rng.normal(0, 0.05, 9)
        error["found"].append(
            (seen.mean() if (at := last_level(seen - seen.mean(), variance)) == 0 else seen.mean() + at)
            - true[-1]
        )
        error["last"].append(seen[-1] - true[-1])
        error["mean"].append(seen.mean() - true[-1])
    found, last, mean = (np.sqrt(np.mean(np.square(value))) for value in error.values())
    assert found < 1.1 * last
    assert found < 0.5 * mean


@pytest.mark.parametrize("drift", [0.0, 1.5])
def test_rates_are_those_of_the_end_where_they_drift(drift):
    rng = np.random.default_rng(3)
    visit = np.repeat(np.arange(1_000), 8)
    x = -1.0 + drift * visit / 1_000
    dataset = make_dataset(
        log_of(visit % 50, visit, np.arange(8_000) % 8, rng.random(8_000) < sigmoid(x)),
        FitConfig(),
        positives_only=False,
    )
    rows = np.flatnonzero(dataset.known)
    flag = dataset.positive[rows].astype(float)
    chance = np.full(len(rows), flag.mean())
    now = at_the_end(dataset, rows, flag, chance)
    if not drift:
        assert now is chance
        return
    last = dataset.row_period[rows] == VALIDATION
    assert now.mean() == pytest.approx(flag[last].mean(), abs=0.05)
    assert now.mean() > flag.mean() + 0.1


def prolonged(visits, visit_sd, seed):
    """Rows of visits that end after half of the rows without a response, and after 3 % of the others."""
    rng = np.random.default_rng(seed)
    x = -1.0 + rng.normal(0, visit_sd, visits)
    alive, parts = np.arange(visits), []
    for step in range(60):
        click = rng.random(len(alive)) < sigmoid(x[alive])
        parts.append((alive, np.full(len(alive), step), click))
        alive = alive[rng.random(len(alive)) > np.where(click, 0.03, 0.5)]
    visit, step, click = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.lexsort((step, visit))
    return visit[order], step[order], click[order]


def test_the_level_is_that_of_visits_where_responses_prolong_them():
    visit, step, click = prolonged(4_000, 1.0, 5)
    dataset = make_dataset(log_of(visit, visit, step, click), FitConfig(), positives_only=False)
    found = common_level(dataset, dataset.known, np.zeros(len(dataset.item)), 1.0)
    assert found == pytest.approx(-1.0, abs=0.08)
    node, weight = hermite_nodes(15)
    of_rows = float(sigmoid(found + node) @ weight)
    assert dataset.positive[dataset.known].mean() > 1.1 * of_rows  # what the mean of rows would be fitted to


def unlucky_log(seed):
    """A log of 40 users at one level, its rate before the test period, and the error of its validation period's."""
    rng = np.random.default_rng(seed)
    users, visits, length = 40, 1_200, 8
    share = rng.gamma(1.0, 1.0, users)
    user = np.repeat(rng.choice(users, visits, p=share / share.sum()), length)
    visit, step = np.divmod(np.arange(visits * length), length)
    item = rng.integers(60, size=len(user))
    x = -1.2 + rng.normal(0, 1.2, users)[user] + rng.normal(0, 0.7, 60)[item]
    click = rng.random(len(user)) < sigmoid(x)
    last = (visit >= 0.8 * visits) & (visit < 0.9 * visits)
    by_chance = (click[last] - sigmoid(x[last])).sum() / np.sqrt((sigmoid(x[last]) * sigmoid(-x[last])).sum())
    return log_of(user, visit, step, click, item), click[visit < 0.9 * visits].mean(), by_chance


@pytest.mark.slow
def test_a_world_that_runs_has_the_rate_of_its_log():
    log, rate, by_chance = unlucky_log(79)
    assert 1.9 < by_chance < 2.2  # standard errors, at the level of all days
    world = fit_impressions(log, "w", FitConfig(dim=2, steps=20), 0, torch.device("cpu"), lambda *_: None)
    ran = simulated_visits(world, Form(1, 8, ("click",), False, False), 8_000, 1)
    assert ran.response.mean() == pytest.approx(rate, rel=0.03)
