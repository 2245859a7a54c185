"""The free-running world: judged on a log of its own it passes; altered in one thing, the right figure finds it."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
from card_figures import by_id

from recgym.fidelity import figures, judge
from recgym.fidelity.classifier_test import constant_world
from recgym.fidelity.evaluation import Evaluation
from recgym.fidelity.figures import evaluation_of
from recgym.fidelity.free_run import Shape
from recgym.fidelity.free_running import Form, baseline_visits, simulated_visits
from recgym.fidelity.free_running_metrics import statistics
from recgym.fidelity.impression_metrics import rates_by_context
from recgym.fidelity.indexed_log import align
from recgym.logs.kinds import IMPRESSIONS
from recgym.logs.sample import sample_log
from recgym.logs.splits import split_since
from recgym.sim.free_visits import page_sizes, whole_pages
from recgym.sim.logging_policy import LoggedPolicy
from recgym.sim.synthetic import synthetic

VISITS = 4_000
DISTANCES = {"free_length_distance", "free_responses_distance", "free_popularity_distance",
             "free_transition_distance"}  # fmt: skip


@pytest.fixture(scope="module")
def content():
    """A world, and the earlier and later part of a log of its logging policy."""
    world = synthetic(1, domain="content", num_users=250, num_items=40).with_params(mood=0.8)
    return world, *split_since(sample_log(world, "logged", 3_000, seed=5, horizon=40), "visit:1500")


@pytest.fixture(scope="module", autouse=True)
def headline():
    """The free-running groups alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "TABLE", [group for group in figures.TABLE if "free-running" in group.name])
        yield


@pytest.fixture
def without_classifiers(monkeypatch):
    monkeypatch.setattr(figures, "TABLE", figures.TABLE[:1])


def judged(world, late, past, **options):
    return by_id(judge(world, late, past, visits=VISITS, resamples=60, **options).entries())


@pytest.fixture(scope="module")
def own(content):
    world, past, late = content
    return judged(world, late, past)


def level_figures(found):
    return [row for row in found.values() if row.log is not None and row.noise]


@pytest.mark.slow
def test_a_world_passes_on_a_log_of_its_own(own):
    rows = level_figures(own)
    assert len(rows) > 20
    assert not [row.id for row in rows if abs(row.world - row.log) > 1.2 * row.noise]
    assert np.mean([row.low <= row.world <= row.high for row in rows]) > 0.8
    for name in DISTANCES:
        assert own[name].world < own[name].noise, name
    for name in ("rows, common lengths", "visits, common lengths", "rows", "visits"):
        row = own[f"free_classifier/{name}"]
        assert row.world < 0.54, name
        assert row.noise < 0.56, name
        assert row.baseline > 0.6, name


@pytest.mark.slow
def test_the_headline_comes_first_and_says_what_it_judges(own):
    assert figures.TABLE[0].name == "free-running visits"
    assert own["free_rate/click"].judges == "users"
    assert own["free_gini"].judges == "logging policy"
    assert own["free_classifier/rows"].judges == "users and logging policy"


def params_of(world, **changes):
    return world.with_params(**{name: world.params[name] + by for name, by in changes.items()})


@pytest.mark.slow
@pytest.mark.usefixtures("without_classifiers")
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda w: params_of(w, leave_bias=0.7), {"free_length/mean", "free_length_distance"}),
        (lambda w: w.with_params(mood=0.0), {"free_spread", "free_neighbours"}),
        (lambda w: w.with_arrays(exposure=np.full(40, 1 / 40)), {"free_gini", "free_popularity_distance"}),
        (lambda w: w.with_arrays(logged_stay=np.zeros(1)), {"free_same_category", "free_transition_distance"}),
        (lambda w: w.with_arrays(event_bias=w.arrays.event_bias + np.r_[0, 0, 0.5, np.zeros(4)]), {"free_rate/like"}),
    ],
    ids=["leaving", "random intercept", "popularity", "navigation", "likes"],
)  # fmt: skip
def test_a_world_altered_in_one_thing_is_found_by_its_figure(content, own, change, expected):
    world, past, late = content
    found = judged(change(world), late, past)
    for name in expected:
        row = found[name]
        if name in DISTANCES:
            assert row.world > row.noise > own[name].world, name
        else:
            assert not row.low <= row.world <= row.high, name
            assert abs(row.world - row.log) > 2 * abs(own[name].world - row.log), name
    untouched = {"free_rate/follow", "free_rate/hate"}
    assert not [
        name for name in untouched if abs(found[name].world - found[name].log) > 1.5 * found[name].noise
    ]


