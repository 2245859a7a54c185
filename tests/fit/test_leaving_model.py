"""The hazard of leaving: its marginal likelihood against quadrature, and recovery of a known hazard."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from recgym.fit.config import FitConfig
from recgym.fit.dataset import make_dataset
from recgym.fit.hazard import EffectTable, Hazard, VisitRows, chances, fit_hazard, marginal_loss
from recgym.fit.leaving_model import Choices, fit_leaving, hazard_rows
from recgym.fit.leaving_terms import leaving
from recgym.logs import Log
from recgym.logs.sample import sample_log
from recgym.logs.visit_history import repeats, runs
from recgym.sim.state import MEMORY
from recgym.sim.synthetic import synthetic


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def drawn_visits(spread, num, seed=0, items=40):
    """Visits of a known hazard: slopes on log t and log run, item effects, a normal shift a visit."""
    rng = np.random.default_rng(seed)
    effect, shift = rng.normal(0, 0.3, items), rng.normal(0, spread, num)
    alive, last, run, steps = np.arange(num), np.full(num, -1), np.zeros(num, np.int64), []
    for t in range(1, 400):
        item = rng.integers(items, size=len(alive))
        run[alive] = np.where(item // 10 == last[alive], run[alive] + 1, 1)
        last[alive] = item // 10
        logit = -1.8 - 0.25 * np.log(t) - 0.3 * np.log(run[alive]) + effect[item] + shift[alive]
        left = rng.random(len(alive)) < sigmoid(logit)
        steps.append((alive, np.full(len(alive), t), run[alive], item, left))
        alive = alive[~left]
        if not len(alive):
            break
    visit, clock, run, item, left = (np.concatenate(column) for column in zip(*steps, strict=True))
    order = np.lexsort((clock, visit))
    dense = np.stack([np.log(clock), np.log(run)], axis=1)[order]
    return VisitRows(left[order].astype(float), np.flatnonzero(clock[order] == 1)), dense, item[order], effect


def test_chances_average_over_the_posterior_of_the_frailty():
    logit = np.array([-1.0, 0.3, -2.0, 0.5, -1.5, -0.2])
    starts, spread = np.array([0, 4]), 1.1
    ours = chances(logit, starts, spread)
    for begin, end in ((0, 4), (4, 6)):
        for row in range(begin, end):

            def survived(v, begin=begin, row=row):
                return norm.pdf(v) * np.prod(1 - sigmoid(logit[begin:row] + spread * v))

            leaving = quad(lambda v: survived(v) * sigmoid(logit[row] + spread * v), -9, 9)[0]  # noqa: B023
            assert ours[row] == pytest.approx(leaving / quad(survived, -9, 9)[0], abs=2e-6)
    np.testing.assert_allclose(chances(logit, starts, 0.0), sigmoid(logit), atol=1e-15)


def test_the_marginal_loss_is_that_of_the_predictive_chances():
    visits, _, _, _ = drawn_visits(1.0, 300)
    logit = np.random.default_rng(1).normal(-1.5, 0.5, len(visits.left))
    chance = chances(logit, visits.starts, 0.9)
    loss = -np.mean(np.where(visits.left > 0, np.log(chance), np.log1p(-chance)))
    assert marginal_loss(visits, logit, 0.9) == pytest.approx(loss, abs=1e-10)


@pytest.mark.parametrize("frail", [False, True])
def test_the_fit_is_at_the_optimum_of_its_penalised_likelihood(frail):
    visits, dense, item, _ = drawn_visits(1.2, 3_000)
    table = EffectTable(item, 40, 3.0)
    found = fit_hazard(visits, dense, [table], frail=frail)

    def objective(values):
        hazard = Hazard(values[0], values[1:3], [values[4:]], abs(values[3]))
        loss = marginal_loss(visits, hazard.logits(dense, [table]), hazard.spread if frail else 0.0)
        return len(visits.left) * loss + 1.5 * (values[4:] ** 2).sum()

    best = np.r_[found.bias, found.slopes, found.spread, found.tables[0]]
    here = objective(best)
    for index in range(len(best)):
        if index == 3 and not frail:
            continue
        for move in (-0.05, 0.05):
            moved = best.copy()
            moved[index] += move
            assert objective(moved) > here, index
    assert (found.spread > 0.3) == frail


@pytest.mark.slow
def test_joint_likelihood_recovers_patience():
    """A two-step estimate gave .23 here, because slopes fitted without frailty contain its selection."""
    visits, dense, item, effect = drawn_visits(1.2, 50_000)
    found = fit_hazard(visits, dense, [EffectTable(item, 40, 3.0)], frail=True)
    assert found.spread == pytest.approx(1.2, rel=0.1)
    np.testing.assert_allclose(found.slopes, [-0.25, -0.3], atol=0.06)
    assert found.bias == pytest.approx(-1.8, abs=0.1)
    assert np.corrcoef(found.tables[0], effect)[0, 1] > 0.97
    blind = fit_hazard(visits, dense, [EffectTable(item, 40, 3.0)])
    assert blind.slopes[0] < -0.5  # without frailty the slope on time is biased


def test_runs_and_repeats_equal_a_loop():
    world = synthetic(2, num_items=6, num_users=5).with_params(leave_bias=-4.0, outside=-1.0)
    dataset = make_dataset(sample_log(world, "random", 60, seed=1), FitConfig(), positives_only=False)
    run = runs(dataset.session, dataset.items.category[dataset.item], dataset.positive)
    again = repeats(dataset.session, dataset.item, dataset.positive, MEMORY)
    for start, length in zip(dataset.starts, dataset.lengths, strict=True):
        memory, last, count = [], -1, 0
        for row in range(start, start + length):
            item, category = dataset.item[row], dataset.items.category[dataset.item[row]]
            assert again[row] == (item in memory[-MEMORY:])
            if dataset.positive[row]:
                count = count + 1 if category == last else 1
                last = category
                memory.append(item)
            assert run[row] == (count if dataset.positive[row] else 0)


def flat_world(**changes):
    world = synthetic(6, num_items=12, num_users=5, num_factors=3).with_params(
        patience=0.0, leave_bias=-1.5, leave_repeat=0.8, leave_idle=0.4, outside=-0.5
    )
    return world.with_params(**changes)


@pytest.mark.slow
def test_contexts_are_fitted_where_they_improve_validation():
    loud = flat_world().with_arrays(leave_context=np.cos(np.arange(24)))
    for world, kept in ((loud, True), (flat_world().with_arrays(leave_context=np.zeros(24)), False)):
        log = sample_log(world, "random", 6_000, seed=3, horizon=200)
        dataset = make_dataset(log, FitConfig(), positives_only=False)
        assert len(dataset.contexts) == 24
        hazard = fit_leaving(dataset, hazard_rows(dataset), (0, 1, 2))
        if kept:
            assert np.corrcoef(hazard.context, world.arrays.leave_context)[0, 1] > 0.97
        else:
            assert hazard.context.std() < 0.06  # less than the standard error of one context's effect
        np.testing.assert_array_equal(min(hazard.validation, key=hazard.validation.get), hazard.choices)


def test_a_large_log_is_fitted_on_a_part_of_its_visits(monkeypatch):
    world = flat_world()
    dataset = make_dataset(sample_log(world, "random", 3_000, seed=3), FitConfig(), positives_only=False)
    rows = hazard_rows(dataset)
    choices = Choices(item=3.0, shape=np.inf)
    whole = fit_leaving(dataset, rows, (0, 1, 2), choices)
    monkeypatch.setattr("recgym.fit.leaving_model.MAX_ROWS", {"choose": 4_000, "fit": 8_000})
    part = fit_leaving(dataset, rows, (0, 1, 2), choices)
    assert part.bias != whole.bias
    np.testing.assert_allclose(part.bias, whole.bias, atol=0.15)
    assert replace(part, bias=0.0).logits(rows).shape == rows.left.shape


def test_a_hazard_without_effects_is_a_logistic_regression():
    visits, dense, item, _ = drawn_visits(0.0, 3_000)
    found = fit_hazard(visits, dense, [EffectTable(item, 40, np.inf)])
    chance = 1 / (1 + np.exp(-(found.bias + dense @ found.slopes)))
    score = np.c_[np.ones(len(dense)), dense].T @ (visits.left - chance)
    np.testing.assert_allclose(score / len(dense), 0.0, atol=1e-6)


@pytest.mark.slow
def test_a_step_after_which_many_leave_has_a_level_of_its_own():
    """Steps beyond the third had a slope alone; in a log without such a step the slope is kept."""
    rng, found = np.random.default_rng(0), []
    for bump in (1.5, 0.0):
        alive, item, lengths = np.arange(4_000), rng.integers(20, size=(4_000, 60)), np.full(4_000, 60)
        for step in range(1, 60):
            logit = -1.6 - 0.2 * np.log(step) + bump * (step == 6) + 0.2 * (item[alive, step - 1] - 10)
            left = rng.random(len(alive)) < sigmoid(logit)
            lengths[alive[left]] = step
            alive = alive[~left]
        session = np.repeat(np.arange(4_000), lengths)
        step = np.arange(len(session)) - np.searchsorted(session, session)
        log = Log.from_pandas(
            pd.DataFrame(
                {"user": session % 50, "session": session, "step": step, "item": item[session, step]}
            ),
            domain="ecommerce",
        )
        hazard = leaving(make_dataset(log, FitConfig(), positives_only=True), log, FitConfig())
        found.append(hazard.time[5] - (hazard.time[4] + hazard.time[6]) / 2)
    assert found[0] == pytest.approx(1.5, abs=0.25)
    assert abs(found[1]) < 0.25


def test_clicks_of_slates_are_why_leaving_is_not_fitted():
    """300 visits of a shop, two steps of two clicked items each: there are enough whole visits."""
    row = np.arange(1200)
    frame = pd.DataFrame({
        "user": row // 4 % 50, "item": row % 6, "session": row // 4, "step": row // 2 % 2, "click": row >= 0,
    })  # fmt: skip
    log = Log.from_pandas(frame, domain="ecommerce")
    for guard in (None, 2.0):
        config = FitConfig(guard=guard)
        found = leaving(make_dataset(log, config, positives_only=False), log, config)
        assert found == "leaving is not fitted where a step of a visit has several rows"
