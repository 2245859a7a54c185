"""Teacher-forced forecasts of logged visits: the kernels of `recgym.sim.teacher_forcing`, which says what they mean.

Axes: V visits, S steps of all visits, K positions, E events, O options of all steps, P draws, Q and R quadrature nodes.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recgym.arrays import Doubles, Indices
from recgym.jit import njit
from recgym.sim.schema import INDEPENDENT, SIGMA, WATCH_CLICK_MS, WorldArrays
from recgym.sim.session import LIMIT, affinity, begin, clip, event_logit, is_repeat, react, sigmoid
from recgym.sim.state import Feedback, Sessions, Slates

Keys = NDArray[np.uint64]
LEAST = 1e-12  # likelihood of an answer that breaks a rule of the event table


class LoggedVisits(NamedTuple):
    """Whole visits one after the other. A slate shorter than K is filled up with its first item: an empty place."""

    user: Indices  # (V,) -1 for a stranger
    context: Indices  # (V,)
    begin: Slates  # (V + 1,) first step of each visit, and S
    slate: Slates  # (S, K) items of the world
    events: Indices  # (S, K) bit e for event e
    known: Indices  # (1,) bit e: the log has event e


class PageItems(NamedTuple):
    """What could have been chosen at each step, where one item was."""

    begin: Slates  # (S + 1,) first option of each step, and O
    item: Slates  # (O,)


class Predicted(NamedTuple):
    """Before each step, given the visit so far."""

    x: Doubles  # affinity at average mood, (S, K), or (O,) for choices
    chance: Doubles  # of each event (S, K, E); of each option, given that one is chosen, (O,)
    left: Doubles  # (S,) chance that the visit ends with the step, given its answer


class Hidden(NamedTuple):
    """What is averaged out, and room for its weights."""

    user: Indices  # (P,) whom a stranger may be
    key: Keys  # (P,) of the first intents
    mood: Doubles  # (Q,)
    mood_prior: Doubles  # (Q,)
    patience: Doubles  # (R,)
    patience_prior: Doubles  # (R,)
    by_mood: Doubles  # (P, Q) weight by the answers so far
    by_patience: Doubles  # (P, R) ... by having stayed


@njit()
def _open_visit(w: WorldArrays, v: LoggedVisits, visit: int, s: Sessions, h: Hidden) -> int:
    """Begin a visit for all draws; returns how many it needs."""
    draws = 1 if v.user[visit] >= 0 and w.params[SIGMA] == 0.0 else h.user.shape[0]
    for b in range(draws):
        s.key[b] = h.key[b]
        begin(w, s, b, v.user[visit] if v.user[visit] >= 0 else h.user[b], v.context[visit])
        s.mood[b] = 0.0
        s.patience[b] = 0.0
        for q in range(h.mood.shape[0]):
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
    """Make the first rows sum to 1."""
    total = 0.0
    for b in range(rows):
        total += _row_sum(table, b)
    for b in range(rows):
        for j in range(table.shape[1]):
            table[b, j] /= total


@njit()
def _normaliser(h: Hidden, draws: int) -> float:
    """Total weight of what is hidden."""
    total = 0.0
    for b in range(draws):
        total += _row_sum(h.by_mood, b) * _row_sum(h.by_patience, b)
    return total


@njit()
def _second(w: WorldArrays, user: int, item: int, x: float, first: bool) -> float:
    """Chance of event 1, given whether event 0 happened; as `session.follow_up` has it."""
    if w.event_bias.shape[0] < 2 or (not first and w.event_needs[1] == 0):
        return 0.0
    if first and w.watch[0] == 1 and w.duration[item] <= WATCH_CLICK_MS:
        return 1.0
    return sigmoid(event_logit(w, user, item, 1, x, first, False))


@njit()
def _add_marginals(
    w: WorldArrays, user: int, item: int, x: float, answered: float, refused: float, weight: float,
    chance: Doubles, step: int, k: int,
) -> None:  # fmt: skip
    """Add weight times the chance of every event; `answered` and `refused` are those of event 0 and of its absence."""
    chance[step, k, 0] += weight * answered
    yes, no = _second(w, user, item, x, True), _second(w, user, item, x, False)
    if w.event_bias.shape[0] > 1:
        chance[step, k, 1] += weight * (answered * yes + refused * no)
    for e in range(2, w.event_bias.shape[0]):
        for cell in range(4):
            first, second = cell & 1 == 1, cell & 2 == 2
            if (w.event_needs[e] == 0 and not first) or (w.event_needs[e] == 1 and not second):
                continue
            given = yes if first else no
            mass = weight * (answered if first else refused) * (given if second else 1.0 - given)
            if mass > 0.0:
                chance[step, k, e] += mass * sigmoid(event_logit(w, user, item, e, x, first, second))


@njit()
def _likelihood(w: WorldArrays, user: int, item: int, x: float, bits: int, known: int) -> float:
    """Of the logged events after event 0, given it."""
    first, second = bits & 1 == 1, bits & 2 == 2
    total = 1.0
    if known & 2:
        chance = _second(w, user, item, x, first)
        total *= chance if second else 1.0 - chance
    for e in range(2, w.event_bias.shape[0]):
        if not (known >> e) & 1:
            continue
        chance = 0.0
        if not ((w.event_needs[e] == 0 and not first) or (w.event_needs[e] == 1 and not second)):
            chance = sigmoid(event_logit(w, user, item, e, x, first, second))
        total *= chance if (bits >> e) & 1 else 1.0 - chance
    return total


@njit()
def _expect_state(
    w: WorldArrays, v: LoggedVisits, step: int, s: Sessions, slate: Slates, b: int, mood: float, weight: float,
    out: Predicted,
) -> float:  # fmt: skip
    """Add one hidden state's chances of the step's events to `out`; returns how likely it made what was logged.

    Where one item is chosen, not being looked at weakens an item instead of removing it: exact where all are seen.
    """
    independent, attraction, likely, answers = w.choice[0] == INDEPENDENT, 1.0, 1.0, 0
    if not independent:
        for k in range(slate.shape[1]):
            if not is_repeat(slate, b, k):
                attraction += w.examine[k] * math.exp(clip(affinity(w, s, b, slate[b, k]) + mood, LIMIT))
    for k in range(slate.shape[1]):
        if is_repeat(slate, b, k):
            continue
        item, bits, looked = slate[b, k], v.events[step, k], float(w.examine[k])
        x = clip(affinity(w, s, b, item) + mood, LIMIT)
        answered = looked * (sigmoid(x) if independent else math.exp(x) / attraction)
        refused = looked - answered if independent else 0.0
        _add_marginals(w, s.user[b], item, x, answered, refused, weight, out.chance, step, k)
        rest = _likelihood(w, s.user[b], item, x, bits, v.known[0])
        if bits & 1:
            answers += 1
            likely *= answered * rest + LEAST
        elif independent:
            likely *= refused * rest + (1.0 - looked if bits == 0 else 0.0) + LEAST
    return likely if independent or answers > 0 else likely / attraction


@njit()
def _expect_answers(
    w: WorldArrays,
    v: LoggedVisits,
    step: int,
    s: Sessions,
    slate: Slates,
    h: Hidden,
    draws: int,
    out: Predicted,
) -> None:
    """Chances of a step's events over all that is hidden, which then is weighed by what was logged."""
    total = _normaliser(h, draws)
    for b in range(draws):
        stayed = _row_sum(h.by_patience, b) / total
        share = _row_sum(h.by_mood, b) * stayed
        for k in range(slate.shape[1]):
            out.x[step, k] += share * affinity(w, s, b, slate[b, k])
        for q in range(h.mood.shape[0]):
            weight = h.by_mood[b, q] * stayed
            h.by_mood[b, q] *= _expect_state(w, v, step, s, slate, b, h.mood[q], weight, out)
    _scale(h.by_mood, draws)


