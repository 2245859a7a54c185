"""The card: statistics against libraries and closed forms; a world judged on its own sample and on others."""

import dataclasses
import json

import numpy as np
import pytest
from card_figures import by_id

from recgym.fidelity import TABLE, figures, judge, judge_since
from recgym.fidelity.baselines import user_item_rates
from recgym.fidelity.boosted_trees import reference
from recgym.fidelity.card_picture import gain, page
from recgym.fidelity.classifier_test import classifier
from recgym.fidelity.evaluation import Evaluation, LackingError
from recgym.fidelity.figures import evaluation_of
from recgym.fidelity.free_running_metrics import classifiers
from recgym.fidelity.impression_metrics import _last_responses
from recgym.fidelity.indexed_log import align
from recgym.logs.fingerprint import identity, row_numbers
from recgym.logs.sample import sample_log
from recgym.logs.splits import split_point, split_since
from recgym.numerics import log_losses
from recgym.sim.synthetic import synthetic


def named(verdict):
    return by_id(verdict.entries())


def test_rows_after_three_responses_equal_a_loop(content):
    log = align(content[0], content[1])
    found = _last_responses(log, log.response)
    for row in np.random.default_rng(0).integers(len(found), size=300):
        before = np.flatnonzero(log.response[:row] & (log.visit[:row] == log.visit[row]))[-3:]
        expected = 0 if len(before) < 3 else 1 if len(set(log.category[before])) == 1 else 2
        assert found[row] == expected


# a world on its own sample


@pytest.mark.slow
def test_every_group_is_judged_or_says_why_not(content, verdict):
    kinds = {group.name for group in TABLE if "impressions" in group.kinds}
    assert {entry["figures"] for entry in verdict.left_out} <= kinds
    assert {"auc/click", "auc/leaving", "rate/like", "length/mean"} <= set(named(verdict))
    assert {row.judges for name, row in named(verdict).items() if not name.startswith("free_")} == {"users"}
    json.dumps(verdict.entries(), allow_nan=False)


@pytest.mark.slow
def test_a_world_passes_on_its_own_sample(content, verdict):
    _world, *_ = content
    rows = [row for row in named(verdict).values() if row.log is not None and row.noise]
    rows = [row for row in rows if not row.id.startswith("free_")]  # the log's policy is not the world's
    assert len(rows) > 40
    far = [row.id for row in rows if abs(row.world - row.log) > 1.5 * row.noise]
    assert not far
    inside = np.mean([row.low <= row.world <= row.high for row in rows])
    assert inside > 0.8
    figures = named(verdict)
    for name in ("click", "long_view"):
        loss, area = figures[f"log_loss/{name}"], figures[f"auc/{name}"]
        assert loss.world < min(loss.baselines.values())
        assert area.world > max(area.baselines.values())
        assert figures[f"calibration_slope/{name}"].world == pytest.approx(1.0, abs=0.12)
        assert figures[f"calibration_error/{name}"].world < 0.03
    separation = figures["classifier_auc"]
    assert separation.world < 0.56
    assert separation.baseline > separation.world + 0.05


@pytest.mark.slow
def test_another_world_is_found_out(content, verdict, monkeypatch):
    monkeypatch.setattr(figures, "TABLE", [group for group in TABLE if group.figures is not reference])
    world, past, late = content
    arrays = world.arrays
    other = world.with_arrays(item_bias=arrays.item_bias[::-1].copy(), event_bias=arrays.event_bias + 0.7)
    other = other.with_params(mood=0.0, leave_bias=world.params["leave_bias"] + 0.5)
    ours, theirs = named(verdict), named(judge(other, late, past, resamples=40))
    for name in ("rate/like", "leaving_rate", "length/mean"):
        assert not theirs[name].low <= theirs[name].world <= theirs[name].high, name
    assert theirs["log_loss/click"].world > ours["log_loss/click"].world + 0.01
    gap = [abs(f["autocorrelation/click"].world -
               f["autocorrelation/click"].log) for f in (ours, theirs)]  # fmt: skip
    assert gap[1] > gap[0] + 0.02
    area = "classifier_auc"
    assert theirs[area].world > ours[area].world + 0.05


@pytest.mark.slow
def test_few_users_do_not_give_away_which_half_they_are_of():
    world = synthetic(3, domain="content", num_users=40, num_items=30).with_params(sigma=0.0, mood=0.5)
    log = sample_log(world, "random", 500, seed=2, horizon=30)
    case = Evaluation(world, align(world, log), None, "impressions", 20, 0)
    assert not case.log.by_user
    row = classifier(case)[0]
    assert row.world < 0.55
    assert min(row.low, row.world, row.noise) >= 0.5
    assert row.low <= row.world <= row.high


@pytest.mark.slow
def test_judging_twice_gives_the_same(content, verdict):
    world, past, late = content
    assert judge(world, late, past, resamples=60).entries() == verdict.entries()


