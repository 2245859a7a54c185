"""Low, middle and high settings of the assumed terms of a world.

The middle of a term is the value that its world has. Low and high bound a stated range: no log of the domain identifies
the term, so the range is a statement, with a reason, and no confidence interval.

Axes: N items, U users, E events, R run lengths.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from recgym.arrays import Array, Doubles, Ints
from recgym.checks import quoted
from recgym.numerics import logit, mean_kept_bias, sigmoid
from recgym.sim.schema import PARAM_INDEX, SHARE, Span
from recgym.sim.world import World

LOW, MIDDLE, HIGH = "low", "middle", "high"
EVENT = "event:"  # prefix of the terms of a card that are events
ITEM_SD = (
    "item_sd:"  # ... that are standard deviations over items of the logit of an event with an assumed rate
)
EVENT_GAIN = "event_gain"  # slope on affinity of all events with an assumed rate; it has no row on the card
MAX_REFERENCE_USERS, MAX_REFERENCE_ITEMS = 200, 500  # of the affinities over which a mean rate is kept
# entries of a card that hold for the middle alone
_JUDGED = ("figures", "left_out", "curves", "judged", "validated", "planning")


class Range(NamedTuple):
    """Rule by which low and high follow from the middle, in [-inf, inf] or cut to `span`."""

    low: float
    high: float
    rule: str  # a key of `_RULES`
    reason: str
    span: Span = Span()


class Settings(NamedTuple):
    """Values of one term of a world."""

    low: float
    middle: float
    high: float

    def holds(self, value: object) -> bool:
        """Whether a value is a number in the range; low is above high where a factor changes a negative middle."""
        if isinstance(value, bool) or not isinstance(value, int | float | np.number):
            return False
        return bool(min(self) <= value <= max(self))


def _odds(rate: float, factor: float) -> float:
    return float(sigmoid(logit(np.array(rate)) + math.log(factor)))


_RULES: dict[str, Callable[[float, float], float]] = {
    "value": lambda middle, change: change,
    "shift": lambda middle, change: middle + change,
    "factor": lambda middle, change: middle * change + 0.0,  # 0, not -0
    "odds": _odds,
}
_TWICE = math.log(2.0)
_HALF_TO_DOUBLE = "the size is a guess within a factor of two"
RANGES: dict[str, Range] = {
    "outside": Range(
        -_TWICE,
        _TWICE,
        "shift",
        "odds of no response halved or doubled: the share of slates with a response is not logged",
    ),
    "leave_bias": Range(
        -_TWICE,
        _TWICE,
        "shift",
        "odds of leaving halved or doubled: at a rate of .05, mean sessions of 39 and 11 slates in place of 20",
    ),
    "leave_idle": Range(
        -_TWICE,
        _TWICE,
        "shift",
        "odds of leaving after no response halved or doubled: not even the sign is logged",
    ),
    "leave_run": Range(0.0, 2.0, "factor", "from no effect of runs to twice the assumed slope"),
    "kappa": Range(0.0, 2.0, "factor", "from no satiation to twice the assumed slope"),
    "rho": Range(0.5, 2.0, "factor", _HALF_TO_DOUBLE),
    "decay": Range(0.5, 0.95, "value", "satiation halves within 1 step, or within 14; at .8 within 3", SHARE),
    "pull": Range(0.5, 1.5, "factor", "half as fast or half as fast again a return to the profile", SHARE),
    "patience": Range(
        0.0,
        0.5,
        "value",
        "from no frailty to odds of leaving 1.6 times as high one standard deviation above the mean; the e-shop's "
        "joint estimate is .21",
        Span(0.0),
    ),
    "omega": Range(
        0.0,
        0.5,
        "value",
        "from homophily alone to odds of a listen 1.4 times as high for one friend and twice as high for three; "
        "more than half of what looks like influence is homophily (Aral, Muchnik and Sundararajan, 2009)",
        Span(0.0),
    ),
    "connect_bias": Range(-_TWICE, _TWICE, "shift", "odds of accepting a suggestion halved or doubled"),
    "connect_again": Range(0.5, 2.0, "factor", _HALF_TO_DOUBLE),
    "item_bias": Range(
        0.5,
        1.5,
        "factor",
        "exposure grows as popularity to a power between a quarter and three quarters",
        SHARE,
    ),
    "logged_stay": Range(
        0.5, 1.5, "factor", "the logging policy alone: half as often or half as often again", SHARE
    ),
    "examine": Range(
        0.8,
        1.0,
        "value",
        "each position is examined .8 times as often as the one above, the sixth .33 times as often as the first, as "
        "in lists of search results (Joachims et al., 2005; Craswell et al., 2008); or all are examined",
        SHARE,
    ),
    "item_sd:cart": Range(0.52, 0.58, "value", "95 % profile likelihood interval in the extract", Span(0.0)),
    "item_sd:purchase": Range(
        0.32, 0.54, "value", "95 % profile likelihood interval in the extract", Span(0.0)
    ),
    EVENT_GAIN: Range(0.0, 2.0, "factor", "from rates that do not depend on affinity to twice the slope"),
}
RATE_RANGE = Range(
    0.5,
    2.0,
    "odds",
    "odds of the event, given the one that it needs, halved or doubled at every affinity",
    SHARE,
)
"""The range of an event with an assumed rate."""


def range_of(term: str) -> Range | None:
    """The range of a term of a card; None where the term is no number of the session model."""
    return RATE_RANGE if term.startswith(EVENT) else RANGES.get(term)


def assumed_settings(world: World) -> dict[str, Settings]:
    """Low, middle and high of each term that the card of a world calls assumed and that is a number."""
    settings = {}
    for row in world.card.get("terms", ()):
        found = range_of(row["term"])
        if found is not None and _is_assumed_number(row):
            settings[row["term"]] = _settings(found, _middle(world, row["term"], float(row["value"])))
    gains = world.arrays.event_gain[_assumed_rates(world)]
    if len(gains) and gains[0] != 0.0:
        settings[EVENT_GAIN] = _settings(RANGES[EVENT_GAIN], float(gains[0]))
    return settings


def _settings(found: Range, middle: float) -> Settings:
    rule = _RULES[found.rule]
    low, high = (
        float(np.clip(rule(middle, x), found.span.low, found.span.high)) for x in (found.low, found.high)
    )
    if found.rule == "value":
        low, high = min(low, middle), max(high, middle)
    return Settings(low, middle, high)


def _middle(world: World, term: str, shown: float) -> float:
    """The present value; that of a number of the session model is exact, the card's is rounded."""
    return world.params[term] if term in PARAM_INDEX else shown


