"""Logs of many rows: passes are in blocks with the results of one pass, and make few bytes a row."""

import tracemalloc

import numpy as np
import pyarrow as pa
import pytest

from recgym.fit import FitConfig, event_models, logging_terms, logistic, streaks
from recgym.fit.additive import Additive, place_matters
from recgym.fit.dataset import make_dataset
from recgym.fit.hazard_baseline import FOLDS, WEIGHTS, _best_weight, rates
from recgym.fit.leaving_model import hazard_rows, take
from recgym.fit.logging_terms import blocks_of, fit_stay, terms_of_impressions
from recgym.fit.logistic import Side, fit_logistic
from recgym.fit.streaks import earlier_sums
from recgym.logs import Log
from recgym.logs.columns import Source
from recgym.logs.splits import LogPart, rows_of, select_visits, subsample

VISITS, LENGTH = 3_000, 10


@pytest.fixture(scope="module")
def log() -> Log:
    """VISITS visits of LENGTH rows, of 300 users; columns that are not read are in it, too."""
    rng, rows = np.random.default_rng(0), VISITS * LENGTH
    visit, step = np.arange(rows) // LENGTH, np.arange(rows) % LENGTH
    click = rng.random(rows) < 0.4
    return Log.build(
        {
            "user": rng.integers(300, size=VISITS)[visit],
            "item": rng.geometric(0.05, rows) % 40,
            "session": visit,
            "step": step,
            "slate": np.arange(rows),
            "time": 1_600_000_000_000 + 10_000_000 * visit + 1_000 * step,
            "click": click,
            "like": click & (rng.random(rows) < 0.3),
        },
        users=pa.table({"id": [str(user) for user in range(300)]}),
        items=pa.table(
            {"id": [str(item) for item in range(40)], "category": [str(k % 4) for k in range(40)]}
        ),
        domain="content",
        source=Source("made", "none", "none"),
    )


@pytest.fixture(scope="module")
def dataset(log):
    return make_dataset(log, FitConfig(), positives_only=False)


def peak_bytes(call, *arguments) -> int:
    """Most bytes that a call holds beyond what there was."""
    tracemalloc.start()
    try:
        call(*arguments)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def sides_of(dataset):
    nothing = [np.zeros((size, 0), np.float32) for size in (dataset.num_users, dataset.num_items)]
    return [
        Side(code, table, 2.0, np.inf)
        for code, table in zip((dataset.user, dataset.item), nothing, strict=True)
    ]


def test_a_regression_makes_no_array_of_all_rows_but_its_inputs(dataset, monkeypatch):
    monkeypatch.setattr(logistic, "ROWS", 1_000)
    monkeypatch.setattr(logistic, "SOLVER", {"maxiter": 3})
    rows, x = len(dataset.item), np.random.default_rng(1).normal(size=len(dataset.item))
    alone = peak_bytes(fit_logistic, dataset.positive, (), sides_of(dataset))
    assert alone < 8 * rows  # less than one column; before 13 of them
    assert peak_bytes(fit_logistic, dataset.positive, [x], sides_of(dataset)) < alone + 17 * rows


