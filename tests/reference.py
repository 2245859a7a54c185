"""Reference implementation of the session model in numpy, from the equations of the design.

It shares no code with the simulator.

Axes: B sessions, K positions, E events.
"""

from itertools import product

import numpy as np

from recgym.sim.world import World


def logistic(x):
    return 1.0 / (1.0 + np.exp(-x))


def affinities(world: World, s, slate):
    """Affinity less the logit of the outside option, (B, K)."""
    a, p = world.arrays, world.params
    x = np.einsum("bd,bkd->bk", s.intent.astype(float), a.factors[slate].astype(float))
    x += a.item_bias[slate] + (a.user_bias[s.user] + s.mood + a.context_bias[s.context])[:, None]
    x += a.place_bias[np.minimum(s.step, len(a.place_bias) - 1)][:, None]
    x += p["kappa"] * np.take_along_axis(s.satiation, a.category[slate], 1) + p["theta"] * a.price[slate]
    x += p["rho"] * (s.memory[:, None, :] == slate[:, :, None]).any(2)
    if len(a.next_start) > 1:
        pairs = np.zeros((len(a.factors) + 1, len(a.factors)))  # the last row: no response yet
        pairs[np.repeat(np.arange(len(a.factors) + 1), np.diff(a.next_start)), a.next_item] = a.next_logit
        last = np.take_along_axis(s.memory, (s.engaged[:, None] - 1) % s.memory.shape[1], 1)
        place = np.where(s.engaged[:, None] > 0, last, -1)
        x += pairs[place, slate] - np.broadcast_to(a.next_level, len(pairs))[place]
    if p["omega"]:
        x += p["omega"] * np.log1p(friends_with_item(a)[s.user[:, None], slate])
    if len(a.return_logit) > 1:
        common = (a.user_bias[s.user] + s.mood + a.context_bias[s.context])[:, None]
        common = common + a.place_bias[np.minimum(s.step, len(a.place_bias) - 1)][:, None]
        x = common + np.log(
            np.exp(x - common) + response_shares(world, s, slate) * np.exp(a.return_logit[slate])
        )
    return np.clip(x - p["outside"], -30, 30)


def response_shares(world: World, s, slate):
    """Share of each item among the last responses, (B, K), newest first by `return_decay`."""
    found = np.zeros(slate.shape)
    for b, memory in enumerate(s.memory.tolist()):
        kept = min(int(s.engaged[b]), len(memory))
        newest = [memory[(int(s.engaged[b]) - 1 - age) % len(memory)] for age in range(kept)]
        weight = float(world.arrays.return_decay[0]) ** np.arange(kept)
        for k, item in enumerate(slate[b]):
            found[b, k] = weight[np.array(newest) == item].sum() / weight.sum() if kept else 0.0
    return found


def friends_with_item(a):
    """friends(u, i) from dense matrices, (U, N)."""
    users, items = len(a.profile), len(a.factors)
    edge, likes = np.zeros((users, users)), np.zeros((users, items + 1))
    edge[np.repeat(np.arange(users), np.diff(a.friend_start)), a.friend] = 1
    np.put_along_axis(likes, a.library, 1, axis=1)
    return edge @ likes[:, :items]


def acceptance(world: World, graph, s):
    """P(a candidate is accepted), (B, M), from a dense graph (B, U, U) with the edges of the episode."""
    a, p = world.arrays, world.params
    rows = np.arange(len(s.user))
    base = np.diff(a.friend_start)
    common = np.einsum("bv,bvm->bm", graph[rows, s.user], np.take_along_axis(graph, s.candidate[:, None], 2))
    x = p["connect_bias"] + p["connect_taste"] * np.einsum("bk,bmk->bm", a.kin[s.user], a.kin[s.candidate])
    x = x + p["connect_common"] * np.log1p(common) + p["connect_again"] * s.refused
    x = x + p["connect_degree"] * (np.log1p(base[s.user])[:, None] + np.log1p(base[s.candidate]))
    return np.where(np.take_along_axis(graph[rows, s.user], s.candidate, 1) > 0, 0.0, logistic(x))


def fresh(slate):
    """Positions that are not a repeat of one above, (B, K)."""
    return np.array([[item not in row[:k] for k, item in enumerate(row)] for row in slate.tolist()])


def response_probability(world: World, s, slate):
    """P(event 0 at position k), (B, K), examination averaged out by enumeration."""
    x, there = affinities(world, s, slate), fresh(slate)
    eps = world.arrays.examine[: slate.shape[1]].astype(float)
    if world.arrays.choice[0] == 1:
        return there * eps * logistic(x)
    if world.arrays.choice[0] == 3:
        weight = there * eps * np.exp(x)
        return weight / (1 + weight.sum(1, keepdims=True))
    total = np.zeros_like(x)
    for examined in product([0.0, 1.0], repeat=slate.shape[1]):
        examined = np.array(examined)
        chance = np.prod(np.where(examined == 1, eps, 1 - eps))
        if chance == 0:
            continue
        weight = there * examined * np.exp(x)
        total += chance * weight / (1 + weight.sum(1, keepdims=True))
    return total


def event_probability(world: World, s, slate, bits, event):
    """P(event | the events before it), (B, K), for shown items; watch worlds: event 1 given event 0 by its piece."""
    a = world.arrays
    x = affinities(world, s, slate)
    first, second = bits & 1, (bits >> 1) & 1
    logit = a.event_bias[event] + a.event_item[slate, event] + a.event_gain[event] * x
    logit = logit + a.event_user[s.user, event][:, None]
    logit = logit + a.event_link[event, 0] * first
    if event > 1:
        logit = logit + a.event_link[event, 1] * second
    needs = a.event_needs[event]
    p = logistic(logit) * (first if needs == 0 else second if needs == 1 else 1)
    if event == 1 and a.watch[0]:
        p = np.where(a.duration[slate] <= 7000, first, p)
    return p


def leaving_probability(world: World, before, after, slate, events):
    """P(leave) given the events, (B,); `before` and `after` are snapshots around the step."""
    a, p = world.arrays, world.params
    rows = np.arange(len(slate))
    responded = (events & 1).astype(bool)
    lead = slate[rows, np.where(responded.any(1), responded.argmax(1), 0)]
    run = np.where(before.liked_category == a.category[lead], before.run + 1, 1)
    step, items = before.step + 1, a.page_items[0]
    if items:
        step = np.maximum(before.engaged + responded.any(1), 1)
    logit = p["leave_bias"] + after.patience + a.leave_context[after.context]
    logit = logit + a.leave_time[np.minimum(step, len(a.leave_time)) - 1]
    moved = a.leave_item[lead] + a.leave_run[np.minimum(run, len(a.leave_run)) - 1]
    moved = moved + p["leave_repeat"] * (before.memory == lead[:, None]).any(1)
    chance = logistic(np.clip(logit + np.where(responded.any(1), moved, p["leave_idle"]), -30, 30))
    if items:
        shown = fresh(slate).sum(1)
        chance = np.where(responded.any(1), chance, 1 - (1 - chance) ** (shown / items))
    return chance


def next_intent(world: World, before, slate, events):
    """Intent after the events, (B, d)."""
    a, p = world.arrays, world.params
    pushed = before.intent + p["eta"] * np.einsum("bk,bkd->bd", (events & 1).astype(float), a.push[slate])
    moved = pushed + p["pull"] * (a.profile[before.user] - pushed)
    is_step = (a.page_items[0] == 0) | (events & 1).any(1)
    return np.where(is_step[:, None], moved, before.intent)