def _assumed_rates(world: World) -> list[int]:
    """Numbers of the events whose rate on the card is an assumed number."""
    rows = {row["term"]: row for row in world.card.get("terms", ())}
    found = [rows.get(f"{EVENT}{event.name}", {}) for event in world.events]
    return [e for e, row in enumerate(found) if row and _is_assumed_number(row)]


def _is_assumed_number(row: Mapping[str, Any]) -> bool:
    return row["status"] == "assumed" and isinstance(row["value"], int | float)


def with_assumptions(world: World, assume: Mapping[str, str | float] | None) -> World:
    """The world with other settings of its assumed terms.

    Args:
        world: with a card.
        assume: by term "low", "middle", "high", or a number between low and high. "middle" changes nothing.

    Returns:
        The same world if nothing changes; else a copy with the settings, without the figures, on its card.

    Raises:
        ValueError: a term is not assumed in this world, or its value is neither a setting nor in the range.
    """
    settings = assumed_settings(world) if assume else {}
    values = {term: _value(world, settings, term, value) for term, value in (assume or {}).items()}
    changed = {term: value for term, value in values.items() if value != settings[term].middle}
    if not changed:
        return world
    middle = world
    for term in (term for term in settings if term in changed):  # in one order, whatever that of the argument
        world = world.with_arrays(**_changes(middle, world, term, settings[term].middle, changed[term]))
    rows = [_card_row(row, changed) for row in world.card["terms"]]
    card = {name: entry for name, entry in world.card.items() if name not in _JUDGED}
    return replace(world, card=card | {"terms": rows, "assume": changed})