@pytest.mark.parametrize("weighted", [False, True])
def test_a_regression_in_blocks_is_that_of_one_pass(dataset, monkeypatch, weighted):
    rng = np.random.default_rng(2)
    dense = rng.normal(size=(len(dataset.item), 2))
    weight = rng.uniform(0.5, 2.0, len(dense)) if weighted else None
    whole = fit_logistic(dataset.positive, dense, sides_of(dataset), weight)
    monkeypatch.setattr(logistic, "ROWS", 7_001)
    parts = fit_logistic(dataset.positive, list(dense.T), sides_of(dataset), weight)
    np.testing.assert_allclose(parts.slopes, whole.slopes, atol=1e-6)
    for one, other in zip(parts.effects, whole.effects, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_logits_of_some_rows_are_those_of_all(dataset):
    rng = np.random.default_rng(3)
    sizes = (dataset.num_users, dataset.num_items, len(dataset.contexts), (dataset.num_users, 4), 5, 1)
    fit = Additive(*(rng.normal(size=size) for size in sizes))
    rows = rng.random(len(dataset.item)) < 0.1
    np.testing.assert_array_equal(fit.logits(dataset, rows), fit.logits(dataset)[rows])
    assert peak_bytes(fit.logits, dataset, rows) < 12 * len(rows)


def test_logits_by_visit_are_of_the_sampled_rows(dataset, monkeypatch):
    from recgym.fit import additive

    monkeypatch.setattr(additive, "MAX_ROWS", 6_000)
    nothing = [np.zeros((size, 0), np.float32) for size in (dataset.num_users, dataset.num_items)]
    _, x = place_matters(dataset, *nothing)
    assert 5_000 < np.isfinite(x).sum() < 7_000
    assert not np.isfinite(x[~dataset.known]).any()


def test_posterior_of_users_in_blocks_is_that_of_one_pass(dataset, monkeypatch):
    x = np.random.default_rng(4).normal(size=len(dataset.item))
    tables = tuple(np.zeros((size, 0), np.float32) for size in (dataset.num_items, dataset.num_users))
    found = event_models.fit_event(dataset, dataset.events["like"], [x], dataset.positive, tables)
    found = found._replace(user_variance=0.5)
    whole = found.posterior(dataset, [x], dataset.positive)
    monkeypatch.setattr(event_models, "ROWS", 999)
    np.testing.assert_allclose(found.posterior(dataset, [x], dataset.positive), whole, rtol=1e-12)
    user = dataset.user[dataset.positive]
    logit = found.model.logits(x[dataset.positive][:, None], (dataset.item[dataset.positive], user))
    chance = 1 / (1 + np.exp(-logit))
    information = np.bincount(user, chance * (1 - chance), dataset.num_users)
    np.testing.assert_allclose(whole, (2.0 + information) ** -0.5, rtol=1e-9)


def test_rows_of_the_hazard_are_few_bytes(dataset):
    rows = hazard_rows(dataset)
    held = sum(getattr(rows, name).itemsize for name in rows.__dataclass_fields__ if name != "level")
    assert held <= 24
    assert rows.level.strides == (0,)
    assert take(rows, np.ones(len(rows.step), bool)) is rows


def test_the_weight_of_the_overall_rate_is_the_best_on_left_out_visits(dataset):
    rows = hazard_rows(dataset)
    rng = np.random.default_rng(5)
    rows.left[:] = rng.random(len(rows.left)) < 0.05 + 0.1 * (rows.step % 3 == 0)
    fold = np.random.default_rng(0).permutation(int(rows.session.max()) + 1)[rows.session] % FOLDS

    def loss(weight):
        total = 0.0
        for held in (fold == k for k in range(FOLDS)):
            chance = rates(rows.step[~held], rows.left[~held], weight)[rows.step[held] - 1]
            total -= np.where(rows.left[held], np.log(chance), np.log1p(-chance)).sum()
        return total

    assert _best_weight(rows) == min(WEIGHTS, key=loss)


def test_terms_of_the_logging_policy_in_blocks_are_those_of_one_pass(dataset, monkeypatch):
    whole = terms_of_impressions(dataset, dataset.known)
    memory = peak_bytes(terms_of_impressions, dataset, dataset.known)
    monkeypatch.setattr(logging_terms, "ROWS", 995)  # not a whole number of visits
    found = terms_of_impressions(dataset, dataset.known)
    for one, other in zip(found, whole, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
    assert peak_bytes(terms_of_impressions, dataset, dataset.known) < 0.6 * memory
    assert 0.0 < found.again < 1.0


def test_staying_in_a_category_is_the_maximum_of_the_likelihood(dataset):
    stay = fit_stay(blocks_of(dataset, dataset.known), dataset.items.exposure)
    pair = np.flatnonzero(dataset.known & dataset.follows)
    category = dataset.items.category[dataset.item]
    share = np.bincount(dataset.items.category, dataset.items.exposure)[category[pair]]
    same = category[pair] == category[pair - 1]

    def likelihood(value):
        return np.log(same * value + (1 - value) * share).sum()

    assert likelihood(stay) >= max(likelihood(min(max(stay + step, 0.0), 1.0)) for step in (-0.01, 0.01))


def test_a_log_of_all_its_rows_is_no_copy(log):
    assert rows_of(log, np.ones(log.num_rows, bool)) is log
    assert select_visits(log, np.ones(VISITS, bool)) is log
    assert peak_bytes(lambda: make_dataset(log, FitConfig(), positives_only=False)) < 40 * log.num_rows


@pytest.mark.parametrize("most", [500, 5_000, 10**9])
def test_a_sample_of_a_part_is_that_of_the_part_as_a_log(log, most):
    chosen = np.random.default_rng(6).random(VISITS) < 0.8
    part, whole = LogPart(log, chosen), select_visits(log, chosen)
    assert (part.num_rows, part.num_sessions) == (whole.num_rows, whole.num_sessions)
    assert subsample(part, most).rows.equals(subsample(whole, most).rows)
    before = pa.default_memory_pool().bytes_allocated()
    kept = subsample(part, most)
    made = pa.default_memory_pool().bytes_allocated() - before
    assert made <= 1.3 * kept.rows.nbytes + 64_000


def test_sums_of_earlier_responses_in_blocks_are_those_of_one_pass(dataset, monkeypatch):
    flag = dataset.positive.astype(float)
    whole, memory = earlier_sums(dataset, flag, 0.3), peak_bytes(earlier_sums, dataset, flag, 0.3)
    monkeypatch.setattr(streaks, "STEPS_AT_ONCE", 997)
    np.testing.assert_array_equal(earlier_sums(dataset, flag, 0.3), whole)
    assert peak_bytes(earlier_sums, dataset, flag, 0.3) < memory - 20 * len(flag)
