"""One session, scalar: what a user does with a slate. Every equation of the simulator stands here, once.

`engine.py` runs these functions over a batch on the CPU; they hold no Python object and allocate nothing, so a CUDA
kernel can call them too. All arithmetic is float64 in registers (then plain Python and machine code agree, whatever a
literal's type); state is stored as float32.

Axes: B sessions, K slate positions, d factors, C categories, E events, H history, M memory. Row b is session b.

The session model, with where it comes from:
    affinity     x = <z, q_i> + b_i + a_u + mood + kappa S[c_i] + rho seen(i) + theta price_i + context
                     + omega log(1 + friends(u, i))
    examination  position k is looked at with probability eps_k (cascade-free position bias: Richardson et al., 2007)
    response     multinomial logit with an outside option (McFadden, 1974), over the slate or item by item
    intent       z <- z + eta m_i for what was answered positively, then a share `pull` of the way back to p_u
    leaving      discrete-time hazard (Singer and Willett, 1993) with a visit's own frailty (Vaupel et al., 1979)
"""

import math
from typing import TypeVar

from recgym.arrays import Doubles
from recgym.jit import njit
from recgym.observation import HISTOGRAM_DECAY, HISTORY_LENGTH
from recgym.rng import (
    CHOICE,
    CONTEXT,
    EVENT,
    EXAMINE,
    INTENT,
    LEAVE,
    MOOD,
    PATIENCE,
    USER,
    WATCH,
    episode_key,
    normal,
    uniform,
)
from recgym.sim.friend_requests import accepting, endorsers, meet, settle
from recgym.sim.schema import (
    DECAY,
    ETA,
    FRIENDS,
    KAPPA,
    LEAVE_BIAS,
    LEAVE_IDLE,
    LEAVE_REPEAT,
    OMEGA,
    ONE_CHOICE,
    OUTSIDE,
    PULL,
    RHO,
    SIGMA,
    THETA,
    WATCH_CLICK_MS,
    WATCH_EDGES_MS,
    WATCH_LONG_MS,
    WorldArrays,
)
from recgym.sim.schema import MOOD as MOOD_SD
from recgym.sim.schema import PATIENCE as PATIENCE_SD
from recgym.sim.state import MEMORY, Feedback, Sessions, Slates

LIMIT = 30.0  # logits are clipped to [-LIMIT, LIMIT]


Number = TypeVar("Number", int, float)


@njit()
def least(a: Number, b: Number) -> Number:
    """The smaller one (the built-in of this name does not compile for a CUDA device)."""
    return a if a < b else b


@njit()
def clip(x: float, limit: float) -> float:
    """x, no farther from 0 than `limit`."""
    if x > limit:
        return limit
    return x if x > -limit else -limit


@njit()
def sigmoid(x: float) -> float:
    """1 / (1 + exp(-x)), x clipped to [-30, 30]."""
    return 1.0 / (1.0 + math.exp(-clip(x, LIMIT)))


@njit()
def draw(cdf: Doubles, low: int, high: int, u: float) -> int:
    """Smallest index in [low, high) whose cumulative weight exceeds u."""
    high -= 1
    while low < high:
        middle = (low + high) // 2
        if cdf[middle] > u:
            high = middle
        else:
            low = middle + 1
    return low


@njit()
def start(w: WorldArrays, s: Sessions, b: int) -> None:
    """Begin the row's next visit: key, user, context, and what `begin` draws."""
    s.episode[b] += 1
    key = episode_key(s.seed[b], s.episode[b])
    s.key[b] = key
    user = draw(w.user_cdf, 0, w.user_cdf.shape[0], uniform(key, 0, USER, 0))
    begin(w, s, b, user, draw(w.context_cdf, 0, w.context_cdf.shape[0], uniform(key, 0, CONTEXT, 0)))


