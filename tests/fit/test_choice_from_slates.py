"""Logs whose slates have one response at most: the choice is recovered from logs of known truth, and gated."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import approx_fprime

from recgym.fidelity.card import card_markdown
from recgym.fidelity.indexed_log import align
from recgym.fit import FitConfig, fit
from recgym.fit.dataset import make_dataset
from recgym.fit.event_rates import event_chances, latest
from recgym.fit.slate_choice import _ChoiceRows, fit_slate_choice
from recgym.fit.slate_places import is_chosen_from
from recgym.logs import Log
from recgym.logs.sample import sample_log
from recgym.numerics import logit
from recgym.sim.schema import INDEPENDENT, ONE_OF_SLATE
from recgym.sim.synthetic import synthetic
from recgym.sim.teacher_forcing import predict

ITEMS, SLATES, USERS = 20, 3_000, 60
EXAMINE = np.array([1.0, 0.6, 0.4, 0.25])


def slates(examine=EXAMINE, *, strength=0.0, several=0.0, seed=0):
    """A log of chosen items, its dataset, logits of independent items, users' levels and utilities.

    The policy ranks by `strength` times utility; a share `several` of the slates has a second response.
    """
    rng, num = np.random.default_rng(seed), len(examine)
    utility, level = rng.normal(0.4, 0.7, ITEMS), rng.normal(0.0, 0.5, USERS)
    item = rng.random((SLATES, ITEMS)).argsort(1)[:, :num]
    order = (-strength * utility[item] - rng.gumbel(size=item.shape)).argsort(1)
    item, user = np.take_along_axis(item, order, 1), np.arange(SLATES) // 2 % USERS
    weight = np.c_[np.ones(SLATES), examine * np.exp(utility[item] + level[user, None])]
    chosen = (rng.random((SLATES, 1)) * weight.sum(1, keepdims=True) > weight.cumsum(1)).sum(1)
    click = chosen[:, None] == np.arange(1, num + 1)
    click[rng.random(SLATES) < several, :2] = True
    slate = np.repeat(np.arange(SLATES), num)
    frame = pd.DataFrame({
        "user": user[slate], "session": slate // 2, "step": slate % 2, "position": np.tile(np.arange(num), SLATES),
        "item": item.ravel(), "time": pd.to_datetime(1_600_000_000 + 60 * slate, unit="s"), "click": click.ravel(),
    })  # fmt: skip
    log = Log.from_pandas(frame, domain="ecommerce")
    dataset = make_dataset(log, FitConfig(), positives_only=False)

    def effect(code):
        count, hits = np.bincount(code), np.bincount(code, dataset.positive)
        return logit((hits + 1.0) / (count + 4.0))[code] - logit(dataset.positive.mean())

    shared = effect(dataset.user)
    x = shared + effect(dataset.item) + logit(dataset.positive.mean())
    own = [utility[log.column("item")], level[log.column("user")]]
    return log, dataset, x, shared, own


def fitted(parts, **kwargs):
    _, dataset, x, shared, _ = parts
    return fit_slate_choice(dataset, x, shared, np.zeros(len(x)), 2.0, kwargs.get("has_positions", True))


@pytest.mark.parametrize("strength", [0.0, 2.0])
def test_utilities_positions_levels_and_the_share_of_no_response_are_recovered(strength):
    parts = slates(strength=strength)
    dataset, x, (utility, level) = parts[1], parts[2], parts[4]
    found = fitted(parts)
    assert found.gain > 0.2
    assert np.abs(found.examine - EXAMINE).max() < 0.1
    own = found.logits(dataset, x)
    weight = found.seen(dataset) * np.exp(own)
    begin = np.unique(dataset.step_starts)
    total = np.add.reduceat(weight, begin)
    truth = EXAMINE[np.tile(np.arange(4), SLATES)] * np.exp(utility + level)
    wanted = np.add.reduceat(truth, begin)
    any_response, known = total / (1 + total), wanted / (1 + wanted)
    last = latest(dataset, dataset.positive)[begin]  # the days that give the level
    clicked = np.add.reduceat(dataset.positive, begin)
    assert any_response[last].mean() == pytest.approx(clicked[last].mean(), abs=1e-6)
    assert np.abs(any_response - known).mean() < 0.06
    assert np.polyfit(logit(known), logit(any_response), 1)[0] == pytest.approx(1.0, abs=0.15)
    of_item = np.bincount(dataset.item, own - found.common * parts[3]) / np.bincount(dataset.item)
    of_truth = np.bincount(dataset.item, utility) / np.bincount(dataset.item)
    gap = of_item - of_item.mean() - of_truth + of_truth.mean()
    assert gap.std() < 0.2  # about 120 clicks an item: two standard errors
    assert np.polyfit(of_truth, of_item, 1)[0] == pytest.approx(1.0, abs=0.1)
    np.testing.assert_allclose(
        weight / (1 + weight + found.rivals(dataset, own)),
        weight / np.repeat(1 + total, 4), rtol=1e-9,
    )  # fmt: skip


def test_equal_positions_have_equal_weights():
    assert (fitted(slates(np.ones(4))).examine == 1.0).all()
    assert (fitted(slates(), has_positions=False).examine == 1.0).all()


def test_a_log_whose_slates_have_several_responses_has_no_choice():
    assert is_chosen_from(slates()[0])
    assert is_chosen_from(slates(several=0.002)[0])
    assert not is_chosen_from(slates(several=0.02)[0])  # fewer than independent items would have
    assert not is_chosen_from(slates(several=0.2)[0])


@pytest.mark.parametrize("choice", [True, False])
@pytest.mark.parametrize("spread", [0.0, 0.7])
def test_gradients_are_those_of_the_loss(choice, spread):
    _, dataset, x, shared, _ = slates()
    rows = _ChoiceRows.of(
        dataset, np.arange(len(x)) < 80, np.arange(len(x)) % 4, x, shared, np.full(len(x), spread)
    )
    values = np.random.default_rng(1).normal(0.0, 0.3, 3 + 4 + ITEMS)
    values[3:7] = values[3:7] if choice else 0.0
    loss, gradient = rows._loss(values, 4, choice)
    assert np.isfinite(loss)
    found = approx_fprime(values, lambda v: rows._loss(v, 4, choice)[0], 1e-6)
    part = np.r_[0:3, 7 : len(values)] if not choice else slice(None)
    np.testing.assert_allclose(found[part], gradient[part], atol=2e-3)


def chooser(domain="social"):
    """A world whose users choose from slates and have no memory, beside their levels."""
    world = synthetic(3, domain=domain, num_users=USERS, num_items=ITEMS)
    flat = {name: np.zeros_like(getattr(world.arrays, name)) for name in ("push", "profile", "place_bias")}
    world = world.with_arrays(**flat, choice=[ONE_OF_SLATE], examine=np.r_[EXAMINE, np.ones(46)])
    return world.with_params(mood=0.0, sigma=0.0, kappa=0.0, rho=0.0, outside=-0.5)


@pytest.mark.parametrize("domain", ["ecommerce", "content", "social"])
def test_chances_of_events_are_the_simulators(domain):
    world = chooser(domain)
    log = sample_log(world, "random", 150, seed=1, horizon=1, slate_size=4)
    frame = make_dataset(log, FitConfig(), positives_only=False)
    indexed = align(world, log)
    out = predict(world, indexed.visits)
    arrays = {name: getattr(world.arrays, name).astype(float) for name in world.arrays._fields}
    for name in ("event_item", "duration"):
        own = np.zeros_like(arrays[name])
        own[frame.item] = arrays[name][indexed.item]
        arrays[name] = own
    own = np.zeros_like(arrays["event_user"])
    own[frame.user] = arrays["event_user"][indexed.user]
    arrays["event_user"] = own
    x = out.x[indexed.step, indexed.place]
    seen = EXAMINE[indexed.place]
    weight = seen * np.exp(x)
    begins = frame.step_starts
    rivals = np.bincount(begins, weight, len(x))[begins] - weight
    chances = event_chances(frame, arrays, x, seen=seen, rivals=rivals)
    for e, event in enumerate(world.events):
        np.testing.assert_allclose(
            chances[event.name], out.chance[indexed.step, indexed.place, e], atol=1e-5, err_msg=event.name
        )


@pytest.mark.slow
def test_a_world_is_fitted_that_has_one_response_at_most_when_it_runs():
    log = sample_log(chooser(), "random", 1_500, seed=2, slate_size=4, horizon=4)
    world = fit(log, name="w", config=FitConfig(epochs=1, bootstrap=20), progress=False)
    assert world.arrays.choice[0] == ONE_OF_SLATE
    assert np.abs(world.arrays.examine[:4] - EXAMINE).max() < 0.1
    figures = {row["id"]: row for row in world.card["figures"]}
    assert figures["free_slates/several responses"]["world"] == 0.0
    of = figures["free_slates/a response"]
    assert of["world"] == pytest.approx(of["log"], abs=0.04)
    assert figures["rate/listen"]["world"] == pytest.approx(figures["rate/listen"]["log"], rel=0.08)
    text = card_markdown(world)
    assert "**Users choose one item of a slate, or none:** 0 of" in text
    assert "the world's users weigh the items there by 1, " in text
    truth, number = chooser(), np.array([int(name) for name in world.ids.items])
    gap = world.arrays.item_bias - truth.arrays.item_bias[number]
    assert (gap - gap.mean()).std() < 0.12
    wanted = truth.params["outside"] - (world.arrays.exposure @ truth.arrays.item_bias[number])
    wanted -= truth.arrays.user_bias.mean() - world.arrays.user_bias.mean()
    assert world.params["outside"] == pytest.approx(wanted, abs=0.2)


@pytest.mark.slow
def test_a_log_of_independent_responses_keeps_a_logit_for_each_item():
    world = chooser().with_arrays(choice=[INDEPENDENT])
    log = sample_log(world, "random", 600, seed=2, slate_size=4, horizon=4)
    found = fit(log, name="w", config=FitConfig(epochs=1, bootstrap=20), progress=False)
    assert found.arrays.choice[0] == INDEPENDENT
    assert "**Users choose one item" not in card_markdown(found)