@pytest.mark.slow
def test_a_classifier_of_common_lengths_sees_no_length(content):
    world, past, late = content
    found = judged(params_of(world.with_params(mood=0.0), leave_bias=1.2), late, past)
    assert (
        found["free_classifier/visits"].world > found["free_classifier/visits, common lengths"].world + 0.05
    )


# a shop's clicks


@pytest.fixture(scope="module")
def shop():
    """A world, and its clicks on whole pages under its logging policy; a step without a click is not logged."""
    world = synthetic(2, domain="ecommerce", num_items=24, spread=2.0).with_params(outside=-1.0)
    world = world.with_arrays(examine=np.ones(50))
    size, policy = page_sizes(world), LoggedPolicy(world)

    def on_pages(engine):
        slates, propensity = policy(engine)
        return whole_pages(slates, size), propensity

    log = sample_log(world, on_pages, 2_400, seed=1, slate_size=int(size.max()), horizon=60)
    clicks = log.rows.filter(log.rows["click"]).drop_columns(["cart", "purchase"])
    return world, *split_since(dataclasses.replace(log, rows=clicks), "visit:1200")


def test_a_slate_of_a_page_has_its_items_and_empty_positions():
    world = synthetic(2, domain="ecommerce", num_items=24)
    size = page_sizes(world)
    form = Form(int(size.max()), 30, ("click",), responses_only=False, pages=True)
    visits = simulated_visits(world, form, 40, 0)
    category_page = world.arrays.category * 100 + world.arrays.page
    step = visits.visit * 100 + visits.place
    for each in np.unique(step):
        shown = visits.item[step == each]
        assert set(shown) == set(np.flatnonzero(category_page == category_page[shown[0]]))
        assert len(set(shown)) == size[shown[0]]
        assert (shown[size[shown[0]] :] == shown[0]).all()


@pytest.mark.slow
def test_a_shop_passes_on_clicks_of_its_own(shop):
    world, past, late = shop
    found = judged(world, late, past)
    assert not [row.id for row in level_figures(found) if abs(row.world - row.log) > 1.2 * row.noise]
    assert not {name for name in found if name.startswith("free_rate")}
    assert found["free_repeats"].log > 0.05
    assert found["free_responding"].log == 1.0 > found["free_responding"].world > 0.7
    for name in ("rows, common lengths", "visits, common lengths", "visits"):
        assert found[f"free_classifier/{name}"].world < 0.55, name


@pytest.mark.slow
@pytest.mark.usefixtures("without_classifiers")
def test_a_shop_without_repeats_is_found_out(shop):
    world, past, late = shop
    found = judged(world.with_params(rho=-20.0), late, past)
    assert found["free_repeats"].world < found["free_repeats"].low


# draws


def test_every_visit_is_played_to_its_end():
    world = synthetic(1, domain="content", num_users=30, num_items=20)
    form = Form(1, 25, ("click", "like"), responses_only=False, pages=False)
    visits = simulated_visits(world, form, 1_203, 4)
    assert visits.num == 1_203
    np.testing.assert_array_equal(np.bincount(visits.visit), visits.length)  # a row a step, without a hole
    logged = align(world, sample_log(world, "logged", 3_000, seed=9, horizon=25))
    log_lengths = np.diff(logged.visits.begin)
    error = np.hypot(log_lengths.std() / 3_000**0.5, visits.length.std() / 1_203**0.5)
    assert visits.length.mean() == pytest.approx(log_lengths.mean(), abs=4 * error)
    assert visits.length.max() == log_lengths.max() == 25
    again = simulated_visits(world, form, 1_203, 4)
    np.testing.assert_array_equal(visits.item, again.item)


def test_the_baseline_has_the_rates_of_the_known_visits(content):
    world, past, late = content
    free = Evaluation(world, align(world, late), align(world, past), "impressions", 20, 0, visits=6_000).free
    visits = baseline_visits(free.known, free.form, 6_000, 0)
    assert visits.num == 6_000
    assert visits.length.mean() == pytest.approx(free.known.length.mean(), rel=0.05)
    for name, flag in free.known.events.items():
        assert visits.events[name].mean() == pytest.approx(flag.mean(), abs=0.006), name
    bits = [
        np.stack(list(part.events.values()), axis=1) @ (1 << np.arange(7)) for part in (free.known, visits)
    ]
    assert set(bits[1]) <= set(bits[0])  # the events of a row stay together


