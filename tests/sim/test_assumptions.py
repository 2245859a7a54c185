"""Settings of assumed terms: each changes the probabilities that it names, and no other."""

import math
import re

import numpy as np
import pytest
from scipy.optimize import brentq
from session_probabilities import engine_of, friend_and_item, probabilities

from recgym.envs.world_lookup import WORLDS
from recgym.numerics import sigmoid
from recgym.sim.assumptions import (
    EVENT_GAIN,
    RANGES,
    assumed_settings,
    reference_affinities,
    with_assumptions,
)
from recgym.sim.friend_requests import num_friends_with_item
from recgym.sim.world import World

NAMES = ("ecommerce-1", "ecommerce-2", "content-1", "social-2")
SHIPPED = {name: World.load(WORLDS / name) for name in NAMES}
CASES = [
    (name, term, setting)
    for name, world in SHIPPED.items()
    for term in assumed_settings(world)
    for setting in ("low", "high")
]


BEFORE = {name: probabilities(world) for name, world in SHIPPED.items()}


AFFINITIES = ("fresh", "friends", "satiated", "repeat")


def shifted(before, keys, change):
    return {key: before[key] + change for key in keys}


def idle_shifted(world, before, change):
    """The logit of leaving after one item without a response where that of a page of `page_items` is shifted."""
    logit, num = before["leaving after no response"], max(int(world.arrays.page_items[0]), 1)
    page = np.log(np.expm1(num * np.log1p(np.exp(logit))))
    return np.log(np.expm1(np.log1p(np.exp(page + change)) / num))


def friends_count(world, before, value, change):
    user, item = friend_and_item(world)
    count = num_friends_with_item(world.arrays, user, item)
    assert count >= 3
    own = engine_of(world).sessions.user[0]
    shift = change * np.array([math.log(1 + num_friends_with_item(world.arrays, own, i)) for i in range(40)])
    return {
        "friends": before["friends"] + change * math.log(1 + count),
        "fresh": before["fresh"] + shift,
        **shifted(before, ("satiated", "repeat"), shift[3]),
    }


def frailty(world, before, value, change):
    return {"frailty": value * np.array(engine_of(world.with_params(patience=1.0), 64).sessions.patience)}


def event_slope(world, before, value, change):
    x, after = np.array([-2.0, 0.0, 1.5]), {}
    for key in (key for key in before if key.startswith("event:")):
        if not is_impossible(before[key]):
            after[key] = before[key] + change * x + mean_kept(world, key, value)
    return after


def item_spread(event):
    def changed(world, before, value, change):
        e, scale, after = [each.name for each in world.events].index(event), value / (value - change), {}
        own, slope = float(world.arrays.event_item[3, e]), float(world.arrays.event_gain[e])
        for key in (key for key in before if key.startswith(f"event:{event}/")):
            if not is_impossible(before[key]):
                after[key] = before[key] + (scale - 1.0) * own + mean_kept(world, key, slope, scale)
        return after

    return changed


def event_rate(term):
    def changed(world, before, value, change):
        middle = value - change
        shift = math.log(value / (1 - value)) - math.log(middle / (1 - middle))
        keys = (key for key in before if key.startswith(term + "/") and not is_impossible(before[key]))
        return shifted(before, keys, shift)

    return changed


# what each term changes, written a second time
CHANGES = {
    "outside": lambda w, before, value, change: shifted(before, AFFINITIES, -change),
    "leave_bias": lambda w, before, value, change: {
        **shifted(before, (key for key in before if key.startswith("leaving after run")), change),
        "leaving after no response": idle_shifted(w, before, change),
    },
    "leave_idle": lambda w, before, value, change: {
        "leaving after no response": idle_shifted(w, before, change)
    },
    "leave_run": lambda w, before, value, change: shifted(
        before, ["leaving after run 4"], change * math.log(4)
    ),
    "kappa": lambda w, before, value, change: shifted(before, ["satiated"], 2 * change),
    "rho": lambda w, before, value, change: shifted(before, ["repeat"], change),
    "omega": friends_count,
    "decay": lambda w, before, value, change: {"satiation": before["satiation"] * value / (value - change)},
    "patience": frailty,
    "connect_bias": lambda w, before, value, change: shifted(before, ["request", "request again"], change),
    "connect_again": lambda w, before, value, change: shifted(before, ["request again"], change),
    "examine": lambda w, before, value, change: {"examined": value ** np.arange(50)},
    "item_bias": lambda w, before, value, change: exposure_power(w, before, value, change),
    "event_gain": event_slope,
    "item_sd:cart": item_spread("cart"),
    "item_sd:purchase": item_spread("purchase"),
}
# effects of items have 16 bits
TOLERANCE = {"item_bias": 4e-3, "item_sd:cart": 1e-3, "item_sd:purchase": 1e-3}


def is_impossible(logits):
    return bool((logits == -30.0).all())


def exposure_power(world, before, power, change):
    popularity = np.log(world.arrays.exposure / world.arrays.exposure.sum())
    mean = float(np.exp(popularity) @ popularity)
    shift = -change * (popularity - mean)
    share = world.arrays.exposure**power
    _, item = friend_and_item(world)
    return {
        "fresh": before["fresh"] + shift[:40],
        "friends": before["friends"] + shift[item],
        "satiated": before["satiated"] + shift[3],
        "repeat": before["repeat"] + shift[3],
        "exposure": share / share.sum(),
    }


