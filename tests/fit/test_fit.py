"""Fitting: the torch equations against the simulator's, recovery of known worlds, and the shipped worlds."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from card_figures import by_id
from click_logs import click_log
from sklearn.metrics import roc_auc_score

from recgym.fidelity.calibration import calibration_slope
from recgym.fidelity.indexed_log import align
from recgym.fidelity.resampling import Resampling
from recgym.fit import FitConfig, fit
from recgym.fit.dataset import make_dataset
from recgym.fit.item_table import fold_categories
from recgym.fit.leaving_model import Choices, fit_leaving, hazard_rows
from recgym.fit.leaving_terms import can_leave
from recgym.fit.logistic import Side, fit_logistic
from recgym.fit.provenance import OPTIONAL_TERMS, term_names
from recgym.logs import Log, read_log
from recgym.logs.sample import sample_log
from recgym.numerics import auc, mean_kept_bias
from recgym.sim.schema import params
from recgym.sim.synthetic import synthetic
from recgym.sim.teacher_forcing import predict
from recgym.sim.world import World

SMALL = FitConfig(dim=4, hidden=8, epochs=3, bootstrap=20)


@pytest.mark.slow
def test_choice_and_leaving_recover_the_shop_that_made_the_log():
    log, truth = click_log()
    config = FitConfig(dim=4, hidden=16, epochs=10, learning_rate=1e-2, bootstrap=20)
    world = fit(log, name="shop", config=config, progress=False)
    assert world.params["rho"] == pytest.approx(truth["rho"], abs=0.35)
    figures = by_id(world.card)
    on_page = figures["page_log_loss"]
    assert on_page.world < on_page.baseline < np.log(6)
    frame = make_dataset(log, config, positives_only=True)
    hazard = fit_leaving(frame, hazard_rows(frame), (0, 1, 2))
    clock = np.arange(1, 20)
    np.testing.assert_allclose(hazard.time[:19], truth["time"] * (np.log1p(clock) - np.log(2)), atol=0.25)
    np.testing.assert_allclose(hazard.run[:8], truth["run"] * np.log(clock[:8]), atol=0.25)
    assert hazard.repeat == pytest.approx(truth["repeat"], abs=0.2)
    assert np.corrcoef(hazard.item, truth["leave"][frame.item_row])[0, 1] > 0.9
    assert figures["calibration_slope/leaving"].world == pytest.approx(1.0, abs=0.35)


def test_the_worlds_leaving_is_the_fitted_hazard():
    log, _ = click_log(visits=400)
    config = replace(SMALL, epochs=2, guard=None)  # with the guard the baseline may be kept on forty visits
    world = fit(log, name="shop", config=config, progress=False)
    frame = make_dataset(log, config, positives_only=True)
    rows = hazard_rows(frame)
    hazard = fit_leaving(frame, rows, (0, 1))
    expected = hazard.logits(rows) + world.params["leave_bias"] - hazard.bias  # calibrated on clicks a visit
    left = predict(world.with_params(patience=0.0), align(world, log).visits).left
    np.testing.assert_allclose(np.log(left / (1 - left)), expected, atol=2e-3)  # float16 items


def test_a_logged_page_has_a_click_at_the_assumed_rate_in_the_world():
    log, _ = click_log(visits=400)
    world = fit(log, name="shop", config=replace(SMALL, epochs=2), progress=False)
    a = world.arrays
    x = a.item_bias - world.params["outside"] + a.factors @ a.profile.mean(0)
    rates = [1 - 1 / (1 + np.exp(x[a.category == c]).sum()) for c in range(3)]
    assert np.mean(rates) == pytest.approx(0.8, abs=0.08)


@pytest.mark.slow
def test_impressions_recover_the_world_that_made_the_log():
    world = synthetic(7, domain="content", num_users=40, num_items=12, num_factors=3, spread=1.5)
    world = world.with_params(sigma=0.0, kappa=0.0, eta=0.0, leave_bias=-3.0, patience=0.0)
    log = sample_log(world, "random", 1_500, seed=2)
    config = FitConfig(
        dim=4, hidden=16, epochs=12, learning_rate=1e-2, item_ridge=1.0, user_ridge=1.0, bootstrap=20
    )
    fitted = fit(log, name="again", config=config, progress=False)
    figures = by_id(fitted.card)
    click = figures["log_loss/click"]
    assert set(click.baselines) == {"constant rate", "item rates", "user x item rates"}
    assert click.world < click.baseline == min(click.baselines.values())
    assert figures["calibration_slope/click"].world == pytest.approx(1.0, abs=0.2)
    for event in ("click", "long_view", "like"):
        row = figures[f"rate/{event}"]
        assert row.world == pytest.approx(row.log, rel=0.15), event
    assert fitted.arrays.watch[0] == 1


def test_logistic_is_at_the_optimum_of_its_penalised_likelihood():
    rng = np.random.default_rng(0)
    item, dense = rng.integers(8, size=4000), rng.normal(size=(4000, 2))
    logit = -0.5 + dense @ np.array([0.7, -0.3]) + rng.normal(size=8)[item]
    flag = (rng.random(4000) < 1 / (1 + np.exp(-logit))).astype(float)
    ours = fit_logistic(flag, dense, [Side(item, np.zeros((8, 0), np.float32), 2.0, np.inf)])
    # at the optimum the score of each parameter equals the pull of its ridge
    miss = 1 / (1 + np.exp(-ours.logits(dense, [item]))) - flag
    np.testing.assert_allclose(dense.T @ miss, 0.0, atol=0.05)
    assert miss.sum() == pytest.approx(0.0, abs=0.05)
    np.testing.assert_allclose(np.bincount(item, weights=miss), -2.0 * ours.effects[0], atol=0.05)
    np.testing.assert_allclose(ours.slopes, [0.7, -0.3], atol=0.12)


def test_auc_equals_scikit_learns_with_ties():
    rng = np.random.default_rng(0)
    flag, score = (rng.random(500) < 0.3).astype(float), rng.integers(9, size=500).astype(float)
    assert auc(flag, score) == pytest.approx(roc_auc_score(flag, score), abs=1e-12)


def test_calibration_slope_undoes_a_scaled_logit():
    rng = np.random.default_rng(0)
    logit = rng.normal(size=40_000)
    flag = (rng.random(40_000) < 1 / (1 + np.exp(-logit))).astype(float)
    shift, slope = calibration_slope(flag, 2.0 * logit + 1.0)
    assert slope == pytest.approx(0.5, abs=0.02)
    assert shift == pytest.approx(-0.5, abs=0.04)


def test_interval_widens_where_rows_of_a_cluster_are_alike():
    rng = np.random.default_rng(0)
    values = np.repeat(rng.normal(size=50), 20)
    width = {}
    for name, cluster in (("rows", np.arange(1000)), ("visits", np.repeat(np.arange(50), 20))):
        spread = Resampling(cluster, 200, 0).of_ratio(values)
        width[name] = spread.high - spread.low
    assert 3.0 < width["visits"] / width["rows"] < 6.5  # the root of 20 is 4.5


def test_mean_kept_bias():
    logit = np.linspace(-3, 3, 101)
    bias = mean_kept_bias(logit, 0.026)
    assert np.mean(1 / (1 + np.exp(-(bias + logit)))) == pytest.approx(0.026, abs=1e-9)


def test_rare_categories_become_other():
    code, names = fold_categories(["a", "b", "c", "other", "a"], np.array([0.4, 0.1, 0.05, 0.05, 0.4]), 3)
    assert names == ("a", "b", "other")
    assert code.tolist() == [0, 1, 2, 2, 0]


def generic(domain: str, rows=600, with_skips=False, seed=0) -> Log:
    rng = np.random.default_rng(seed)
    response = {"ecommerce": "click", "content": "click", "social": "listen"}[domain]
    frame = pd.DataFrame(
        {
            "user": rng.integers(30, size=rows),
            "item": np.minimum(rng.geometric(0.15, size=rows), 20),
            "time": 1_700_000_000 + np.sort(rng.integers(3_000_000, size=rows)),
        }
    )
    frame[response] = (rng.random(rows) < 0.4) if with_skips else True
    return Log.from_pandas(frame, domain=domain)


@pytest.mark.parametrize("with_skips", [False, True])
@pytest.mark.parametrize("domain", ["ecommerce", "content", "social"])
@pytest.mark.slow
def test_a_table_of_user_item_time_and_response_becomes_a_world(domain, with_skips, tmp_path):
    log = generic(domain, with_skips=with_skips)
    world = fit(log, name="mine", config=replace(SMALL, min_listeners=1), progress=False)
    assert world.domain == domain
    assert [row["term"] for row in world.card["terms"] if row["term"] not in OPTIONAL_TERMS] == list(
        term_names(domain)
    )
    assert World.load(world.save(tmp_path / "mine")).sha256 == world.sha256
    again = fit(log, name="mine", config=replace(SMALL, min_listeners=1), progress=False)
    assert again.sha256 == world.sha256
    if not with_skips:  # responses are noise: no trained term is kept, for any seed
        trained = replace(SMALL, min_listeners=1, guard=None)
        others = [fit(log, name="mine", config=trained, seed=seed, progress=False) for seed in (0, 1)]
        assert others[0].sha256 != others[1].sha256


def test_logs_that_are_too_small_are_refused():
    with pytest.raises(ValueError, match="has 10 rows"):
        fit(generic("ecommerce", rows=10), name="x", progress=False)
    log = generic("ecommerce", rows=100, with_skips=True)
    never = replace(
        log,
        rows=log.rows.set_column(log.rows.schema.get_field_index("click"), "click", [[False] * log.num_rows]),
    )
    with pytest.raises(ValueError, match="0 rows with click"):
        fit(never, name="x", progress=False)
    one = replace(log, rows=log.rows.filter(log.column("item") == log.column("item")[0]))
    with pytest.raises(ValueError, match=r"one item|rows"):
        fit(one, name="x", progress=False)
    with pytest.raises(ValueError, match="device is 'tpu'"):
        fit(log, name="x", device="tpu", progress=False)
    with pytest.raises(ValueError, match="dim is 0"):
        FitConfig(dim=0)
    with pytest.raises(ValueError, match="seen_weight is -1"):
        FitConfig(seen_weight=-1)


@pytest.mark.data
@pytest.mark.slow
def test_a_part_of_the_real_shop_fits(data_folder):
    log = read_log(data_folder / "eshop2008")
    early = replace(log, rows=log.rows.slice(0, 20_000))
    world = fit(early, name="part", config=FitConfig(dim=8, epochs=4, bootstrap=20), progress=False)
    figures = by_id(world.card)
    assert figures["auc/leaving"].world > figures["auc/leaving"].baseline
    assert params(**world.params)[0] == 0.0


def test_leaving_is_recovered_from_a_log_of_impressions():
    """Sessions of a known world: item, run and repeat act after a response, `leave_idle` after none."""
    world = synthetic(6, num_items=12, num_users=5, num_factors=3).with_params(
        patience=0.0, leave_bias=-1.5, leave_repeat=0.8, leave_idle=0.4, outside=-0.5
    )
    runs = 0.5 * np.log(np.arange(1, 41))
    flat = {"leave_time": np.zeros(2), "leave_context": np.zeros(24), "examine": np.ones(50)}
    world = world.with_arrays(leave_run=runs, **flat)
    log = sample_log(world, "random", 20_000, seed=3)
    frame = make_dataset(log, SMALL, positives_only=False)
    rows = hazard_rows(frame)
    hazard = fit_leaving(frame, rows, (0, 1, 2), Choices(item=3.0, shape=np.inf))
    assert hazard.run_slope == pytest.approx(0.5, abs=0.1)
    assert hazard.repeat == pytest.approx(0.8, abs=0.12)
    assert hazard.time_slope == pytest.approx(0.0, abs=0.06)
    assert hazard.no_response + hazard.bias == pytest.approx(-1.5 + 0.4, abs=0.12)
    assert np.corrcoef(hazard.item, world.arrays.leave_item[frame.item_row])[0, 1] > 0.9
    assert not can_leave(frame, sample_log(world, "random", 300, seed=3, slate_size=2), FitConfig())
    assert can_leave(frame, log, FitConfig())
