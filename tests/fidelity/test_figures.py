"""The card: statistics against libraries and closed forms; a world judged on its own sample and on others."""

import dataclasses
import json
from functools import partial
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from card_figures import by_id
from sklearn.metrics import log_loss, roc_auc_score

from recgym.fidelity import TABLE, Verdict, figures, judge, judge_since
from recgym.fidelity.baselines import user_item_rates
from recgym.fidelity.boosted_trees import FOLDS, PRIOR, features, reference
from recgym.fidelity.calibration import (
    bins_of,
    calibration_error,
    calibration_gaps,
    calibration_slope,
    largest,
    total,
)
from recgym.fidelity.card_picture import gain, page
from recgym.fidelity.classifier_test import above_half, classifier
from recgym.fidelity.click_metrics import usual_choice
from recgym.fidelity.evaluation import Evaluation, LackingError
from recgym.fidelity.impression_metrics import _last_responses
from recgym.fidelity.indexed_log import align
from recgym.fidelity.leaving_metrics import MEASURES, survival
from recgym.fidelity.resampling import Resampling
from recgym.fit import FitConfig
from recgym.fit.api import judged
from recgym.logs import Log
from recgym.logs.fingerprint import identity, row_numbers
from recgym.logs.sample import sample_log
from recgym.logs.splits import dates, split_point, split_since, visit_days
from recgym.logs.visit_history import repeats, runs
from recgym.numerics import auc, auc_of_codes, log_losses
from recgym.sim.synthetic import synthetic


@pytest.fixture(scope="module")
def content():
    """A world, and the earlier and later part of a log sampled from it."""
    world = synthetic(1, domain="content", num_users=250, num_items=40).with_params(sigma=0.0, mood=0.8)
    log = sample_log(world, "random", 1_500, seed=5, horizon=40)
    return world, *split_since(log, "visit:900")


@pytest.fixture(scope="module")
def verdict(content):
    world, past, late = content
    return judge(world, late, past, resamples=60)


def named(verdict):
    return by_id(verdict.entries())


# statistics


def test_losses_and_areas_are_scikit_learns():
    rng = np.random.default_rng(0)
    chance = rng.integers(1, 20, 500) / 20
    flag = rng.random(500) < chance
    assert auc(flag, chance) == pytest.approx(roc_auc_score(flag, chance))
    weight = rng.integers(0, 4, 500).astype(float)
    code = np.unique(chance, return_inverse=True)[1]
    weighted = roc_auc_score(flag, chance, sample_weight=weight)
    assert auc_of_codes(flag, code, weight) == pytest.approx(weighted)
    assert log_losses(flag, chance).mean() == pytest.approx(log_loss(flag, chance))


def test_calibration_error_by_hand():
    chance = np.repeat([0.2, 0.8], 50)
    flag = np.r_[np.repeat([True, False], [20, 30]), np.repeat([True, False], [40, 10])]
    # two bins of 50: .4 - .2 and .8 - .8
    assert calibration_error(flag, chance, bins_of(chance, 2)) == pytest.approx(0.1)
    np.testing.assert_array_equal(np.bincount(bins_of(np.arange(31), 15)), [3] + [2] * 14)


def test_a_logit_twice_too_steep_has_slope_one_half():
    rng = np.random.default_rng(1)
    logit = rng.normal(size=200_000)
    flag = rng.random(200_000) < 1 / (1 + np.exp(-logit))
    bias, slope = calibration_slope(flag, 2 * logit)
    assert (bias, slope) == pytest.approx((0.0, 0.5), abs=0.02)


def test_intervals_and_noise_are_those_of_clusters():
    rng = np.random.default_rng(2)
    effect = rng.normal(size=400)
    cluster = np.repeat(np.arange(400), 5)
    value = effect[cluster] + 0.1 * rng.normal(size=2000)
    spread = Resampling(cluster, 2000, 0).of_ratio(value)
    error = effect.std() / np.sqrt(400)
    assert spread.high - spread.low == pytest.approx(2 * 1.96 * error, rel=0.1)
    # two halves of 200 clusters: the difference has twice the error of the whole
    assert spread.noise == pytest.approx(1.96 * 2 * error, rel=0.1)
    slow = Resampling(cluster, 200, 0).of(lambda w: float(np.average(value, weights=w)), 200)
    quick = Resampling(cluster, 200, 0).of_ratio(value)
    assert slow == pytest.approx(quick)