@njit()
def begin(w: WorldArrays, s: Sessions, b: int, user: int, context: int) -> None:
    """Begin the visit whose key stands in the row: first intent, patience, mood; everything else empty."""
    key = s.key[b]
    s.user[b] = user
    s.context[b] = context
    for j in range(s.intent.shape[1]):
        s.intent[b, j] = w.profile[user, j] + w.params[SIGMA] * normal(key, 0, INTENT, j)
    s.patience[b] = w.params[PATIENCE_SD] * normal(key, 0, PATIENCE, 0)
    s.mood[b] = w.params[MOOD_SD] * normal(key, 0, MOOD, 0)
    s.satiation[b, :] = 0.0
    s.shown[b, :] = 0.0
    s.liked[b, :] = 0.0
    s.memory[b, :] = -1
    s.items[b, :] = -1
    s.events[b, :] = 0
    s.step[b] = 0
    s.engaged[b] = 0
    s.liked_category[b] = -1
    s.lead[b] = -1
    s.lead_events[b] = 0
    s.run[b] = 0
    if w.choice[0] == FRIENDS:
        meet(w, s, b)


@njit()
def seen(s: Sessions, b: int, item: int) -> bool:
    """Whether the item is among the last M that were answered positively in this visit."""
    for j in range(least(s.engaged[b], MEMORY)):  # noqa: SIM110 - a generator does not compile
        if s.memory[b, j] == item:
            return True
    return False


@njit()
def affinity(w: WorldArrays, s: Sessions, b: int, item: int) -> float:
    """The x of section "affinity", less the outside option's logit, clipped: the logit of one item shown alone."""
    if w.choice[0] == FRIENDS:
        return clip(accepting(w, s, b, item), LIMIT)
    x = float(s.mood[b]) - w.params[OUTSIDE]
    for j in range(w.factors.shape[1]):
        x += s.intent[b, j] * float(w.factors[item, j])
    x += float(w.item_bias[item]) + float(w.user_bias[s.user[b]]) + float(w.context_bias[s.context[b]])
    x += w.params[KAPPA] * s.satiation[b, w.category[item]] + w.params[THETA] * w.price[item]
    if w.params[RHO] != 0.0 and seen(s, b, item):
        x += w.params[RHO]
    if w.params[OMEGA] != 0.0:
        x += w.params[OMEGA] * math.log(1.0 + endorsers(w, s.user[b], item))
    return clip(x, LIMIT)


@njit()
def event_logit(
    w: WorldArrays, user: int, item: int, event: int, x: float, first: bool, second: bool
) -> float:
    """Logit of an event after the response, given affinity and whether events 0 and 1 happened; -30 where barred."""
    needs = w.event_needs[event]
    if (needs == 0 and not first) or (needs == 1 and not second):
        return -LIMIT
    logit = w.event_bias[event] + w.event_gain[event] * x
    logit += float(w.event_item[item, event]) + float(w.event_user[user, event])
    if first:
        logit += w.event_link[event, 0]
    if second:
        logit += w.event_link[event, 1]
    return logit


@njit()
def watch_row(w: WorldArrays, duration: float, piece: int) -> int:
    """Row of the table of watch times: three to each group of durations, the last group serves all that is longer."""
    row = piece
    for edge in WATCH_EDGES_MS:
        if duration > edge and row + 3 < w.watch_quantiles.shape[0]:
            row += 3
    return row