def _value(world: World, settings: Mapping[str, Settings], term: str, value: Any) -> float:
    if term not in settings:
        status = {row["term"]: row["status"] for row in world.card.get("terms", ())}.get(term, "unknown")
        if status == "assumed":
            status = "no number"
        raise ValueError(
            f"assume: {term!r} is {status} in world {world.name}, assumed numbers there: "
            f"{', '.join(settings) or 'none'}"
        )
    found = settings[term]
    if isinstance(value, str) and value in (LOW, MIDDLE, HIGH):
        return float(getattr(found, value))
    if not found.holds(value):
        low, high = sorted((found.low, found.high))
        raise ValueError(
            f"assume: {term} is {quoted(value)}, expected low, middle, high or a number in [{low:.4g}, {high:.4g}]"
        )
    return float(value)


def _card_row(row: dict[str, Any], changed: Mapping[str, float]) -> dict[str, Any]:
    if row["term"] not in changed:
        return row
    source = f"set by assume, {row['value']} in the world as it was judged; {row['source']}"
    return {**row, "value": round(changed[row["term"]], 5), "source": source}


def _changes(original: World, world: World, term: str, middle: float, value: float) -> dict[str, Array]:
    """Arrays that differ where a term has `value`; `world` has the changes of the terms before."""
    arrays = world.arrays
    if term in PARAM_INDEX:
        params = arrays.params.copy()
        params[PARAM_INDEX[term]] = value
        return {"params": params}
    if term == "leave_run":
        return {"leave_run": value * np.log(np.arange(1, len(arrays.leave_run) + 1))}
    if term == "examine":
        return {"examine": value ** np.arange(len(arrays.examine))}
    if term == "logged_stay":
        return {"logged_stay": np.array([value])}
    if term == "item_bias":
        share = arrays.exposure / arrays.exposure.sum()
        popularity = np.log(np.maximum(share, 1e-12))
        return {"item_bias": arrays.item_bias + (middle - value) * (popularity - float(share @ popularity))}
    if term == EVENT_GAIN:
        return _mean_rates_kept(original, world, dict.fromkeys(_assumed_rates(original), (value, 1.0)))
    e = [event.name for event in world.events].index(term.rpartition(":")[2])
    if term.startswith(ITEM_SD):
        return _mean_rates_kept(original, world, {e: (float(arrays.event_gain[e]), value / middle)})
    bias = arrays.event_bias.copy()
    bias[e] += float(logit(np.array(value)) - logit(np.array(middle)))
    return {"event_bias": bias}


def _mean_rates_kept(
    original: World, world: World, changes: Mapping[int, tuple[float, float]]
) -> dict[str, Array]:
    """Arrays of `world` in which events have another slope, and another scale of item effects, at their mean rates."""
    arrays = world.arrays
    bias, gain, own = arrays.event_bias.copy(), arrays.event_gain.copy(), arrays.event_item.copy()
    x, weight, item = reference_affinities(original)
    for e, (slope, scale) in changes.items():
        rate = float(weight @ sigmoid(bias[e] + gain[e] * x + own[item, e]))
        gain[e], own[:, e] = slope, scale * own[:, e]
        bias[e] = mean_kept_bias(slope * x + own[item, e], rate, weight)
    return {"event_bias": bias, "event_gain": gain, "event_item": own}


def reference_affinities(world: World) -> tuple[Doubles, Doubles, Ints]:
    """Affinities of responses to items shown alone at the start of a session, weights that add up to 1, and the items.

    Of at most 200 users and 500 items each, those with the largest weight; items by exposure, users by population.
    """
    arrays = world.arrays
    population = np.diff(arrays.user_cdf, prepend=0.0)
    users = np.argsort(-population, kind="stable")[:MAX_REFERENCE_USERS]
    items = np.argsort(-arrays.exposure, kind="stable")[:MAX_REFERENCE_ITEMS]
    x = arrays.profile[users].astype(np.float64) @ arrays.factors[items].astype(np.float64).T
    x += arrays.item_bias[items] + arrays.user_bias[users][:, None] - world.params["outside"]
    x += world.params["theta"] * arrays.price[items]
    weight = population[users][:, None] * arrays.exposure[items] * sigmoid(x)
    return x.ravel(), (weight / weight.sum()).ravel(), np.tile(items, len(users))