def test_the_additive_baseline_uses_users_and_items(content):
    world, *_ = content
    flat = world.with_arrays(
        factors=np.zeros_like(world.arrays.factors), push=np.zeros_like(world.arrays.push)
    )
    flat = flat.with_params(mood=0.0, kappa=0.0, rho=0.0)
    log = sample_log(flat, "random", 3_000, seed=9, horizon=40)
    early, later = (align(flat, part) for part in split_since(log, "visit:2400"))
    toy = user_item_rates(early, later, "click")
    case = Evaluation(flat, later, early, "impressions", 20, 0)
    truth = case.chance("click")
    assert np.corrcoef(toy, truth)[0, 1] > 0.75
    assert log_losses(later.response, toy).mean() < log_losses(later.response, truth).mean() + 0.02


# logs and worlds that do not fit together


def test_users_of_another_table_are_unknown(content):
    world, _, late = content
    rows = np.arange(world.num_users), np.arange(world.num_items)
    own = world.with_card(identity=identity(late, *rows))
    users = late.users.set_column(0, "id", [[f"other {i}" for i in range(late.num_users)]])
    other = dataclasses.replace(late, users=users)
    found = align(own, other)
    assert (found.visits.user == -1).all()
    assert "users that the world does not know" in found.remarks[0]
    assert (align(own, late).visits.user == align(world, late).visits.user).all()
    np.testing.assert_array_equal(row_numbers(own.card["identity"]["item_rows"]), rows[1])


def test_items_without_a_row_are_counted(content):
    world, _, late = content
    found = align(world.subset(30), late)
    missing = int((late.column("item") >= 30).sum())
    assert missing > 0
    assert (
        f"{missing:,} of {late.num_rows:,} rows left out: their items have no row in the world"
        in found.remarks
    )
    assert len(found.step) == late.num_rows - missing


def test_a_log_of_other_items_is_refused_in_one_line(content):
    world, _, late = content
    source = dataclasses.replace(late.source, name="somebody's log")
    strange = dataclasses.replace(late, source=source, indexed_by=None)
    with pytest.raises(
        ValueError, match=f"the log's items are not those that world {world.name} was fitted on"
    ):
        judge(world, strange)
    with pytest.raises(ValueError, match="the log is of domain social, world synthetic-1 of content"):
        judge(world, sample_log(synthetic(1, domain="social"), sessions=5))


@pytest.mark.slow
def test_the_verdict_names_what_a_small_log_lacks(content):
    world, _, late = content
    starts = late.session_starts()
    few = dataclasses.replace(late, rows=late.rows.slice(0, int(starts[40])))
    verdict = judge(world, few, resamples=20)
    why = {entry["figures"]: entry["why"] for entry in verdict.left_out}
    assert why["real or simulated"] == "fewer than 500 rows: too few for a classifier test"
    assert "users have 3 rows" in why["variance between users"]


def test_a_log_is_cut_where_its_late_visits_begin(content, monkeypatch):
    monkeypatch.setattr(figures, "TABLE", ())
    world, past, late = content
    log = sample_log(world, "random", 1_500, seed=5, horizon=40)
    chosen = np.arange(log.num_sessions) >= 900
    assert split_point(log, chosen) == "visit:900"
    assert (past.num_sessions, late.num_sessions) == (900, 600)
    assert split_point(log, np.arange(log.num_sessions) % 2 == 0) is None
    for since, what in (
        ("lately", "since is 'lately'"),
        ("visit:99999", "the log has no visit from then on"),
    ):
        with pytest.raises(ValueError, match=what):
            split_since(log, since)
    with pytest.raises(ValueError, match="the log has no dates"):
        split_since(log, "2022-04-30")
    assert judge_since(world, late, resamples=20).remarks == [f"{late.num_rows:,} rows of 600 visits"]


# a shop, and the picture


@pytest.mark.slow
def test_the_page_of_pictures_is_drawn_from_the_card_alone(content, verdict):
    world = content[0].with_card(**verdict.entries())
    data = page(world)
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert page(world) == data
    assert len(json.dumps(verdict.entries())) < 60_000
    for metric, sign in (("log_loss", -1), ("auc", 1)):
        own, trees = named(verdict)[f"{metric}/click"], named(verdict)[f"trees_{metric}_gain/click"]
        assert gain(own, own.world) == pytest.approx(sign * (own.world - own.baseline))
        assert [gain(trees, value) for value in (trees.low, trees.world)] == [trees.low, trees.world]
    with pytest.raises(ValueError, match="has no figures to draw"):
        page(content[0].with_card(figures=[]))


@pytest.mark.parametrize("has_past", [False, True])
def test_one_long_visit_is_judged_without_classifiers(content, has_past):
    world, past, _ = content
    log = sample_log(world.with_params(leave_bias=-30.0), sessions=1, seed=2, horizon=600)
    verdict = judge(world, log, past if has_past else None, resamples=20, visits=30)
    why = {entry["figures"]: entry["why"] for entry in verdict.left_out}
    assert why["real or simulated"] == "fewer than 5 visits: too few for a classifier test"
    found = by_id(verdict.entries())
    assert (found["log_loss/click"].baseline is None) != has_past
    assert ("trees_auc_gain/click" in found) == has_past


def test_few_long_visits_have_no_halves_to_tell_apart(content):
    world, past, _ = content
    log = sample_log(world.with_params(leave_bias=-30.0), sessions=5, seed=2, horizon=120)
    evaluation, _ = evaluation_of(world, log, past, 20, 0, 100)
    with pytest.raises(
        LackingError, match="fewer than 6 visits: too few for a classifier test of two halves"
    ):
        classifiers(evaluation)
