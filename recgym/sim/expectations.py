"""What is to be expected of a slate, in closed form: reward, and staying. For oracles and planning alone.

Axes: B sessions, N items, K slate positions, E events.
"""

import math

from recgym.jit import njit
from recgym.sim.schema import INDEPENDENT, WATCH_CLICK_MS, WorldArrays
from recgym.sim.session import affinity, event_logit, is_repeat, leave_logit, seen, sigmoid
from recgym.sim.state import Reward, Sessions, Slates


@njit()
def expected_given(w: WorldArrays, r: Reward, user: int, item: int, x: float, answered: bool) -> float:
    """Expected reward of an examined item at affinity x, given whether it is answered positively."""
    price = float(w.price_ratio[item])
    num_events = w.event_bias.shape[0]
    total = 0.0
    p_second = 0.0
    if num_events > 1 and (answered or w.event_needs[1] != 0):
        p_second = sigmoid(event_logit(w, user, item, 1, x, answered, False))
    if w.watch[0] == 1 and answered and w.duration[item] <= WATCH_CLICK_MS:
        p_second = 1.0
    for second in range(2):
        p = p_second if second == 1 else 1.0 - p_second
        if p == 0.0:
            continue
        value = r.weight[0] + r.price_weight[0] * price if answered else 0.0
        if second == 1:
            value += r.weight[1] + r.price_weight[1] * price
        for e in range(2, num_events):
            weight = r.weight[e] + r.price_weight[e] * price
            if (
                weight != 0.0
                and (w.event_needs[e] != 0 or answered)
                and (w.event_needs[e] != 1 or second == 1)
            ):
                value += weight * sigmoid(event_logit(w, user, item, e, x, answered, second == 1))
        if r.watch_weight[0] != 0.0:
            value += r.watch_weight[0] * r.watch_mean[item, 2 if second == 1 else int(answered)]
        total += p * value
    return total


@njit()
def expected(w: WorldArrays, r: Reward, user: int, item: int, x: float) -> float:
    """Expected reward of showing one item alone, examined, at affinity x."""
    answered = sigmoid(x)
    value = answered * expected_given(w, r, user, item, x, True)
    if w.choice[0] == INDEPENDENT:
        value += (1.0 - answered) * expected_given(w, r, user, item, x, False)
    return value


@njit()
def stays(w: WorldArrays, s: Sessions, b: int, item: int, idle: bool) -> float:
    """Probability of staying after a step whose item is `item`."""
    run = s.run[b] + 1 if s.liked_category[b] == w.category[item] else 1
    s.step[b] += 1  # the leaving logit counts this step
    leave = sigmoid(leave_logit(w, s, b, item, run, seen(s, b, item), idle))
    s.step[b] -= 1
    return 1.0 - leave


@njit()
def outlook(w: WorldArrays, r: Reward, s: Sessions, b: int, item: int) -> tuple[float, float]:
    """Expected reward of showing an item alone on top now, and the probability of staying after it."""
    x = affinity(w, s, b, item)
    looked = float(w.examine[0])
    answered = looked * sigmoid(x)
    stay = answered * stays(w, s, b, item, False) + (1.0 - answered) * stays(w, s, b, item, True)
    return looked * expected(w, r, s.user[b], item, x), stay


@njit()
def slate_outlook(w: WorldArrays, r: Reward, s: Sessions, b: int, slate: Slates) -> tuple[float, float]:
    """The same for the slate in row 0. One choice a slate: examination thins the weights (exact for one item)."""
    reward, stay, silent, total = 0.0, 0.0, 1.0, 1.0
    slots = slate.shape[1]
    for k in range(slots):
        if not is_repeat(slate, 0, k):
            total += w.examine[k] * math.exp(affinity(w, s, b, slate[0, k]))
    for k in range(slots):
        if is_repeat(slate, 0, k):
            continue
        item, looked = slate[0, k], float(w.examine[k])
        x = affinity(w, s, b, item)
        if w.choice[0] == INDEPENDENT:
            lead = silent * looked * sigmoid(x)
            silent -= lead
            reward += looked * expected(w, r, s.user[b], item, x)
        else:
            lead = looked * math.exp(x) / total if slots > 1 else looked * sigmoid(x)
            silent -= lead
            reward += lead * expected_given(w, r, s.user[b], item, x, True)
        stay += lead * stays(w, s, b, item, False)
    return reward, stay + silent * stays(w, s, b, slate[0, 0], True)
