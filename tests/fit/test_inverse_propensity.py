"""Weights by inverse propensity: their values, refusals, and a biased log of a known world."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from biased_logs import biased_log

from recgym.fidelity import with_randomised_test
from recgym.fidelity.randomised_test import ALONE, IN_VISIT
from recgym.fit import FitConfig, fit
from recgym.fit.additive import Ridges, fit_additive
from recgym.fit.api import with_ids
from recgym.fit.dataset import make_dataset
from recgym.fit.inverse_propensity import propensity_weights
from recgym.fit.logistic import Side, fit_logistic
from recgym.fit.recipe_impressions import fit_impressions
from recgym.logs import read_log

WEIGHTED = FitConfig(propensity_weights=True)


def test_weights_are_clipped_and_have_mean_one():
    propensity = np.r_[np.full(97, 0.5), 0.25, 1e-9, 1e-12, 0.1]
    known = np.r_[np.ones(100, bool), False]
    weight = propensity_weights(propensity, known)
    assert weight[known].mean() == pytest.approx(1.0)
    assert weight[98] == weight[99] == weight.max()
    assert weight[97] / weight[0] == pytest.approx(2.0)
    assert weight.max() / weight[0] <= np.quantile(1 / propensity[known], 0.98) * 0.5 + 1e-9


def test_a_weight_counts_as_so_many_rows():
    rng = np.random.default_rng(0)
    item, flag, times = (
        rng.integers(5, size=60),
        rng.integers(2, size=60).astype(float),
        rng.integers(1, 4, size=60),
    )
    dense = rng.normal(size=(60, 1))

    def side(which):
        return [Side(which, np.zeros((5, 0), np.float32), 2.0, np.inf)]

    weighted = fit_logistic(flag, dense, side(item), times.astype(float))
    again = fit_logistic(
        np.repeat(flag, times), np.repeat(dense, times, axis=0), side(np.repeat(item, times))
    )
    np.testing.assert_allclose(weighted.effects[0], again.effects[0], atol=1e-4)
    np.testing.assert_allclose([weighted.bias, *weighted.slopes], [again.bias, *again.slopes], atol=1e-4)


@pytest.mark.parametrize("bias", [1.5, 2.0])
def test_a_weighted_fit_is_closer_to_the_truth_on_pairs_drawn_uniformly(tmp_path, bias):
    """Effects of users and items alone: the policy shows items to those who like them, which biases these effects."""
    gain = []
    for seed in range(3):
        files = biased_log(tmp_path, seed, users=200, items=80, shown=20, bias=bias, taste=1.0)
        log = read_log(files.log, domain="content")
        data = make_dataset(log, WEIGHTED, positives_only=False)
        ids = [np.array(table["id"].to_pylist())[rows].astype(int) for table, rows in (
            (log.users, data.user_row), (log.items, data.item_row))]  # fmt: skip
        truth, losses = files.chance[np.ix_(*ids)], []
        for dataset in (data, replace(data, weight=None)):
            nothing = [np.zeros((size, 0), np.float32) for size in (data.num_users, data.num_items)]
            found = fit_additive(dataset, data.known, *nothing, Ridges(4.0, 4.0, np.inf))
            x = found.user[:, None] + found.item + found.context[0]
            losses.append(float((np.logaddexp(0.0, x) - truth * x)[np.unique(data.user[data.known])].mean()))
        gain.append(losses[1] - losses[0])
    assert min(gain) > 0.005, gain


def test_weights_lower_the_log_loss_of_a_world_on_its_randomised_test(tmp_path):
    """The figures of the card, for a world with all its terms, fitted with and without weights."""
    files = biased_log(tmp_path, users=120, items=100, shown=16)
    log, test = (read_log(place, domain="content") for place in (files.log, files.test))
    quick, loss = FitConfig(steps=60, bootstrap=20, dim=2, hidden=4), []
    for config in (quick, replace(quick, propensity_weights=True)):
        world = fit_impressions(log, "own", config, 0, torch.device("cpu"), lambda *_: None)
        judged = with_randomised_test(with_ids(world, log), test, resamples=20)
        found = {row["id"]: row["world"] for row in judged.card["figures"]}
        loss.append([found[f"random_log_loss/click/{label}"] for label in (IN_VISIT, ALONE)])
    gain = np.subtract(*loss)
    assert gain.min() > 0.015, loss


def test_logs_without_propensities_are_refused(tmp_path, run):
    lines = [f"{k % 30},{k % 7},{int(k % 3 == 0)}" for k in range(300)]
    (tmp_path / "plain.csv").write_text("\n".join(["user,item,click", *lines]) + "\n")
    with pytest.raises(ValueError, match=r"^propensity_weights: the log has no propensities"):
        fit(read_log(tmp_path / "plain.csv", domain="content"), name="x", config=WEIGHTED, progress=False)
    text = "\n".join(
        ["user,item,click,propensity", *(f"{line},{0.5 if k else ''}" for k, line in enumerate(lines))]
    )
    (tmp_path / "some.csv").write_text(text + "\n")
    with pytest.raises(ValueError, match=r"^propensity_weights: 1 of 300 rows have no propensity"):
        fit(read_log(tmp_path / "some.csv", domain="content"), name="x", config=WEIGHTED, progress=False)
    (tmp_path / "clicks.csv").write_text(
        "\n".join(["user,item", *(line.rsplit(",", 1)[0] for line in lines)]) + "\n"
    )
    found = run(
        "fit",
        tmp_path / "clicks.csv",
        "--domain",
        "ecommerce",
        "--propensity-weights",
        "--out",
        tmp_path / "w",
    )
    assert found[0] == 2
    assert (
        found[2]
        .splitlines()[-1]
        .startswith("recgym: propensity_weights: the log has no rows without a response")
    )
    assert not (tmp_path / "w").exists()


def test_the_card_names_the_weights(tmp_path):
    files = biased_log(tmp_path, 0, users=60, items=30, shown=8)
    quick = replace(WEIGHTED, steps=60, bootstrap=20, dim=2, hidden=4)
    world = fit(read_log(files.log, domain="content"), name="own", config=quick, progress=False)
    (note,) = [note for note in world.card["notes"] if "inverse propensity" in note]
    assert note.startswith("rows are weighted by clipped inverse propensity, weights 0.")
    assert " rows count as " in note
