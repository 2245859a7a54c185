"""50,000 sessions of a known world, fitted from another start, give the world back.

The world has no terms that a log does not identify: `sigma` and `mood` are 0 (the initial intent of a session is not
fitted), item biases are orthogonal to price within a page (the slope of price is defined between items of a page), and
leaving effects are strong enough to identify frailty apart from time: its standard error here is about .05, and twice
that with leaving effects a third as large (Heckman and Singer, 1984).
"""

from typing import NamedTuple

import numpy as np
import pytest
import torch
from session_terms import terms_from_world

from recgym.fidelity.indexed_log import align
from recgym.fit import FitConfig
from recgym.fit.dataset import Dataset, make_dataset
from recgym.fit.recipe_impressions import fit_impressions
from recgym.fit.torch_session import Batch, logged_affinity
from recgym.logs import Log
from recgym.logs.sample import sample_log
from recgym.logs.splits import select_visits
from recgym.sim.synthetic import synthetic
from recgym.sim.teacher_forcing import predict
from recgym.sim.world import World

ITEMS, SESSIONS = 30, 50_000
TRUE = dict(kappa=-0.4, decay=0.7, rho=0.8, theta=-0.5, pull=0.25, eta=1.0, outside=0.5, sigma=0.0, mood=0.0,
            patience=1.2, leave_bias=-0.8, leave_repeat=0.8, leave_idle=0.5)  # fmt: skip
CONFIG = FitConfig(
    dim=4, hidden=16, epochs=8, learning_rate=0.01, item_ridge=0.3, user_ridge=0.3, bias_ridge=0.3,
    batch_rows=4096, weight_decay=0.0, bootstrap=20,
)  # fmt: skip


def known_world() -> World:
    world = synthetic(11, num_users=50, num_items=ITEMS, num_factors=4, num_categories=4, spread=1.5)
    a = world.arrays
    code = np.unique(a.category * 10 + a.page, return_inverse=True)[1]

    def within(values):
        return values - (np.bincount(code, values) / np.bincount(code))[code]

    price = within(a.price)
    bias = a.item_bias - price * (price @ a.item_bias) / (price @ price)
    return world.with_params(**TRUE).with_arrays(
        item_bias=bias,
        leave_item=3.0 * a.leave_item,
        leave_context=3.0 * a.leave_context,
        leave_time=-0.6 * np.log(np.arange(1, 201)),
        leave_run=0.4 * np.log(np.arange(1, 41)),
    )


class Fitted(NamedTuple):
    truth: World
    world: World
    log: Log
    frame: Dataset
    item: np.ndarray  # (N,) the truth's number of each of the fit's items


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    truth = known_world()
    log = sample_log(truth, "random", SESSIONS, seed=10**6, horizon=60)
    world = fit_impressions(log, "again", CONFIG, 1, torch.device("cpu"), lambda *_: None)
    frame = make_dataset(log, CONFIG, positives_only=False)
    return Fitted(truth, world, log, frame, frame.item_row)


@pytest.mark.parametrize("name", ["kappa", "rho", "decay", "pull"])
def test_slopes_and_drift(fitted, name):
    assert fitted.world.params[name] == pytest.approx(TRUE[name], rel=0.1)


def test_the_price_slope_up_to_the_units_of_price(fitted):
    logs = np.log(fitted.truth.arrays.price_ratio[fitted.item])
    unit = (0.4 * (logs - logs.mean()) / logs.std()).std() / logs.std()  # the log's price is exp(.4 z)
    assert fitted.world.params["theta"] * unit == pytest.approx(TRUE["theta"], rel=0.1)


@pytest.mark.parametrize("name", ["leave_bias", "leave_repeat", "leave_idle", "patience"])
def test_leaving_terms(fitted, name):
    """In units of the fit: item effects have mean 0 over responses, context effects over rows."""
    responded, a = fitted.log.column("click").astype(bool), fitted.truth.arrays
    item = a.leave_item[fitted.log.column("item")[responded]].mean()
    context = a.leave_context[fitted.log.column("context_index").astype(int)].mean()
    truth = TRUE | {
        "leave_bias": TRUE["leave_bias"] + item + context,
        "leave_idle": TRUE["leave_idle"] - item,
    }
    assert fitted.world.params[name] == pytest.approx(truth[name], rel=0.1)


@pytest.mark.parametrize(("name", "lengths"), [("leave_time", 30), ("leave_run", 8)])
def test_slopes_of_leaving_on_time_and_run(fitted, name, lengths):
    clock = np.log(np.arange(1, lengths + 1))
    truth, ours = (getattr(w.arrays, name)[:lengths] for w in (fitted.truth, fitted.world))
    assert (clock @ ours) / (clock @ clock) == pytest.approx((clock @ truth) / (clock @ clock), rel=0.1)


def test_leaving_effects_of_items_and_contexts(fitted):
    truth, ours = fitted.truth.arrays, fitted.world.arrays
    assert np.corrcoef(ours.leave_item, truth.leave_item[fitted.item])[0, 1] > 0.97
    assert np.corrcoef(ours.leave_context, truth.leave_context)[0, 1] > 0.97


def centred(matrix):
    return matrix - matrix.mean(0) - matrix.mean(1, keepdims=True) + matrix.mean()


@pytest.mark.parametrize("left", ["profile", "push"])
def test_factors_up_to_rotation(fitted, left):
    """Affinities from profiles and pushes, which are invariant to invertible maps of the factors."""
    rows = fitted.item if left == "push" else np.unique(fitted.log.column("user"))
    truth = getattr(fitted.truth.arrays, left)[rows] @ fitted.truth.arrays.factors[fitted.item].T
    ours = getattr(fitted.world.arrays, left) @ fitted.world.arrays.factors.T
    if left == "profile":
        truth, ours = centred(truth), centred(ours)
    assert np.corrcoef(truth.ravel(), ours.ravel())[0, 1] > 0.95
    assert (truth * ours).sum() / (truth**2).sum() == pytest.approx(1.0, abs=0.1)


def batches(fitted: Fitted) -> list[Batch]:
    sessions, rng = np.arange(0, SESSIONS, 10), np.random.default_rng(0)
    return fitted.frame.batches(sessions, 8192, torch.device("cpu"), rng)


def test_probabilities_of_the_response(fitted):
    users = torch.as_tensor(np.unique(fitted.log.column("user")), dtype=torch.int64)
    theirs, ours = terms_from_world(fitted.truth), terms_from_world(fitted.world)
    gaps = []
    for batch in batches(fitted):
        there = batch.mask > 0
        batch = batch._replace(positive=batch.positive.double())
        raw = batch._replace(user=users[batch.user], item=torch.as_tensor(fitted.item)[batch.item])
        gap = logged_affinity(ours, batch).sigmoid() - logged_affinity(theirs, raw).sigmoid()
        gaps.append(gap[there].abs())
    assert torch.cat(gaps).mean() < 0.02


def test_probabilities_of_leaving(fitted):
    """At a frailty of 0."""
    log = select_visits(fitted.log, np.arange(fitted.log.num_sessions) % 10 == 0)
    ours, theirs = (
        predict(world.with_params(patience=0.0), align(world, log).visits).left
        for world in (fitted.world, fitted.truth)
    )
    assert np.abs(ours - theirs).mean() < 0.02