@njit()
def watch_time(w: WorldArrays, item: int, piece: int, u: float) -> float:
    """Milliseconds watched: quantile u of piece 0 (skipped), 1 (a click, no long view) or 2 (a long view).

    The table holds shares of [0, click rule), of [click rule, long rule), and for a long view the excess over its
    rule in units of what was left of the item, at least five seconds. Below 0 they
    are shares of the rule itself: a log may call short plays clicks (KuaiRand: 1.4 % of rows, comments opened).
    """
    duration = float(w.duration[item])
    click, long = least(duration, WATCH_CLICK_MS), least(duration, WATCH_LONG_MS)
    place = u * (w.watch_quantiles.shape[1] - 1)
    low = least(int(place), w.watch_quantiles.shape[1] - 2)
    row = watch_row(w, duration, piece)
    q = float(w.watch_quantiles[row, low])
    q += (place - low) * (float(w.watch_quantiles[row, low + 1]) - q)
    if piece == 0:
        return least(q, 0.999) * click
    if q < 0.0:
        return (1.0 + q) * (click if piece == 1 else long)
    if piece == 1:
        return click + least(q, 0.999) * (long - click)
    return long + q * (duration - long if duration - long > 5_000.0 else 5_000.0)


@njit()
def follow_up(
    w: WorldArrays, s: Sessions, b: int, k: int, item: int, x: float, answered: bool, f: Feedback
) -> None:
    """Events of one examined item after the response was decided, written to f.events and f.watch."""
    num_events = w.event_bias.shape[0]
    key, step, user = s.key[b], s.step[b], s.user[b]
    first, second, begin = answered, False, 1
    if num_events > 1:
        u = uniform(key, step, EVENT, k * num_events + 1)
        second = u < sigmoid(event_logit(w, user, item, 1, x, first, False)) and (
            w.event_needs[1] != 0 or first
        )
        begin = 2
    if w.watch[0] == 1:
        duration = float(w.duration[item])
        piece = 2 if second or (first and duration <= WATCH_CLICK_MS) else int(first)
        first, second = piece > 0, piece == 2
        f.watch[b, k] = watch_time(w, item, piece, uniform(key, step, WATCH, k))
    bits = int(first) + 2 * int(second)
    for e in range(begin, num_events):
        needs = w.event_needs[e]
        if (needs == 0 and not first) or (needs == 1 and not second):
            continue
        chance = sigmoid(event_logit(w, user, item, e, x, first, second))
        if uniform(key, step, EVENT, k * num_events + e) < chance:
            bits += 1 << e
    f.events[b, k] = bits


@njit()
def respond(w: WorldArrays, s: Sessions, b: int, slate: Slates, f: Feedback) -> None:
    """The user's answer to slate b, written to row b of the feedback: events, watch time, repeats."""
    key, step = s.key[b], s.step[b]
    total, chosen, chosen_x = 1.0, -1, 0.0
    f.repeats[b] = 0
    for k in range(slate.shape[1]):
        item = slate[b, k]
        f.events[b, k] = 0
        f.watch[b, k] = 0.0
        if is_repeat(slate, b, k):
            f.repeats[b] += 1
            continue
        if uniform(key, step, EXAMINE, k) >= w.examine[k]:
            continue
        x = affinity(w, s, b, item)
        if w.choice[0] != ONE_CHOICE:
            follow_up(w, s, b, k, item, x, uniform(key, step, CHOICE, k) < sigmoid(x), f)
            continue
        # multinomial logit in one pass: after each option, the kept one is a draw from the options so far
        weight = math.exp(x)
        total += weight
        if uniform(key, step, CHOICE, k) * total < weight:
            chosen, chosen_x = k, x
    if w.choice[0] == ONE_CHOICE and chosen >= 0:
        follow_up(w, s, b, chosen, slate[b, chosen], chosen_x, True, f)


@njit()
def is_repeat(slate: Slates, b: int, k: int) -> bool:
    """Whether position k holds an item that stands higher up in the slate."""
    for above in range(k):  # noqa: SIM110 - a generator does not compile
        if slate[b, above] == slate[b, k]:
            return True
    return False


