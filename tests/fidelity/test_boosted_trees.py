"""Boosted trees beside a world: what they read, and that they do not beat the world that made the log."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
from card_figures import by_id

from recgym.fidelity import Verdict, judge_since
from recgym.fidelity.boosted_trees import FOLDS, PRIOR, features, reference
from recgym.fidelity.evaluation import Evaluation, LackingError
from recgym.fidelity.indexed_log import align
from recgym.fit import FitConfig
from recgym.fit.api import judged
from recgym.logs.fingerprint import identity
from recgym.logs.splits import dates, visit_days


@pytest.fixture(scope="module")
def tables(content):
    """Both parts aligned, and the trees' table of the earlier and of the later rows."""
    world, past, late = content
    known, asked = align(world, past), align(world, late)
    fold = np.random.default_rng(0).permutation(past.num_sessions)[known.visit] % FOLDS
    return known, asked, fold, features(world, known, known, fold), features(world, known, asked, None)


def rates_of_trees(events):
    """Columns of the rates of users, of items and of users in a category, before those of earlier steps."""
    return slice(-(3 * events + 4) - 3 * (1 + events), -(3 * events + 4))


def test_trees_see_nothing_of_the_row_or_of_what_comes_after(content, tables):
    world, *_ = content
    known, asked, fold, mine, theirs = tables
    row = int(np.flatnonzero(asked.clock == 2)[50])
    later = np.arange(len(asked.step)) >= row
    events = {name: np.where(later, ~flag, flag) for name, flag in asked.events.items()}
    changed = features(world, known, dataclasses.replace(asked, events=events), None)
    np.testing.assert_array_equal(changed[: row + 1], theirs[: row + 1])
    assert not np.array_equal(changed, theirs)
    same = fold == fold[row]
    events = {name: np.where(same, ~flag, flag) for name, flag in known.events.items()}
    turned = dataclasses.replace(known, events=events)
    rates = rates_of_trees(len(events))
    mean = {name: flag.mean() for name, flag in events.items()}
    prior = np.tile([0.0, *(mean[name] - known.events[name].mean() for name in events)], 3)
    gap = features(world, turned, turned, fold)[same][:, rates] - mine[same][:, rates]
    rows = mine[same][:, rates][:, np.repeat(np.arange(3) * (1 + len(events)), 1 + len(events))]
    np.testing.assert_allclose(gap, PRIOR * prior / (rows + PRIOR), atol=1e-9)  # the general rate alone moved


def test_rates_of_trees_by_hand(tables):
    known, asked, *_, theirs = tables
    rng, flag = np.random.default_rng(0), known.events["click"]
    for row in rng.integers(len(asked.step), size=50):
        mine = known.user == asked.user[row]
        expected = (flag[mine].sum() + PRIOR * flag.mean()) / (mine.sum() + PRIOR)
        found = theirs[row, rates_of_trees(len(asked.events))]
        assert found[:2] == pytest.approx([mine.sum(), expected])


@pytest.mark.slow
def test_no_trees_beat_the_world_that_made_the_log(content, verdict):
    figures = by_id(verdict.entries())
    for name in ("click", "long_view"):
        for metric, sign in (("auc", 1), ("log_loss", -1)):
            row = figures[f"trees_{metric}_gain/{name}"]
            assert row.world > 0
            assert row.low < row.world < row.high
            own = figures[f"{metric}/{name}"]
            assert abs(own.world - row.baseline) == pytest.approx(row.world, abs=1e-4)
            # a strong reference: better than the rates of items
            assert (row.baseline - own.baselines["item rates"]) * sign > 0
    world, past, late = content
    few = dataclasses.replace(past, rows=past.rows.slice(0, 400))
    case = Evaluation(world, align(world, late), align(world, few), "impressions", 20, 0)
    with pytest.raises(LackingError, match="fewer than 500 rows for the trees to learn from"):
        reference(case)


def test_baselines_are_trained_on_the_training_rows_of_the_world(content, monkeypatch):
    world, past, _ = content
    day = np.repeat(np.arange(9), 100)[past.column("session")]  # nine days of a hundred visits
    place = past.rows.schema.get_field_index("time")
    time = pa.array(1_651_000_000_000 + 86_400_000 * day)
    dated = dataclasses.replace(past, rows=past.rows.set_column(place, "time", time))
    own = world.with_card(identity=identity(dated, np.arange(world.num_users), np.arange(world.num_items)))
    asked = []

    def judge(world, late, past, **_):
        asked.append((past.num_sessions, late.num_sessions))
        return Verdict([], [], {}, [])

    monkeypatch.setattr("recgym.fit.api.judge", judge)
    monkeypatch.setattr("recgym.fidelity.later_days.judge", judge)
    days = np.unique(dates(visit_days(dated)))
    fitted = judged(own, dated, FitConfig(period=(days[2], days[7])))
    judge_since(fitted, dated)
    judge_since(fitted, dated, days[7])  # asked for: everything before it
    assert asked == [(500, 200), (500, 200), (700, 200)]
