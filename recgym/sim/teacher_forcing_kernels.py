"""Kernels of `recgym.sim.teacher_forcing`: forecasts of logged sessions (visits), teacher-forced.

Axes: V visits, S steps of all visits, K positions, E events, O options of all steps, P draws, Q and R quadrature nodes.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recgym.arrays import Doubles, Indices
from recgym.jit import njit
from recgym.sim.logged_visits import LoggedVisits, Options, Predicted
from recgym.sim.scalar_math import MAX_LOGIT, clip, sigmoid
from recgym.sim.schema import INDEPENDENT, MOOD, ONE_OF_SLATE, SIGMA, WorldArrays
from recgym.sim.session import (
    affinity,
    apply_feedback,
    event_logit,
    has_required_event,
    second_event_probability,
)
from recgym.sim.session_start import begin_session, level_patience
from recgym.sim.slate_facts import is_repeat
from recgym.sim.state import Feedback, Sessions, Slates

Keys = NDArray[np.uint64]
MIN_LIKELIHOOD = 1e-12  # added to that of each logged response, which may break a rule of the event table


class Hidden(NamedTuple):
    """Hidden variables that are averaged out, and arrays for their weights."""

    user: Indices  # (P,) candidates for an unknown user
    key: Keys  # (P,) of the first intents
    level: Doubles  # (U,) standard deviation of the posterior of the user's level
    node: Doubles  # (Q,) of a standard normal
    mood_prior: Doubles  # (Q,)
    patience: Doubles  # (R,)
    patience_prior: Doubles  # (R,)
    mood: Doubles  # (P, Q) random intercept, with the user's level less its mean
    by_mood: Doubles  # (P, Q) weights by the responses so far
    by_patience: Doubles  # (P, R) weights by having stayed


class Impression(NamedTuple):
    """An item shown to a user."""

    user: int
    item: int
    x: float  # affinity


class HiddenState(NamedTuple):
    """One draw of the hidden variables at one quadrature node."""

    draw: int  # in [0, P)
    mood: float  # random intercept
    weight: float  # in [0, 1]


@njit()
def _open_visit(w: WorldArrays, v: LoggedVisits, visit: int, s: Sessions, h: Hidden) -> int:
    """Begin a visit for all draws; returns their number: 1 if neither user nor first intent is random."""
    draws = 1 if v.user[visit] >= 0 and w.params[SIGMA] == 0.0 else h.user.shape[0]
    for b in range(draws):
        s.key[b] = h.key[b]
        begin_session(w, s, b, v.user[visit] if v.user[visit] >= 0 else h.user[b], v.context[visit])
        s.mood[b] = 0.0
        s.patience[b] = level_patience(w, s.user[b])
        spread, level = w.params[MOOD], h.level[s.user[b]]
        if level > 0.0:
            spread = math.sqrt(spread * spread + level * level)
        for q in range(h.node.shape[0]):
            h.mood[b, q] = spread * h.node[q]
            h.by_mood[b, q] = h.mood_prior[q] / draws
        for r in range(h.patience.shape[0]):
            h.by_patience[b, r] = h.patience_prior[r]
    return draws


@njit()
def _row_sum(table: Doubles, row: int) -> float:
    total = 0.0
    for j in range(table.shape[1]):
        total += table[row, j]
    return total


@njit()
def _scale(table: Doubles, rows: int) -> None:
    """Divide the first `rows` rows by their sum."""
    total = 0.0
    for b in range(rows):
        total += _row_sum(table, b)
    for b in range(rows):
        for j in range(table.shape[1]):
            table[b, j] /= total


@njit()
def _normaliser(h: Hidden, draws: int) -> float:
    """Total weight of the hidden variables."""
    total = 0.0
    for b in range(draws):
        total += _row_sum(h.by_mood, b) * _row_sum(h.by_patience, b)
    return total


@njit()
def _add_marginals(
    w: WorldArrays,
    i: Impression,
    responded: float,
    skipped: float,
    weight: float,
    p: Doubles,
    step: int,
    k: int,
) -> None:
    """Add `weight` times the probability of every event to p[step, k].

    `responded` and `skipped` are the probabilities that the item is examined with a response, and with none.
    """
    p[step, k, 0] += weight * responded
    yes = second_event_probability(w, i.user, i.item, i.x, True)
    no = second_event_probability(w, i.user, i.item, i.x, False)
    if w.event_bias.shape[0] > 1:
        p[step, k, 1] += weight * (responded * yes + skipped * no)
    for e in range(2, w.event_bias.shape[0]):
        for cell in range(4):
            first, second = cell & 1 == 1, cell & 2 == 2
            if not has_required_event(w, e, first, second):
                continue
            given = yes if first else no
            mass = weight * (responded if first else skipped) * (given if second else 1.0 - given)
            if mass > 0.0:
                p[step, k, e] += mass * sigmoid(event_logit(w, i.user, i.item, e, i.x, first, second))


@njit()
def _likelihood(w: WorldArrays, i: Impression, bits: int, known: int) -> float:
    """Likelihood of the logged events after event 0, given event 0; events that the log does not have are left out."""
    first, second = bits & 1 == 1, bits & 2 == 2
    total = 1.0
    if known & 2:
        p = second_event_probability(w, i.user, i.item, i.x, first)
        total *= p if second else 1.0 - p
    for e in range(2, w.event_bias.shape[0]):
        if not (known >> e) & 1:
            continue
        p = 0.0
        if has_required_event(w, e, first, second):
            p = sigmoid(event_logit(w, i.user, i.item, e, i.x, first, second))
        total *= p if (bits >> e) & 1 else 1.0 - p
    return total


@njit()
def _expect_state(
    w: WorldArrays, v: LoggedVisits, step: int, s: Sessions, slate: Slates, h: HiddenState, out: Predicted
) -> float:
    """Add the event probabilities of one hidden state to `out`; returns the likelihood of the logged events under it.

    With one choice a slate, the weight of an item is multiplied by its examination probability. This is exact where all
    items are examined, and for ONE_OF_SLATE.
    """
    is_weighted = w.choice[0] == ONE_OF_SLATE
    b, independent, attraction, likely, responses = h.draw, w.choice[0] == INDEPENDENT, 1.0, 1.0, 0
    if not independent:
        for k in range(slate.shape[1]):
            if not is_repeat(slate, b, k):
                x = clip(affinity(w, s, b, slate[b, k]) + h.mood, MAX_LOGIT)
                attraction += w.examine[k] * math.exp(x)
    for k in range(slate.shape[1]):
        if is_repeat(slate, b, k):
            continue
        item, bits, examined = slate[b, k], v.events[step, k], float(w.examine[k])
        x = clip(affinity(w, s, b, item) + h.mood, MAX_LOGIT)
        responded = examined * (sigmoid(x) if independent else math.exp(x) / attraction)
        skipped = examined - responded if independent else 1.0 - responded if is_weighted else 0.0
        impression = Impression(s.user[b], item, x)
        _add_marginals(w, impression, responded, skipped, h.weight, out.chance, step, k)
        rest = _likelihood(w, impression, bits, v.known[0])
        if bits & 1:
            responses += 1
            likely *= responded * rest + MIN_LIKELIHOOD
        elif independent:
            likely *= skipped * rest + (1.0 - examined if bits == 0 else 0.0) + MIN_LIKELIHOOD
        elif is_weighted:
            likely *= rest + MIN_LIKELIHOOD
    return likely if independent or responses > 0 else likely / attraction


@njit()
def _expect_events(
    w: WorldArrays,
    v: LoggedVisits,
    step: int,
    s: Sessions,
    slate: Slates,
    h: Hidden,
    draws: int,
    out: Predicted,
) -> None:
    """Event probabilities of a step, averaged over the hidden variables, whose weights then get the likelihood."""
    total = _normaliser(h, draws)
    for b in range(draws):
        stayed = _row_sum(h.by_patience, b) / total
        share = _row_sum(h.by_mood, b) * stayed
        for k in range(slate.shape[1]):
            out.x[step, k] += share * affinity(w, s, b, slate[b, k])
        for q in range(h.node.shape[0]):
            state = HiddenState(b, h.mood[b, q], h.by_mood[b, q] * stayed)
            h.by_mood[b, q] *= _expect_state(w, v, step, s, slate, state, out)
    _scale(h.by_mood, draws)


@njit()
def _expect_choice(
    w: WorldArrays, s: Sessions, item: int, o: Options, step: int, h: Hidden, draws: int, out: Predicted
) -> None:
    """Probabilities of a step's options, given that one is chosen; the random intercept cancels."""
    total, begin = _normaliser(h, draws), o.begin[step]
    for b in range(draws):
        responded = _row_sum(h.by_mood, b)
        weight, attraction, chosen = responded * _row_sum(h.by_patience, b) / total, 0.0, 0.0
        for j in range(begin, o.begin[step + 1]):
            x = affinity(w, s, b, o.item[j])
            o.odds[j - begin] = math.exp(x)
            out.x[j] += weight * x
            attraction += o.odds[j - begin]
            if o.item[j] == item:
                chosen = o.odds[j - begin]
        for j in range(begin, o.begin[step + 1]):
            out.chance[j] += weight * o.odds[j - begin] / attraction
        for q in range(h.node.shape[0]):
            h.by_mood[b, q] *= chosen / attraction + MIN_LIKELIHOOD
    _scale(h.by_mood, draws)


