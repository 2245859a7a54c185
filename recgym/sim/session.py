"""The session model: scalar functions for one step of one session. Each equation is written once, here or in `leaving`.

`engine.py` runs these functions over a batch on the CPU. They hold no Python object and allocate nothing, so a CUDA
kernel can call them, too. Arithmetic is in float64, so that plain Python and machine code agree; state is float32.

Axes: B sessions, K slate positions, d factors, C categories, E events, H history, M memory. Row b is session b.

The model and its sources:
    affinity     x = <z, q_i> + b_i + a_u + mood + kappa S[c_i] + rho responded(i) + theta price_i + context
                     + place[t] + omega log(1 + friends(u, i)) + transition(last, i); returns: see `returns`
    examination  position k is examined with probability eps_k (position bias: Richardson et al., 2007)
    response     multinomial logit with an outside option (McFadden, 1974) over the slate, or a logit for each item;
                     where a slate of impressions has one response at most, eps_k multiplies the weight exp(x)
    intent       z <- z + eta m_i after a response to i, then z <- z + pull (p_u - z) after each step
    leaving      discrete-time hazard (Singer and Willett, 1993) with a frailty of the session (Vaupel et al., 1979)
                 written in `leaving`, with what a step is in a log of responses alone
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recgym.arrays import Bools, Doubles
from recgym.jit import njit
from recgym.rng import CHOICE, EVENT, EXAMINE, LEAVE, WATCH, uniform
from recgym.sim.friend_requests import acceptance_logit, num_friends_with_item
from recgym.sim.leaving import leave_clock, leave_share, leave_terms
from recgym.sim.returns import has_returns, with_returns
from recgym.sim.scalar_math import (
    MAX_LOGIT,
    clip,
    happens,
    happens_in_part,
    logit_in_part,
    minimum,
    sigmoid,
)
from recgym.sim.schema import (
    BY_RULES,
    FRIENDS,
    INDEPENDENT,
    KAPPA,
    OMEGA,
    ONE_CHOICE,
    ONE_OF_SLATE,
    OUTSIDE,
    RHO,
    THETA,
    WATCH_CLICK_MS,
    WorldArrays,
)
from recgym.sim.session_update import update_record
from recgym.sim.slate_facts import is_repeat, lead_position
from recgym.sim.state import Feedback, Sessions, Slates
from recgym.sim.transitions import has_transitions, transition
from recgym.sim.watch_time import CLICKED, LONG_VIEW, SKIPPED, watch_time
from recgym.sim.whole_pages import num_shown, on_page, shows_pages


@njit()
def had_response(s: Sessions, b: int, item: int) -> bool:
    """Whether the item is among the last M with a response in this session; empty places hold -1."""
    memory, count = s.memory[b], 0
    for j in range(
        memory.shape[0]
    ):  # without a branch, and of a length that is not constant, it is vectorised
        count += int(memory[j] == item)
    return count > 0


@njit()
def common_shift(w: WorldArrays, s: Sessions, b: int) -> float:
    """The part of affinity that all items have in common."""
    x = float(s.mood[b]) - w.params[OUTSIDE]
    x += float(w.user_bias[s.user[b]]) + float(w.context_bias[s.context[b]])
    return x + float(w.place_bias[minimum(s.step[b], w.place_bias.shape[0] - 1)])


@njit()
def affinity(w: WorldArrays, s: Sessions, b: int, item: int) -> float:
    """Affinity x less the logit of the outside option, clipped: the logit of a response to the item shown alone."""
    if w.choice[0] == FRIENDS:
        return clip(acceptance_logit(w, s, b, item), MAX_LOGIT)
    intent, factors = s.intent[b], w.factors[item]
    x = float(s.mood[b]) - w.params[OUTSIDE]
    for j in range(factors.shape[0]):
        x += intent[j] * float(factors[j])
    x += float(w.item_bias[item]) + float(w.user_bias[s.user[b]]) + float(w.context_bias[s.context[b]])
    x += float(w.place_bias[minimum(s.step[b], w.place_bias.shape[0] - 1)])
    x += w.params[KAPPA] * s.satiation[b, w.category[item]] + w.params[THETA] * w.price[item]
    if w.params[RHO] != 0.0 and had_response(s, b, item):
        x += w.params[RHO]
    if has_transitions(w):
        x += transition(w, s, b, item)
    if w.params[OMEGA] != 0.0:
        x += w.params[OMEGA] * math.log(1.0 + num_friends_with_item(w, s.user[b], item))
    if has_returns(w):
        shift = common_shift(w, s, b)
        x = shift + with_returns(w, s, b, item, x - shift)
    return clip(x, MAX_LOGIT)


@njit()
def fill_affinities(w: WorldArrays, s: Sessions, b: int, out: Doubles) -> None:
    """Write the `affinity` of every item to `out` (N,)."""
    for item in range(out.shape[0]):
        out[item] = affinity(w, s, b, item)


@njit()
def has_required_event(w: WorldArrays, event: int, first: bool, second: bool) -> bool:
    """Whether the event that `event` requires happened, given whether events 0 and 1 did; True if it requires none."""
    needs = w.event_needs[event]
    return (needs != 0 or first) and (needs != 1 or second)


@njit()
def click_is_long_view(w: WorldArrays, item: int) -> bool:
    """Whether a click on the item is a long view: in a world with watch times by rules, an item of at most 7 s."""
    return w.watch[0] == BY_RULES and w.duration[item] <= WATCH_CLICK_MS


def clicks_are_long_views(duration: NDArray[np.floating[Any]]) -> Bools:
    """`click_is_long_view` of items of these durations [ms], NaN where unknown, in a world BY_RULES."""
    return np.asarray(duration <= WATCH_CLICK_MS)


@njit()
def event_logit(
    w: WorldArrays, user: int, item: int, event: int, x: float, first: bool, second: bool
) -> float:
    """Logit of an event after event 0 at affinity x, given whether events 0 and 1 happened.

    It is -30 where the event that it requires did not happen.
    """
    if not has_required_event(w, event, first, second):
        return -MAX_LOGIT
    logit = w.event_bias[event] + w.event_gain[event] * x
    logit += float(w.event_item[item, event]) + float(w.event_user[user, event])
    return logit + int(first) * w.event_link[event, 0] + int(second) * w.event_link[event, 1]


@njit()
def second_event_probability(w: WorldArrays, user: int, item: int, x: float, first: bool) -> float:
    """P(event 1 | event 0), in [0, 1], of an examined item at affinity x."""
    if w.event_bias.shape[0] < 2 or not has_required_event(w, 1, first, False):
        return 0.0
    if first and click_is_long_view(w, item):
        return 1.0
    return sigmoid(event_logit(w, user, item, 1, x, first, False))


@njit()
def draw_events(
    w: WorldArrays, s: Sessions, b: int, k: int, item: int, x: float, responded: bool, f: Feedback
) -> None:
    """Draw events and watch time of an examined item, given whether there was a response; writes f.events, f.watch."""
    num_events = w.event_bias.shape[0]
    key, step, user = s.key[b], s.step[b], s.user[b]
    first, second, begin = responded, False, 1
    if num_events > 1:
        u = uniform(key, step, EVENT, k * num_events + 1)
        second = u < second_event_probability(w, user, item, x, first)
        begin = 2
    if w.watch[0] != 0:
        outcome = LONG_VIEW if second else CLICKED if first else SKIPPED
        first = outcome != SKIPPED
        f.watch[b, k] = watch_time(w, item, outcome, uniform(key, step, WATCH, k))
    bits = int(first) + 2 * int(second)
    for e in range(begin, num_events):
        if not has_required_event(w, e, first, second):
            continue
        logit = event_logit(w, user, item, e, x, first, second)
        if happens(uniform(key, step, EVENT, k * num_events + e), logit):
            bits += 1 << e
    f.events[b, k] = bits


@njit()
def _respond_to_slate(w: WorldArrays, s: Sessions, b: int, slate: Slates, f: Feedback) -> tuple[int, float]:
    """Draw the one response to a slate: its position, K for none, and its affinity. Independent ones are drawn."""
    key, step, slots = s.key[b], s.step[b], slate.shape[1]
    total, chosen, chosen_x = 1.0, slots, 0.0
    for k in range(slots):
        item = slate[b, k]
        f.events[b, k] = 0
        f.watch[b, k] = 0.0
        if is_repeat(slate, b, k):
            f.repeats[b] += 1
            continue
        is_weighted = w.choice[0] == ONE_OF_SLATE
        if not is_weighted and w.examine[k] < 1.0 and uniform(key, step, EXAMINE, k) >= w.examine[k]:
            continue
        x = affinity(w, s, b, item)
        if w.choice[0] == INDEPENDENT or w.choice[0] == FRIENDS:
            draw_events(w, s, b, k, item, x, happens(uniform(key, step, CHOICE, k), x), f)
            continue
        # multinomial logit in one pass: after each option, `chosen` is a draw from the options so far
        weight = w.examine[k] * math.exp(x) if is_weighted else math.exp(x)
        total += weight
        if uniform(key, step, CHOICE, k) * total < weight:
            chosen, chosen_x = k, x
    return chosen, chosen_x


@njit()
def _respond_to_page(w: WorldArrays, s: Sessions, b: int, slate: Slates, f: Feedback) -> tuple[int, float]:
    """As `_respond_to_slate`, to the whole page of the item in slate b; a clicked item takes its place in the slate."""
    key, step, place, size = s.key[b], s.step[b], 0, w.page.shape[0]
    total, chosen, chosen_x = 1.0, size, 0.0
    f.events[b, 0] = 0
    f.watch[b, 0] = 0.0
    for item in range(size):
        if not on_page(w, slate[b, 0], item):
            continue
        if w.examine[place] >= 1.0 or uniform(key, step, EXAMINE, place) < w.examine[place]:
            x = affinity(w, s, b, item)
            weight = math.exp(x)
            total += weight
            if uniform(key, step, CHOICE, place) * total < weight:
                chosen, chosen_x = item, x
        place += 1
    if chosen == size:
        return 1, 0.0
    slate[b, 0] = chosen
    return 0, chosen_x


@njit()
def respond(w: WorldArrays, s: Sessions, b: int, slate: Slates, f: Feedback) -> None:
    """Draw the user's response to slate b; writes events, watch time and repeats of row b of the feedback.

    Where items stand for pages, slate b then holds the clicked item.
    """
    f.repeats[b] = 0
    if shows_pages(w):
        chosen, x = _respond_to_page(w, s, b, slate, f)
    else:
        chosen, x = _respond_to_slate(w, s, b, slate, f)
    if w.choice[0] == ONE_CHOICE and chosen < slate.shape[1]:
        draw_events(w, s, b, chosen, slate[b, chosen], x, True, f)
    if w.choice[0] == ONE_OF_SLATE:
        for k in range(slate.shape[1]):
            if not is_repeat(slate, b, k):
                draw_events(w, s, b, k, slate[b, k], affinity(w, s, b, slate[b, k]), k == chosen, f)


@njit()
def apply_feedback(w: WorldArrays, s: Sessions, b: int, slate: Slates, f: Feedback) -> float:
    """Update row b with the events of a slate; returns the logit of leaving after it."""
    logit, share = record_feedback(w, s, b, slate, f)
    return logit_in_part(logit, share)


@njit()
def record_feedback(w: WorldArrays, s: Sessions, b: int, slate: Slates, f: Feedback) -> tuple[float, float]:
    """Update row b with the events of a slate; returns `leave_terms` after it, and `leave_share`."""
    k = lead_position(slate, b, f)
    item = slate[b, k]
    is_repeated, responded = had_response(s, b, item), f.events[b, k] & 1 == 1
    clock = leave_clock(w, s, b, responded)
    if responded:
        s.run[b] = s.run[b] + 1 if s.liked_category[b] == w.category[item] else 1
    s.lead[b] = item
    s.step[b] += 1
    update_record(w, s, b, slate, f)
    unanswered = 0 if responded else num_shown(w, slate, b)
    logit = leave_terms(w, s, b, clock, item, s.run[b], is_repeated, unanswered)
    return logit, leave_share(w, unanswered)


@njit()
def show(w: WorldArrays, s: Sessions, b: int, slate: Slates, f: Feedback) -> float:
    """Draw the response of session b to its slate; writes row b of `s` and of `f`; returns the logit of leaving.

    Where items stand for pages, slate b then holds the clicked item.
    """
    respond(w, s, b, slate, f)
    logit, share = record_feedback(w, s, b, slate, f)
    return logit_in_part(logit, share)


@njit()
def advance(w: WorldArrays, s: Sessions, b: int, slate: Slates, horizon: int, f: Feedback) -> None:
    """One step of session b, as `show`; also draws whether the user leaves."""
    step = s.step[b]
    respond(w, s, b, slate, f)
    logit, share = record_feedback(w, s, b, slate, f)
    f.left[b] = happens_in_part(uniform(s.key[b], step, LEAVE, 0), logit, share)
    f.horizon[b] = step + 1 >= horizon