@njit()
def leave_logit(
    w: WorldArrays, s: Sessions, b: int, item: int, run: int, was_seen: bool, idle: bool
) -> float:
    """Logit of leaving after a step whose item is `item`; `s.step[b]` counts this step already.

    What was answered moves it: its item, the run it stands in, whether it is a repeat. After a slate that nobody
    answered (`idle`) these are silent: the log that tells them has answered steps alone, and an agent must not be
    able to hold people by what it merely shows.
    """
    logit = w.params[LEAVE_BIAS] + s.patience[b] + w.leave_context[s.context[b]]
    logit += w.leave_time[least(s.step[b], w.leave_time.shape[0]) - 1]
    if idle:
        return logit + w.params[LEAVE_IDLE]
    logit += w.leave_item[item] + w.leave_run[least(run, w.leave_run.shape[0]) - 1]
    if was_seen:
        logit += w.params[LEAVE_REPEAT]
    return logit


@njit()
def lead_position(slate: Slates, b: int, f: Feedback) -> int:
    """Position of the step's item: the first that was answered positively, else the top."""
    for k in range(slate.shape[1]):
        if f.events[b, k] & 1:
            return k
    return 0


@njit()
def remember(w: WorldArrays, s: Sessions, b: int, slate: Slates, f: Feedback) -> None:
    """What the answer does to the user and to the record: intent, satiation, memory, history, histograms."""
    num_factors, num_categories, slots = s.intent.shape[1], s.shown.shape[1], slate.shape[1]
    for c in range(num_categories):
        s.satiation[b, c] *= w.params[DECAY]
        s.shown[b, c] *= HISTOGRAM_DECAY
        s.liked[b, c] *= HISTOGRAM_DECAY
    unit = (1.0 - HISTOGRAM_DECAY) / slots
    bits = 0
    for k in range(slots):
        if is_repeat(slate, b, k):
            continue
        item = slate[b, k]
        category = w.category[item]
        for j in range(HISTORY_LENGTH - 1):
            s.items[b, j] = s.items[b, j + 1]
            s.events[b, j] = s.events[b, j + 1]
        s.items[b, HISTORY_LENGTH - 1] = item
        s.events[b, HISTORY_LENGTH - 1] = f.events[b, k]
        bits |= f.events[b, k]
        if w.choice[0] == FRIENDS:
            settle(w, s, b, item, f.events[b, k] & 1 == 1)
        s.shown[b, category] = least(s.shown[b, category] + unit, 1.0)
        if f.events[b, k] & 1:
            s.liked[b, category] = least(s.liked[b, category] + unit, 1.0)
            s.liked_category[b] = category
            s.satiation[b, category] += 1.0
            s.memory[b, s.engaged[b] % MEMORY] = item
            s.engaged[b] += 1
            for j in range(num_factors):
                s.intent[b, j] += w.params[ETA] * w.push[item, j]
    s.lead_events[b] = bits
    if w.params[PULL] != 0.0:
        user = s.user[b]
        for j in range(num_factors):
            s.intent[b, j] += w.params[PULL] * (float(w.profile[user, j]) - s.intent[b, j])


@njit()
def react(w: WorldArrays, s: Sessions, b: int, slate: Slates, f: Feedback) -> float:
    """What an answer leaves behind, written to the row: run, step, traces; returns the logit of leaving now."""
    k = lead_position(slate, b, f)
    item = slate[b, k]
    was_seen = seen(s, b, item)
    if f.events[b, k] & 1:
        s.run[b] = s.run[b] + 1 if s.liked_category[b] == w.category[item] else 1
    s.lead[b] = item
    s.step[b] += 1
    remember(w, s, b, slate, f)
    return leave_logit(w, s, b, item, s.run[b], was_seen, s.lead_events[b] & 1 == 0)


@njit()
def advance(w: WorldArrays, s: Sessions, b: int, slate: Slates, horizon: int, f: Feedback) -> None:
    """One step of session b: the answer, its traces, and whether the user leaves (written to f.left, f.horizon)."""
    respond(w, s, b, slate, f)
    step = s.step[b]
    logit = react(w, s, b, slate, f)
    f.left[b] = uniform(s.key[b], step, LEAVE, 0) < sigmoid(logit)
    f.horizon[b] = step + 1 >= horizon