@njit()
def _expect_leaving(w: WorldArrays, s: Sessions, slate: Slates, f: Feedback, h: Hidden, draws: int) -> float:
    """Apply the logged response to every draw; probability that the visit ends here.

    The weights of the frailty then get the likelihood of staying.
    """
    total, leaving = _normaliser(h, draws), 0.0
    for b in range(draws):
        logit, share = apply_feedback(w, s, b, slate, f), _row_sum(h.by_mood, b) / total
        for r in range(h.patience.shape[0]):
            p = sigmoid(logit + h.patience[r])
            leaving += share * h.by_patience[b, r] * p
            h.by_patience[b, r] *= 1.0 - p + MIN_LIKELIHOOD
    _scale(h.by_patience, draws)
    return leaving


@njit()
def copy_step(v: LoggedVisits, step: int, draws: int, slate: Slates, f: Feedback) -> None:
    """Copy the logged slate and events to every draw."""
    for b in range(draws):
        for k in range(slate.shape[1]):
            slate[b, k] = v.slate[step, k]
            f.events[b, k] = v.events[step, k]


@njit()
def forecast(
    w: WorldArrays, v: LoggedVisits, s: Sessions, slate: Slates, f: Feedback, h: Hidden, out: Predicted
) -> None:
    """Fill `out` for impressions; `s`, `slate` and `f` have P rows, whose content is overwritten."""
    for visit in range(v.user.shape[0]):
        draws = _open_visit(w, v, visit, s, h)
        for step in range(v.begin[visit], v.begin[visit + 1]):
            copy_step(v, step, draws, slate, f)
            _expect_events(w, v, step, s, slate, h, draws, out)
            out.left[step] = _expect_leaving(w, s, slate, f, h, draws)


@njit()
def forecast_choices(
    w: WorldArrays,
    v: LoggedVisits,
    o: Options,
    s: Sessions,
    slate: Slates,
    f: Feedback,
    h: Hidden,
    out: Predicted,
) -> None:
    """Fill `out` for choices; other arguments as in `forecast`."""
    for visit in range(v.user.shape[0]):
        draws = _open_visit(w, v, visit, s, h)
        for step in range(v.begin[visit], v.begin[visit + 1]):
            copy_step(v, step, draws, slate, f)
            _expect_choice(w, s, v.slate[step, 0], o, step, h, draws, out)
            out.left[step] = _expect_leaving(w, s, slate, f, h, draws)
