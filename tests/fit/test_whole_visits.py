"""Visits of a feed that follow without pauses are whole: lengths, leaving and repeats of items are those of the log."""

import numpy as np
import pandas as pd
import pytest
import torch

from recgym.fit import FitConfig
from recgym.fit.dataset import make_dataset
from recgym.fit.logging_terms import blocks_of, fit_again
from recgym.fit.recipe_impressions import fit_impressions
from recgym.logs import Log
from recgym.logs.whole_visits import shows_whole_visits

CONFIG = FitConfig(dim=2, steps=10)


def feed(visits=900, again=1.0, pause=30, idle=0.0, seed=0):
    """Frame of visits of 60 users: at least three rows each, then they end by 1 in 5, more often without a click."""
    rng = np.random.default_rng(seed)
    share = np.arange(1, 41) ** -0.8
    rows = []
    for visit in range(visits):
        shown = np.zeros(40, bool)
        user, time = int(rng.integers(60)), 1_600_000_000 + 9_000 * visit
        for step in range(200):
            weight = share * np.where(shown, again, 1.0)
            item = int(rng.choice(40, p=weight / weight.sum()))
            shown[item] = True
            click = rng.random() < 0.4
            rows.append((user, visit, item, time + pause * step, int(click), f"c{item % 4}"))
            if step >= 2 and rng.random() < 0.2 + idle * (not click):
                break
    frame = pd.DataFrame(rows, columns=["user", "session", "item", "time", "click", "category"])
    return frame.assign(time=pd.to_datetime(frame["time"], unit="s"))


def log_of(frame):
    return Log.from_pandas(frame, domain="content")


@pytest.fixture(scope="module")
def world():
    return fit_impressions(log_of(feed(idle=0.15)), "w", CONFIG, 0, torch.device("cpu"), lambda *_: None)


def test_pauses_ratings_and_missing_times_are_no_whole_visits():
    frame = feed(60)
    assert shows_whole_visits(log_of(frame))
    assert not shows_whole_visits(log_of(feed(60, pause=2_000)))  # rows of days, or the sample of a feed
    assert not shows_whole_visits(log_of(frame.drop(columns="time")))
    assert not shows_whole_visits(log_of(frame.assign(time=frame["time"].dt.floor("D"))))
    assert not shows_whole_visits(log_of(frame.drop(columns="click").assign(rating=1 + 4 * frame["click"])))


def test_users_of_a_feed_leave_as_those_of_its_log(world):
    terms = {row["term"]: row for row in world.card["terms"]}
    assert terms["leave_bias"]["status"] == terms["leave_idle"]["status"] == "fitted"
    hazard = 1 / (1 + np.exp(-world.params["leave_bias"] - world.arrays.leave_time[:6]))
    assert hazard[:2].max() < 0.05
    assert hazard[2:].mean() == pytest.approx(0.2, abs=0.06)
    idle = 1 / (
        1 + np.exp(-world.params["leave_bias"] - world.arrays.leave_time[3] - world.params["leave_idle"])
    )
    assert idle == pytest.approx(0.35, abs=0.08)


@pytest.mark.parametrize("again", [0.0, 0.3, 1.0])
def test_items_come_again_as_often_as_in_the_log(again):
    log = log_of(feed(500, again=max(again, 1e-9), seed=4))
    dataset = make_dataset(log, CONFIG, positives_only=False)
    found = fit_again(blocks_of(dataset, dataset.known), dataset.items.exposure, 0.0)
    assert found == pytest.approx(again, abs=0.08 if again else 1e-12)