def mean_kept(world, key, gain, scale=1.0):
    """Shift of the intercept at which the mean rate over the reference affinities is kept; `scale` of item effects."""
    e = [event.name for event in world.events].index(key.removeprefix("event:").partition("/")[0])
    x, weight, item = reference_affinities(world)
    bias, old = float(world.arrays.event_bias[e]), float(world.arrays.event_gain[e])
    own = world.arrays.event_item[item, e].astype(float)
    rate = weight @ sigmoid(bias + old * x + own)
    return brentq(lambda shift: weight @ sigmoid(bias + shift + gain * x + scale * own) - rate, -9.0, 9.0)


@pytest.mark.parametrize(("name", "term", "setting"), CASES)
def test_a_setting_changes_what_it_names_and_no_other_probability(name, term, setting):
    world, value = SHIPPED[name], getattr(assumed_settings(SHIPPED[name])[term], setting)
    found = probabilities(with_assumptions(world, {term: setting}))
    before = BEFORE[name]
    change = value - assumed_settings(world)[term].middle
    wanted = before | CHANGES.get(term, event_rate(term))(world, before, value, change)
    assert found.keys() == wanted.keys()
    for key, values in wanted.items():
        if values is before[key]:
            np.testing.assert_array_equal(found[key], values, err_msg=key)
        else:
            np.testing.assert_allclose(found[key], values, atol=TOLERANCE.get(term, 2e-5), err_msg=key)


@pytest.mark.parametrize("name", NAMES)
def test_middle_is_the_world_itself(name):
    world = SHIPPED[name]
    settings = assumed_settings(world)
    assert with_assumptions(world, dict.fromkeys(settings, "middle")) is world
    assert with_assumptions(world, {term: each.middle for term, each in settings.items()}) is world
    assert with_assumptions(world, {}) is world
    assert with_assumptions(world, None) is world


@pytest.mark.parametrize(("name", "term", "setting"), CASES)
def test_a_setting_is_another_world_with_the_value_on_its_card(name, term, setting):
    world = SHIPPED[name]
    settings = assumed_settings(world)[term]
    value = getattr(settings, setting)
    changed = with_assumptions(world, {term: setting})
    assert (changed.sha256 == world.sha256) == (value == settings.middle)
    assert changed.index_digest == world.index_digest
    assert settings.holds(settings.middle)
    if value == settings.middle:
        return
    assert "planning" not in changed.card
    assert "figures" not in changed.card
    before, after = ({row["term"]: row for row in each.card["terms"]} for each in (world, changed))
    assert [key for key in before if before[key] != after[key]] == ([] if term == EVENT_GAIN else [term])
    if term != EVENT_GAIN:
        assert (after[term]["status"], after[term]["value"]) == ("assumed", round(value, 5))
        assert with_assumptions(changed, {term: "middle"}) is changed


def test_every_assumed_number_of_the_shipped_cards_has_a_range():
    for world in SHIPPED.values():
        rows = [row for row in world.card["terms"] if row["status"] == "assumed"]
        numbers = {row["term"] for row in rows if not isinstance(row["value"], str)}
        assert numbers == assumed_settings(world).keys() - {EVENT_GAIN}
        for settings in assumed_settings(world).values():
            assert settings.low != settings.high
    assert all(row.reason for row in RANGES.values())


def test_settings_do_not_depend_on_their_order():
    world = SHIPPED["ecommerce-1"]
    terms = {"event_gain": "high", "event:cart": "low", "outside": 3.0}
    one, other = with_assumptions(world, terms), with_assumptions(world, dict(reversed(terms.items())))
    assert one.sha256 == other.sha256
    assert one.params["outside"] == 3.0


@pytest.mark.parametrize(
    ("assume", "message"),
    [
        (
            {"kappa": "low"},
            "'kappa' is fitted in world ecommerce-1, assumed numbers there: patience, outside",
        ),
        ({"omega": "low"}, "'omega' is absent in world ecommerce-1"),
        ({"Outside": "low"}, "'Outside' is unknown in world ecommerce-1"),
        ({"exposure": "low"}, "'exposure' is no number in world ecommerce-1"),
        ({3: "low"}, "3 is unknown in world ecommerce-1"),
        (
            {"outside": "lower"},
            "outside is 'lower', expected low, middle, high or a number in [2.258, 3.644]",
        ),
        ({"outside": 4.0}, "outside is 4.0, expected low"),
        ({"outside": float("nan")}, "outside is nan"),
        ({"outside": True}, "outside is True"),
        ({"outside": None}, "outside is None"),
        (
            {"event:cart": 0.5},
            "event:cart is 0.5, expected low, middle, high or a number in [0.01317, 0.05068]",
        ),
        ({"outside": "low", "theta": 0.0}, "'theta' is fitted"),
    ],
)
def test_wrong_settings_are_refused_in_one_line(assume, message):
    with pytest.raises(ValueError, match=re.escape(message)) as raised:
        with_assumptions(SHIPPED["ecommerce-1"], assume)
    assert "\n" not in str(raised.value)
