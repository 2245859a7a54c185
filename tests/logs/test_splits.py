"""Splits of a log at a day, and samples of a large one, by whole users or whole visits."""

import numpy as np
import pandas as pd
import pytest

from recgym.fidelity import boosted_trees, figures, judge
from recgym.fidelity.indexed_log import align
from recgym.logs import Log
from recgym.logs.sample import sample_log
from recgym.logs.splits import dates, select_visits, split_since, subsample, visit_days
from recgym.sim.synthetic import synthetic


def log_of(users: int, visits: int = 900):
    world = synthetic(2, domain="content", num_users=users, num_items=12, num_factors=2)
    return world, sample_log(world, "random", visits, seed=3, horizon=6)


def lengths(log):
    starts = log.session_starts()
    return dict(
        zip(log.column("session")[starts].tolist(), np.diff(np.r_[starts, len(log)]).tolist(), strict=True)
    )


@pytest.mark.parametrize("users", [20, 400])
def test_samples_have_whole_visits_and_whole_users_of_many(users):
    _, log = log_of(users)
    few = subsample(log, len(log) // 3)
    assert len(few) == pytest.approx(len(log) / 3, rel=0.15)
    before, after = lengths(log), lengths(few)
    assert all(before[session] == length for session, length in after.items())
    left_out = ~np.isin(log.column("session"), list(after))
    torn = np.intersect1d(few.column("user"), log.column("user")[left_out])  # some visits kept, others not
    assert (len(torn) > 0) == (users < 200)
    assert lengths(subsample(log, len(log) // 3)) == after
    assert lengths(subsample(log, len(log) // 3, seed=1)) != after
    assert subsample(log, len(log)) is log


def test_a_larger_sample_holds_the_users_of_a_smaller_one():
    _, log = log_of(400, 2_400)
    early = np.arange(log.num_sessions) < 1_200
    past, late = select_visits(log, early), select_visits(log, ~early)
    judged, known = subsample(late, len(late) // 5), subsample(past, len(past) // 3)
    met_before = np.intersect1d(judged.column("user"), past.column("user"))
    assert len(met_before) > 10
    assert np.isin(met_before, known.column("user")).all()


def test_a_card_states_the_number_of_judged_visits(monkeypatch):
    world, log = log_of(20)
    monkeypatch.setattr(figures, "MAX_JUDGED", 400)
    monkeypatch.setattr(figures, "MAX_PAST", 300)
    few = subsample(log, 400)
    verdict = judge(world, log, log, resamples=20)
    assert f"judged on {few.num_sessions} of 900 visits, drawn at random" in verdict.remarks
    assert any(remark.startswith("baselines trained on") for remark in verdict.remarks)
    assert max(figure["n"] for figure in verdict.figures) <= 2 * len(few)


@pytest.mark.slow
def test_trees_are_fitted_on_the_latest_rows(monkeypatch):
    world, log = log_of(400, 2_400)
    early = np.arange(log.num_sessions) < 2_000
    past, late = align(world, select_visits(log, early)), align(world, select_visits(log, ~early))
    whole = boosted_trees.boosted(world, past, late, "click")
    monkeypatch.setattr(boosted_trees, "MAX_TRAINING_ROWS", 900)  # fewer than the last tenth
    chance = boosted_trees.boosted(world, past, late, "click")
    assert 0.2 < np.corrcoef(chance, whole)[0, 1] < 0.999


@pytest.mark.parametrize("form", ["2022-12-15", "20221215", "2022-W50-4"])
def test_a_log_is_cut_at_a_day_in_any_form_of_iso_8601(form):
    times = pd.date_range("2022-11-01 03:00", "2023-02-28", freq="D")
    frame = pd.DataFrame(
        {"user": np.arange(len(times)) % 7, "item": np.arange(len(times)) % 5, "time": times}
    )
    past, late = (
        dates(visit_days(part)) for part in split_since(Log.from_pandas(frame, domain="social"), form)
    )
    assert (max(past), min(late)) == ("2022-12-14", "2022-12-15")


@pytest.mark.parametrize("since", ["ms:x", "visit:", "visit:-1", "ms:nan", "ms:1e9"])
def test_a_time_or_visit_that_is_no_number_is_refused(since):
    _, log = log_of(20)
    with pytest.raises(ValueError, match=r"^since is .+: after (ms|visit): there must be a whole number$"):
        split_since(log, since)


@pytest.mark.parametrize("since", ["2022-12-15T12:00", "2022-12-15 00:00", "20221232", "", None, 20221215])
def test_another_text_than_a_day_is_refused_in_one_line(since):
    _, log = log_of(20)
    with pytest.raises(ValueError, match=r"^since is .+, expected a day such as 2022-04-29$"):
        split_since(log, since)
