"""What is chosen on held-out rows: small logs of known truth are fitted near the truth, not near their chance."""

import numpy as np
import pandas as pd
import pytest

from recgym.fit import FitConfig, fit
from recgym.fit.additive import Ridges, choose_ridges, fit_blend
from recgym.fit.baseline_guard import held_out, search, weights
from recgym.fit.dataset import Dataset, make_dataset
from recgym.fit.event_models import fit_event, item_table
from recgym.fit.response_calibration import choose_random_intercept
from recgym.fit.session_model import item_features
from recgym.fit.user_features import tower_user_features
from recgym.logs import Log
from recgym.logs.splits import TEST, TRAIN, VALIDATION

USERS, ITEMS, LENGTH = 25, 10, 8
MARGIN = 0.01  # nats a row


def impressions(rows: int, seed: int, item_sd: float = 0.0) -> tuple[Log, np.ndarray]:
    """Impressions whose response hangs on the item alone, and the logit of each; long views on nothing but a click."""
    rng = np.random.default_rng(seed)
    visit = np.repeat(np.arange(rows // LENGTH), LENGTH)
    item = rng.integers(ITEMS, size=len(visit))
    logit = -1.0 + item_sd * rng.normal(size=ITEMS)[item]
    click = rng.random(len(visit)) < 1 / (1 + np.exp(-logit))
    time = 1_600_000_000 + 7200 * visit + 30 * np.tile(np.arange(LENGTH), rows // LENGTH)
    frame = pd.DataFrame({
        "user": rng.integers(USERS, size=visit.max() + 1)[visit], "item": item, "session": visit, "click": click,
        "time": pd.to_datetime(time, unit="s"), "long_view": click & (rng.random(len(visit)) < 0.5),
    })  # fmt: skip
    return Log.from_pandas(frame, domain="content"), logit


def frame_of(log: Log) -> Dataset:
    return make_dataset(log, FitConfig(), positives_only=False)


def excess(logit: np.ndarray, truth: np.ndarray) -> float:
    """Nats by which a logit's expected log-loss exceeds the truth's."""
    chance = 1 / (1 + np.exp(-truth))
    return float((np.logaddexp(0, logit) - np.logaddexp(0, truth) - chance * (logit - truth)).mean())


def test_folds_judge_every_known_row_once():
    frame = frame_of(impressions(800, seed=0)[0])
    rows = frame.positive.astype(bool)
    parts = held_out(frame, rows, 100, folds=True)
    assert len(parts) == 5
    np.testing.assert_array_equal(sum(judged for _, judged in parts), rows & (frame.row_period != TEST))
    for known, judged in parts:
        assert not set(frame.session[known]) & set(frame.session[judged])
        np.testing.assert_array_equal(known | judged, rows & (frame.row_period != TEST))
    ((known, judged),) = held_out(frame, rows, 10_000, folds=False)
    np.testing.assert_array_equal(known, rows & (frame.row_period == TRAIN))
    np.testing.assert_array_equal(judged, rows & (frame.row_period == VALIDATION))


def test_weights_are_likelihoods_of_held_out_rows():
    groups = [[{"user": value} for value in (1.0, 2.0)], [{"item": value} for value in (1.0, 2.0, 9.0)]]
    losses = {
        (2.0, 1.0): 10.0,
        (2.0, 2.0): 10.0 + np.log(3),
        (2.0, 9.0): 20.0,
        (1.0, 4.0): 12.0,
        (2.0, 4.0): 11.0,
    }
    asked = []

    def loss(ridges: Ridges) -> float:
        asked.append((ridges.user, ridges.item))
        return losses[asked[-1]]

    tried = search(Ridges(), groups, loss)
    assert next(iter(tried)) == Ridges(user=2.0, item=1.0)
    assert len(asked) == len(set(asked)) == 5
    likely = np.array([1.0, 1 / 3, np.exp(-2), np.exp(-1)])
    found = {(ridges.user, ridges.item): share for ridges, share in weights(tried).items()}
    kept = ((2.0, 1.0), (2.0, 2.0), (1.0, 4.0), (2.0, 4.0))
    assert found == pytest.approx(dict(zip(kept, likely / likely.sum(), strict=True)))


@pytest.mark.slow
def test_small_logs_are_nearer_the_truth_than_by_one_period():
    """What presets do, in place of folds and averages: the ridges that are best on one period."""
    missed = {True: [], False: []}
    for seed in range(8):
        log, truth = impressions(560, seed, item_sd=0.5 * (seed % 2))
        frame = frame_of(log)
        features = tower_user_features(frame), item_features(frame)
        for wide, found in missed.items():
            blend = choose_ridges(frame, *features, wide)
            fitted = fit_blend(frame, frame.row_period <= VALIDATION, *features, blend)
            found.append(excess(fitted.logits(frame), truth))
    assert np.mean(missed[True]) < np.mean(missed[False])
    assert np.mean(missed[True]) < MARGIN


@pytest.mark.slow
def test_events_of_small_logs_are_nearer_the_truth_than_by_one_period():
    """Long views are a coin's after a click, of which a period has a dozen."""
    missed = {True: [], False: []}
    for seed in range(8):
        frame = frame_of(impressions(560, seed)[0])
        rows, nothing = frame.positive.astype(bool), np.zeros((len(frame.item), 1))
        tables = item_table(frame), np.zeros((frame.num_users, 0), np.float32)
        for wide, found in missed.items():
            head = fit_event(frame, frame.events["long_view"], [*nothing.T], rows, tables, wide).model
            logit = head.logits(nothing, (frame.item, frame.user))
            found.append(excess(logit[rows], np.zeros(rows.sum())))
    assert np.mean(missed[True]) < np.mean(missed[False])


def moody(sd: float, visits: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Flags, logits and visits of 8 rows each whose shifts have this standard deviation."""
    rng = np.random.default_rng(seed)
    visit = np.repeat(np.arange(visits), 8)
    x = rng.normal(size=len(visit))
    logit = -0.3 + 0.8 * x + sd * rng.normal(size=visits)[visit]
    return (rng.random(len(visit)) < 1 / (1 + np.exp(-logit))).astype(float), x, visit


def test_moods_are_kept_where_visits_differ():
    by_chance = [
        choose_random_intercept(*moody(0.0, visits, seed=seed), 2.0).sd
        for visits in (20, 60)
        for seed in range(20)
    ]
    assert np.mean(np.array(by_chance) > 0) <= 0.1
    found = [choose_random_intercept(*moody(1.5, 60, seed=seed), 2.0).sd for seed in range(10)]
    assert np.mean(np.array(found) > 0.8) >= 0.8


@pytest.mark.parametrize("seed", [1, 3])
@pytest.mark.slow
def test_a_constant_rate_is_learnt(seed):
    world = fit(impressions(560, seed)[0], name="w", config=FitConfig(bootstrap=20), progress=False)
    assert world.params["mood"] == 0.0
    rows = {row["term"]: row["status"] for row in world.card["terms"]}
    assert rows["mood"] == "absent"
    figures = {row["figure"]: row for row in world.card["figures"]}
    for event in ("click", "long_view"):
        row = figures[f"log-loss of {event}"]
        assert row["world"] < row["toy"] + MARGIN, event
