"""Expected reward of a slate and probability of staying after it, in closed form, for oracles and planning.

Axes: B sessions, N items, K slate positions, E events.
"""

import math

from recgym.jit import njit
from recgym.sim.leaving import leave_clock, leave_logit
from recgym.sim.scalar_math import sigmoid
from recgym.sim.schema import INDEPENDENT, ONE_OF_SLATE, WorldArrays
from recgym.sim.session import (
    affinity,
    event_logit,
    had_response,
    has_required_event,
    second_event_probability,
)
from recgym.sim.slate_facts import is_repeat, num_distinct
from recgym.sim.state import Reward, Sessions, Slates
from recgym.sim.whole_pages import on_page, shows_pages


@njit()
def expected_given(w: WorldArrays, r: Reward, user: int, item: int, x: float, responded: bool) -> float:
    """Expected reward of an examined item at affinity x, given whether there is a response."""
    price = float(w.price_ratio[item])
    num_events = w.event_bias.shape[0]
    total = 0.0
    p_second = second_event_probability(w, user, item, x, responded)
    for second in range(2):
        p = p_second if second == 1 else 1.0 - p_second
        if p == 0.0:
            continue
        value = r.weight[0] + r.price_weight[0] * price if responded else 0.0
        if second == 1:
            value += r.weight[1] + r.price_weight[1] * price
        for e in range(2, num_events):
            weight = r.weight[e] + r.price_weight[e] * price
            if weight != 0.0 and has_required_event(w, e, responded, second == 1):
                value += weight * sigmoid(event_logit(w, user, item, e, x, responded, second == 1))
        if r.watch_weight[0] != 0.0:
            value += r.watch_weight[0] * r.watch_mean[item, 2 if second == 1 else int(responded)]
        total += p * value
    return total


@njit()
def expected(w: WorldArrays, r: Reward, user: int, item: int, x: float) -> float:
    """Expected reward of an examined item, shown alone, at affinity x."""
    if w.choice[0] == INDEPENDENT or w.choice[0] == ONE_OF_SLATE:
        return expected_at(w, r, user, item, x, sigmoid(x))
    return sigmoid(x) * expected_given(w, r, user, item, x, True)


@njit()
def expected_at(w: WorldArrays, r: Reward, user: int, item: int, x: float, responded: float) -> float:
    """Expected reward of an examined item at affinity x that has a response with probability `responded`."""
    value = responded * expected_given(w, r, user, item, x, True)
    value += (1.0 - responded) * expected_given(w, r, user, item, x, False)
    return value


@njit()
def stay_probability(w: WorldArrays, s: Sessions, b: int, item: int, unanswered: int) -> float:
    """Probability of staying after a response to `item`, or after `unanswered` > 0 items without one, in [0, 1]."""
    run = s.run[b] + 1 if s.liked_category[b] == w.category[item] else 1
    clock = leave_clock(w, s, b, unanswered == 0)
    return 1.0 - sigmoid(leave_logit(w, s, b, clock, item, run, had_response(s, b, item), unanswered))


@njit()
def item_expectation(w: WorldArrays, r: Reward, s: Sessions, b: int, item: int) -> tuple[float, float]:
    """Expected reward of an item shown alone at the top position, or of its page, and the probability of staying."""
    if shows_pages(w):
        return page_expectation(w, r, s, b, item)
    x = affinity(w, s, b, item)
    examined = float(w.examine[0])
    responded = examined * sigmoid(x)
    if w.choice[0] == ONE_OF_SLATE:
        responded = examined * math.exp(x) / (1.0 + examined * math.exp(x))
    stay = responded * stay_probability(w, s, b, item, 0)
    stay += (1.0 - responded) * stay_probability(w, s, b, item, 1)
    if w.choice[0] == ONE_OF_SLATE:
        return expected_at(w, r, s.user[b], item, x, responded), stay
    return examined * expected(w, r, s.user[b], item, x), stay


@njit()
def page_expectation(w: WorldArrays, r: Reward, s: Sessions, b: int, named: int) -> tuple[float, float]:
    """The same for the page of an item, with the approximation of `slate_expectation` for positions."""
    reward, stay, total, place = 0.0, 0.0, 1.0, 0
    for item in range(w.page.shape[0]):
        if not on_page(w, named, item):
            continue
        x = affinity(w, s, b, item)
        weight = w.examine[place] * math.exp(x)
        total += weight
        reward += weight * expected_given(w, r, s.user[b], item, x, True)
        stay += weight * stay_probability(w, s, b, item, 0)
        place += 1
    return reward / total, (stay + stay_probability(w, s, b, named, place)) / total


@njit()
def slate_expectation(w: WorldArrays, r: Reward, s: Sessions, b: int, slate: Slates) -> tuple[float, float]:
    """The same for the slate in row 0.

    With one choice a slate, the weight of an item is multiplied by its examination probability. This is exact for one
    item and for ONE_OF_SLATE, and an approximation for more.
    """
    if shows_pages(w):
        return page_expectation(w, r, s, b, slate[0, 0])
    reward, stay, no_response, total = 0.0, 0.0, 1.0, 1.0
    slots = slate.shape[1]
    for k in range(slots):
        if not is_repeat(slate, 0, k):
            total += w.examine[k] * math.exp(affinity(w, s, b, slate[0, k]))
    for k in range(slots):
        if is_repeat(slate, 0, k):
            continue
        item, examined = slate[0, k], float(w.examine[k])
        x = affinity(w, s, b, item)
        if w.choice[0] == INDEPENDENT:
            lead = no_response * examined * sigmoid(x)
            no_response -= lead
            reward += examined * expected(w, r, s.user[b], item, x)
        elif w.choice[0] == ONE_OF_SLATE:
            lead = examined * math.exp(x) / total
            no_response -= lead
            reward += expected_at(w, r, s.user[b], item, x, lead)
        else:
            lead = examined * math.exp(x) / total if slots > 1 else examined * sigmoid(x)
            no_response -= lead
            reward += lead * expected_given(w, r, s.user[b], item, x, True)
        stay += lead * stay_probability(w, s, b, item, 0)
    return reward, stay + no_response * stay_probability(w, s, b, slate[0, 0], num_distinct(slate, 0))