@njit()
def _expect_choice(
    w: WorldArrays, s: Sessions, item: int, o: PageItems, step: int, h: Hidden, draws: int, out: Predicted
) -> None:
    """Chances of a step's options, given that one is chosen: mood, the same for all of them, is silent."""
    total = _normaliser(h, draws)
    for b in range(draws):
        answered = _row_sum(h.by_mood, b)
        weight, attraction, chosen = answered * _row_sum(h.by_patience, b) / total, 0.0, 0.0
        for j in range(o.begin[step], o.begin[step + 1]):
            x = affinity(w, s, b, o.item[j])
            out.x[j] += weight * x
            attraction += math.exp(x)
            if o.item[j] == item:
                chosen = math.exp(x)
        for j in range(o.begin[step], o.begin[step + 1]):
            out.chance[j] += weight * math.exp(affinity(w, s, b, o.item[j])) / attraction
        for q in range(h.mood.shape[0]):
            h.by_mood[b, q] *= chosen / attraction + LEAST
    _scale(h.by_mood, draws)


@njit()
def _expect_leaving(w: WorldArrays, s: Sessions, slate: Slates, f: Feedback, h: Hidden, draws: int) -> float:
    """The step's answer moves every draw; chance that the visit ends here, and what its going on tells of patience."""
    total, chance = _normaliser(h, draws), 0.0
    for b in range(draws):
        logit, share = react(w, s, b, slate, f), _row_sum(h.by_mood, b) / total
        for r in range(h.patience.shape[0]):
            leaves = sigmoid(logit + h.patience[r])
            chance += share * h.by_patience[b, r] * leaves
            h.by_patience[b, r] *= 1.0 - leaves + LEAST
    _scale(h.by_patience, draws)
    return chance


@njit()
def show(v: LoggedVisits, step: int, draws: int, slate: Slates, f: Feedback) -> None:
    """The logged slate and answer, to every draw."""
    for b in range(draws):
        for k in range(slate.shape[1]):
            slate[b, k] = v.slate[step, k]
            f.events[b, k] = v.events[step, k]


@njit()
def forecast(
    w: WorldArrays, v: LoggedVisits, s: Sessions, slate: Slates, f: Feedback, h: Hidden, out: Predicted
) -> None:
    """Fill `out` for impressions; `s`, `slate` and `f` are room for P draws."""
    for visit in range(v.user.shape[0]):
        draws = _open_visit(w, v, visit, s, h)
        for step in range(v.begin[visit], v.begin[visit + 1]):
            show(v, step, draws, slate, f)
            _expect_answers(w, v, step, s, slate, h, draws, out)
            out.left[step] = _expect_leaving(w, s, slate, f, h, draws)


@njit()
def forecast_choices(
    w: WorldArrays,
    v: LoggedVisits,
    o: PageItems,
    s: Sessions,
    slate: Slates,
    f: Feedback,
    h: Hidden,
    out: Predicted,
) -> None:
    """Fill `out` for choices; as `forecast`."""
    for visit in range(v.user.shape[0]):
        draws = _open_visit(w, v, visit, s, h)
        for step in range(v.begin[visit], v.begin[visit + 1]):
            show(v, step, draws, slate, f)
            _expect_choice(w, s, v.slate[step, 0], o, step, h, draws, out)
            out.left[step] = _expect_leaving(w, s, slate, f, h, draws)