def test_draws_are_bounded_by_the_log(content):
    world, _, late = content
    few = dataclasses.replace(late, rows=late.rows.slice(0, int(late.session_starts()[30])))
    case = Evaluation(world, align(world, few), None, "impressions", 20, 0)
    assert case.free.count == 600
    assert case.free.drawn.num == 600
    assert Evaluation(world, align(world, late), None, "impressions", 20, 0, visits=70).free.logged.num == 70


def test_an_environment_has_slates_and_a_horizon_of_its_own(content):
    world, past, late = content
    case = Evaluation(world, align(world, late), align(world, past), "impressions", 20, 0, shape=Shape(6, 5))
    drawn = case.free.drawn
    assert drawn.length.max() == 5
    np.testing.assert_array_equal(np.bincount(drawn.visit), 6 * drawn.length)
    found = judge(world, late, past, visits=200, resamples=20, shape=Shape(1, 5))
    assert {row["id"].partition("_")[0] for row in found.figures} == {
        "free"
    }  # one step ahead it is the world
    lengths = by_id(found.entries())["free_length/99th percentile"]
    assert lengths.world == 5.0 < lengths.log


def test_drawn_visits_have_the_contexts_of_the_log(content):
    world, past, _ = content
    evening = world.with_arrays(context_cdf=np.clip((np.arange(24) - 17) / 6, 0.0, 1.0))
    late = sample_log(evening, "logged", 100, seed=6, horizon=5)
    free = Evaluation(world, align(world, late), align(world, past), "impressions", 20, 0, visits=2_000).free
    share = np.bincount(free.logged.context, minlength=24) / free.logged.num
    assert share[:18].max() == 0.0
    for table in (free.drawn, free.baseline):
        np.testing.assert_allclose(np.bincount(table.context, minlength=24) / table.num, share, atol=0.04)


@pytest.mark.usefixtures("without_classifiers")
def test_figures_of_pairs_count_the_visits_that_have_one(content):
    world, past, late = content
    pairs = {"free_spread", "free_neighbours", "free_same_category", "free_transition_distance"}
    step, visit = late.column("step"), late.column("session") - late.column("session").min()
    long = np.unique(visit[step == 1])
    for count in (19, 25):
        few = late.rows.filter(pa.array((step == 0) | np.isin(visit, long[:count])))
        found = by_id(
            judge(world, dataclasses.replace(late, rows=few), past, visits=1_500, resamples=20).entries()
        )
        assert {name: found[name].n for name in pairs & set(found)} == dict.fromkeys(
            pairs if count > 19 else (), count
        )
        assert found["free_length/mean"].n == 1500


def test_a_log_of_slates_is_judged_by_its_rates_at_each_position():
    world = synthetic(1, domain="content", num_users=30, num_items=12)
    world = world.with_arrays(examine=np.r_[1.0, 0.2, np.full(48, 0.5)])
    log = sample_log(world, "random", 900, seed=5, slate_size=2, horizon=2)
    evaluation = Evaluation(world, align(world, log), None, IMPRESSIONS, 20, 0, visits=2_000)
    found = {row.id: row for row in statistics(evaluation)}
    first, second = (found[f"free_rate_position/click/{t}"] for t in (1, 2))
    assert second.log < 0.4 * first.log
    assert abs(first.world - first.log) < 0.05
    assert abs(second.world - second.log) < 0.05
    shown = {row.id: row for row in rates_by_context(evaluation)}  # users who see the log's own slates
    for k in (1, 2):
        row = shown[f"context_rate/click/position {k}"]
        assert row.log == pytest.approx(found[f"free_rate_position/click/{k}"].log)
        assert abs(row.world - row.log) < 0.03
    flat = constant_world(evaluation)
    assert (flat.arrays.examine == 1.0).all()


def test_slates_of_more_positions_than_the_world_has_are_judged():
    world = synthetic(1, domain="content", num_users=30, num_items=12)
    log = sample_log(world, "random", 300, seed=5, slate_size=3, horizon=2)
    short = world.with_arrays(examine=np.array([1.0, 0.5]))
    found = evaluation_of(short, log, None, 20, 0, 500)[0]
    assert found.world.arrays.examine.tolist() == [1.0, 0.5, 0.5]
    assert found.forecast.chance.max() <= 1.0
