"""Rates of the events after the response: their levels, and what is assumed where a log lacks them."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from scipy.optimize import brentq

from recgym.arrays import Arrays, Bools, Doubles, Ints
from recgym.events import EVENTS, event_index
from recgym.fit.config import ASSUMED, assumed
from recgym.fit.dataset import Dataset, sample
from recgym.fit.event_chain import place_of
from recgym.fit.level_drift import at_the_end
from recgym.fit.provenance import Provenance
from recgym.fit.random_intercept import over_intercepts
from recgym.logs.splits import VALIDATION
from recgym.numerics import logit, mean_kept_bias, sigmoid
from recgym.sim.schema import BY_RULES
from recgym.sim.session import clicks_are_long_views

MIN_EVENTS = 20  # of an event that is fitted
MIN_LEVEL_EVENTS = 200  # in the validation period, for the level of an event to be estimated from it alone
MAX_ROWS = 200_000  # to choose ridges and set levels; of more, a random sample
MAX_SHIFT = 10.0  # logits by which the level of an event may move
PRIOR_ROWS = (
    5  # at the assumed rate, added to those of an event without effects: rates of shops differ by about .2
)


def assume_event(
    provenance: Provenance,
    arrays: Arrays,
    index: int,
    x: Doubles,
    flag: Bools | None = None,
    item: Ints | None = None,
    place: int | None = None,
) -> None:
    """Writes an event with an assumed slope on affinity, and a rate given the event that it needs.

    `flag` is the event on the rows of `x`, too rare to be fitted: its rate, shrunk to the assumed one, which is taken
    where a log lacks the event (None). Then its effects of items, if the domain has a spread of them, are drawn for the
    items (R,) of the rows; None: there are none. `place`: the event whose arrays have the model, see `event_chain`;
    None: its own.
    """
    domain = provenance.domain
    event = EVENTS[domain][index]
    place = index if place is None else place
    key = _rate_key(domain, event.name)
    gain, rate = assumed(domain, "event_gain"), _chain_rate(domain, index, place)
    own = np.zeros(len(x))
    if flag is None and item is not None and f"{event.name}_item_sd" in ASSUMED[domain]:
        spread = provenance.from_table(f"item_sd:{event.name}", f"{event.name}_item_sd")
        normal = np.random.default_rng([len(arrays["event_item"]), index]).normal(
            size=len(arrays["event_item"])
        )
        arrays["event_item"][:, index] = spread * (normal - normal.mean()) / normal.std()
        own = arrays["event_item"][item, index]
    if flag is None:
        provenance.from_table(f"event:{event.name}", key)
    else:
        count, rows = int(flag.sum()), len(flag)
        few = "too few" if count < MIN_EVENTS else "too few without it"
        words = f"rate: {count} in {rows} rows, {few} for effects"
        words += f"; {PRIOR_ROWS} rows at the assumed rate of {rate:.3g} are added"
        rate = (count + PRIOR_ROWS * rate) / (rows + PRIOR_ROWS)
        provenance.fitted(f"event:{event.name}", rate, f"{words}; slope on affinity assumed")
    arrays["event_gain"][place] = gain
    arrays["event_bias"][place] = mean_kept_bias(gain * x + own, rate)


def _rate_key(domain: str, name: str) -> str:
    """Name of the assumed rate of an event in the table of the domain."""
    return f"{name}_rate" if f"{name}_rate" in ASSUMED[domain] else "event_rate"


def _chain_rate(domain: str, index: int, place: int) -> float:
    """Assumed rate of an event given the one that event `place` needs: the product of the rates between."""
    table = EVENTS[domain]
    rate = assumed(domain, _rate_key(domain, table[index].name))
    needs = table[index].needs
    if index == place or needs is None:
        return rate
    return rate * _chain_rate(domain, event_index(table, needs), place)


def keep_rates(
    dataset: Dataset,
    arrays: Arrays,
    x: Doubles,
    random_intercept_sd: float | Doubles,
    seen: Doubles | None = None,
    rivals: Doubles | None = None,
    *,
    drifts: bool = False,
) -> None:
    """Sets the intercepts of fitted events so that their means over random intercepts are the latest logged rates.

    The models are fitted at a random intercept of 0, but responses come from sessions with higher ones. A rate that the
    rules of events do not allow, as more purchases than carts, is met as far as it can be. `seen` and `rivals` as in
    `event_chances`. With `drifts`, rates are those of the end of the period, see `at_the_end`.
    """
    past = dataset.row_period <= VALIDATION
    for index, event in enumerate(EVENTS[dataset.domain][1:], start=1):
        flag = dataset.events.get(event.name)
        rows = None if flag is None else latest(dataset, flag)
        if flag is not None and rows is not None:
            chosen = np.flatnonzero(sample(past if drifts else rows, MAX_ROWS))
            chances = partial(event_chances, dataset, arrays, x, random_intercept_sd, chosen, seen, rivals)
            _keep_rate(dataset, arrays, index, flag[chosen].astype(np.float64), chances)
            if drifts:
                now = at_the_end(dataset, chosen, flag[chosen].astype(np.float64), chances()[event.name])
                _keep_rate(dataset, arrays, index, now, chances)


def _keep_rate(
    dataset: Dataset, arrays: Arrays, index: int, wanted: Doubles, chances: Callable[[], dict[str, Doubles]]
) -> None:
    """Moves the intercept of one event until the mean of its `chances` over some rows is that wanted of them."""
    name, place = EVENTS[dataset.domain][index].name, place_of(dataset, index)
    rate, start = float(logit(wanted.mean())), float(arrays["event_bias"][place])

    def gap(shift: float) -> float:
        arrays["event_bias"][place] = start + shift
        return float(logit(chances()[name].mean())) - rate

    low, high = -MAX_SHIFT, MAX_SHIFT
    if gap(low) >= 0:
        shift = low
    elif gap(high) <= 0:
        shift = high
    else:
        shift = float(brentq(gap, low, high, xtol=1e-6))
    arrays["event_bias"][place] = start + shift


def latest(dataset: Dataset, flag: Bools) -> Bools | None:
    """(rows,) from which the level of an event is estimated; None if the event is too rare.

    These are the rows of validation, because levels drift, or those of train and validation if the event is rare.
    """
    for rows, minimum in (
        (dataset.row_period == VALIDATION, MIN_LEVEL_EVENTS),
        (dataset.row_period <= VALIDATION, MIN_EVENTS),
    ):
        if minimum <= flag[rows].sum() <= rows.sum() - minimum:
            return rows
    return None


def event_chances(
    dataset: Dataset,
    arrays: Arrays,
    x: Doubles,
    random_intercept_sd: float | Doubles = 0.0,
    rows: Ints | None = None,
    seen: Doubles | None = None,
    rivals: Doubles | None = None,
) -> dict[str, Doubles]:
    """(rows,) probability of each event under the world, averaged over random intercepts.

    Args:
        dataset: the rows.
        arrays: of the world.
        x: (rows,) logits of the response at a random intercept of 0.
        random_intercept_sd: its standard deviation, a number or (rows of the dataset,).
        rows: numbers of the rows; None: all.
        seen: (rows of the dataset,) probability that the item is examined, with `rivals` its weight; None: 1.
        rivals: (rows of the dataset,) where users choose from slates, the summed weights of a slate's other items.
    """
    names = [event.name for event in EVENTS[dataset.domain]]
    chosen: Any = slice(None) if rows is None else rows
    spread = random_intercept_sd if isinstance(random_intercept_sd, float) else random_intercept_sd[chosen]
    x, item, user = x[chosen], dataset.item[chosen], dataset.user[chosen]
    own = arrays["event_item"][item].T + arrays["event_user"][user].T
    long = ~clicks_are_long_views(arrays["duration"][item])
    examined = np.ones(len(x)) if seen is None else seen[chosen]

    def given(m: Doubles | float) -> Doubles:
        first = examined * sigmoid(x + m)
        none = examined - first
        if rivals is not None:
            first = sigmoid(x + m + np.log(examined) - np.log1p(rivals[chosen] * np.exp(m)))
            none = 1.0 - first
        return np.stack(list(_chances(dataset.domain, arrays, x + m, own, long, (first, none)).values()))

    chances = over_intercepts(given, spread)
    return dict(zip(names, chances, strict=True))


def _chances(
    domain: str, arrays: Arrays, x: Doubles, own: Doubles, long: Bools, response: tuple[Doubles, Doubles]
) -> dict[str, Doubles]:
    """Probabilities of the events, marginal over events 0 and 1.

    Args:
        domain: of the events.
        arrays: of the world.
        x: (rows,) logits of the response.
        own: (E, rows) effects of item and user.
        long: (rows,) whether a click need not be a long view.
        response: (rows,) probabilities that the item is examined with a response, and without.
    """
    table = EVENTS[domain]
    first, none = response

    def logit(event: int) -> Doubles:
        value: Doubles = arrays["event_bias"][event] + arrays["event_gain"][event] * x + own[event]
        return value

    chances = {table[0].name: first}
    if len(table) == 1:
        return chances
    given = sigmoid(logit(1) + arrays["event_link"][1, 0])  # the second event after the first
    if arrays["watch"][0] == BY_RULES:
        given = np.where(long, given, 1.0)
    free = arrays["event_needs"][1] < 0
    second = [sigmoid(logit(1)) if free else np.zeros(len(x)), given]
    chances[table[1].name] = none * second[0] + first * second[1]
    for event in range(2, len(table)):
        link, needs = arrays["event_link"][event], arrays["event_needs"][event]
        total = np.zeros(len(x))
        for f, of_first in ((0, none), (1, first)):
            for s, of_second in ((0, 1 - second[f]), (1, second[f])):
                if (needs == 0 and not f) or (needs == 1 and not s):
                    continue
                total += of_first * of_second * sigmoid(logit(event) + link[0] * f + link[1] * s)
        chances[table[event].name] = total
    return chances