@pytest.mark.parametrize("size", [total, largest])
def test_intervals_of_distances_hold_the_true_one(size):
    rng, rows = np.random.default_rng(4), 400
    code = np.repeat(np.arange(10), rows // 10)
    chance = np.linspace(0.1, 0.9, 10)[code]
    for shift, least in ((0.0, 0.88), (0.02, 0.88), (0.1, 0.75)):
        error = shift * np.where(code % 2, -1.0, 1.0)
        truth = size(calibration_gaps(chance + error, chance, code, np.ones(rows)))
        inside, by_percentiles = [], []
        for _ in range(80):
            flag = rng.random(rows) < chance + error
            gaps = partial(calibration_gaps, flag, chance, code)
            draws = Resampling(np.arange(rows), 60, int(rng.integers(1 << 30)))
            spread, plain = draws.of_distance(gaps, size, 60), draws.of(lambda w, g=gaps: size(g(w)), 60)
            assert spread.low <= size(gaps(np.ones(rows))) <= spread.high
            inside.append(spread.low <= truth <= spread.high)
            by_percentiles.append(plain.low <= truth <= plain.high)
        assert np.mean(inside) >= least
        if shift < 0.1:
            assert (
                np.mean(by_percentiles) < 0.1
            )  # what it replaces: chance, counted twice, lies above the truth


def test_a_product_of_hazards_is_the_share_that_goes_on():
    lengths = np.random.default_rng(3).geometric(0.2, 3000)
    clock = np.concatenate([np.arange(1, n + 1) for n in lengths])
    left = np.concatenate([np.r_[np.zeros(n - 1), 1.0] for n in lengths])
    goes_on = survival(clock, left, np.ones(len(clock)))
    np.testing.assert_allclose(
        goes_on, [(lengths > t).mean() for t in range(1, lengths.max() + 1)], atol=1e-12
    )
    assert MEASURES["mean"](goes_on) == pytest.approx(lengths.mean())
    assert MEASURES["median"](goes_on) == np.median(lengths)
    assert MEASURES["90th percentile"](goes_on) == np.quantile(lengths, 0.9, method="inverted_cdf")


def test_runs_and_repeats_by_hand():
    visit = np.array([0, 0, 0, 0, 0, 1, 1])
    category, responded = np.array([1, 1, 2, 1, 1, 1, 1]), np.array([1, 1, 0, 1, 1, 1, 0], bool)
    np.testing.assert_array_equal(runs(visit, category, responded), [1, 2, 0, 3, 4, 1, 0])
    item = np.array([7, 7, 8, 9, 8, 7, 7])
    np.testing.assert_array_equal(repeats(visit, item, responded, 20), [0, 1, 0, 0, 0, 0, 1])
    np.testing.assert_array_equal(
        repeats(np.zeros(4, int), np.array([1, 2, 3, 1]), np.ones(4, bool), 2), [0] * 4
    )


def test_rows_after_three_responses_equal_a_loop(content):
    log = align(content[0], content[1])
    found = _last_responses(log, log.response)
    for row in np.random.default_rng(0).integers(len(found), size=300):
        before = np.flatnonzero(log.response[:row] & (log.visit[:row] == log.visit[row]))[-3:]
        expected = 0 if len(before) < 3 else 1 if len(set(log.category[before])) == 1 else 2
        assert found[row] == expected


# a world on its own sample


def test_every_group_is_judged_or_says_why_not(content, verdict):
    kinds = {group.name for group in TABLE if "impressions" in group.kinds}
    assert {entry["figures"] for entry in verdict.left_out} <= kinds
    assert {"auc/click", "auc/leaving", "rate/like", "length/mean"} <= set(named(verdict))
    assert {row.judges for name, row in named(verdict).items() if not name.startswith("free_")} == {"users"}
    json.dumps(verdict.entries(), allow_nan=False)


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
def test_another_world_is_found_out(content, monkeypatch):
    monkeypatch.setattr(figures, "TABLE", [group for group in TABLE if group.figures is not reference])
    world, past, late = content
    arrays = world.arrays
    other = world.with_arrays(item_bias=arrays.item_bias[::-1].copy(), event_bias=arrays.event_bias + 0.7)
    other = other.with_params(mood=0.0, leave_bias=world.params["leave_bias"] + 0.5)
    ours, theirs = (named(judge(w, late, past, resamples=40)) for w in (world, other))
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


def test_an_area_below_one_half_counts_like_one_above():
    assert [round(above_half(area), 3) for area in (0.33, 0.5, 0.67)] == [0.67, 0.5, 0.67]


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
    assert f"{missing} rows left out: their items have no row in the world" in found.remarks
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


@pytest.fixture(scope="module")
def shop():
    """A world and its clicks alone, as a shop logs them: what is not clicked is not there."""
    world = synthetic(2, domain="ecommerce", num_items=24, spread=2.0).with_params(
        sigma=0.0, mood=0.0, outside=-20.0
    )
    world = world.with_arrays(examine=np.ones(50))
    log = sample_log(world, one_page, 1_200, seed=1, slate_size=len(page_of(world, 0)), horizon=30)
    clicks = dataclasses.replace(
        log, rows=log.rows.filter(log.rows["click"]).drop_columns(["cart", "purchase"])
    )
    return world, *split_since(clicks, "visit:800")


def page_of(world, item):
    code = world.arrays.category * 100 + world.arrays.page
    return np.flatnonzero(code == code[item])


def one_page(engine):
    """The page of the most shown item, again and again: with no outside option every step has one click."""
    slate = np.tile(page_of(engine.world, 0), (engine.num, 1)).astype(np.int64)
    return slate, np.ones(slate.shape)


@pytest.mark.slow
def test_a_shop_is_judged_by_what_is_clicked_on_a_page(shop):
    world, past, late = shop
    assert isinstance(late, Log)
    verdict = judge(world, late, past, resamples=40)
    figures = named(verdict)
    loss = figures["page_log_loss"]
    assert loss.world < loss.baselines["Markov table"] + 0.01 < loss.baselines["popularity"] + 0.02
    for name in ("repeat_share", "page_top_share"):
        assert abs(figures[name].world - figures[name].log) < 1.5 * figures[name].noise, name
    assert figures["page_calibration_error"].world < 0.02
    why = {entry["figures"]: entry["why"] for entry in verdict.left_out}
    assert "navigation" in why["the clicked item over the catalogue"]
    pages = np.unique(world.arrays.category * 100 + world.arrays.page)
    way = {"reach": [0.0] * len(pages), "same_page": 30.0, "next_page": 0.0}
    over = named(judge(world.with_card(navigation=way), late, past, resamples=20))
    row = over["catalogue_log_loss"]
    assert row.judges == "logging policy"
    # turning to another page is as good as ruled out, so all but first clicks cost what they cost on the page
    assert row.world < loss.world + 0.6


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


# boosted trees


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


def test_no_trees_beat_the_world_that_made_the_log(content, verdict):
    figures = named(verdict)
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


def test_an_earlier_part_is_compared_on_the_pages_of_the_later_one():
    """Two pages, {0, 1} and {2, 3}; earlier 3 : 1 and 1 : 1, the later clicks turn to the first page twice as often."""
    past, later = np.array([0, 0, 0, 1, 2, 3]), np.array([1, 1, 2])
    case = SimpleNamespace(
        past=SimpleNamespace(item=past),
        log=SimpleNamespace(item=later),
        world=SimpleNamespace(num_items=4),
        options=SimpleNamespace(item=np.array([0, 1, 0, 1, 2, 3])),
    )
    usual = usual_choice(case, np.array([0, 0, 1, 1, 2, 2]))
    np.testing.assert_allclose(usual, np.array([0.75, 0.25, 0.75, 0.25, 0.5, 0.5]) / 3.0, atol=1e-8)
    case.past = None
    assert usual_choice(case, np.array([0])) is None
