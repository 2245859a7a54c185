"""Looking ahead with the simulator itself: what planning is worth at most, and the benchmark's score of 1.

Open-loop Monte-Carlo tree search (Perez Liebana et al., 2015, "Open loop search for general video game playing";
UCT by Kocsis and Szepesvari, 2006): a node is a sequence of actions, each simulation branches the session with luck
of its own and walks down by upper confidence bounds; a stationary value stands for what lies below the tree. Rewards
and staying enter by their expectation, so that only the answers which move the state are drawn: with drawn rewards
and drawn leaving a hundred simulations chose worse than none. The true luck of the session is never used.

The stationary value: with rewards r_i and probabilities of staying g_i as they are in a state,
    v <- max_i r_i + g_i v,    once for each step that remains,
so it knows that a session must be kept alive, but not that it moves.

For slates an action is the item on top; the rest is filled by the stationary score.

Axes: B sessions, N items, K positions, P pooled items, M candidates of a node, L nodes.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recgym.arrays import Doubles, Indices
from recgym.jit import njit
from recgym.rng import PLAN, episode_key
from recgym.sim.engine import Engine, empty_sessions
from recgym.sim.expectations import outlook, slate_outlook
from recgym.sim.schema import WorldArrays
from recgym.sim.session import advance
from recgym.sim.state import Feedback, Reward, Sessions, Slates

POOL, CANDIDATES, DEPTH, ROLLOUT = 24, 10, 8, 20
CAUTION = 1.0  # standard errors by which a searched action must beat the stationary one
EXPLORATION = 0.3  # of the confidence bound, in units of the stationary value


class Scratch(NamedTuple):
    """Working memory of one search; nothing in it outlives the decision."""

    reward: Doubles  # (N,) expected reward of an item now
    stay: Doubles  # (N,) probability of staying after it
    pool: Indices  # (P,) best items of the root
    pool_score: Doubles  # (P,)
    candidates: Indices  # (L, M)
    visits: Indices  # (L, M)
    total: Doubles  # (L, M) sum of returns
    square: Doubles  # (M,) sum of squared returns at the root
    child: Indices  # (L, M), -1 for none
    path_node: Indices  # (depth,)
    path_arm: Indices  # (depth,)
    path_reward: Doubles  # (depth,) expected
    path_stay: Doubles  # (depth,)
    slate: Slates  # (1, K)


@njit()
def stationary(reward: Doubles, stay: Doubles, count: int, steps: int) -> float:
    """Value of the best single item shown for ever, `steps` slates long."""
    v = 0.0
    for _ in range(steps):
        best = -1e300
        for i in range(count):
            best = max(best, reward[i] + stay[i] * v)
        if best - v < 1e-6 * (1.0 + abs(v)):
            return best
        v = best
    return v


@njit()
def insert_best(value: float, item: int, items: Indices, scores: Doubles, count: int, size: int) -> int:
    """Insert into a list that is sorted downward and holds at most `size`; the new length."""
    if count == size and value <= scores[count - 1]:
        return count
    place = count if count < size else size - 1
    while place > 0 and scores[place - 1] < value:
        if place < size:
            scores[place] = scores[place - 1]
            items[place] = items[place - 1]
        place -= 1
    scores[place] = value
    items[place] = item
    return min(count + 1, size)


@njit()
def pool_best(
    w: WorldArrays,
    r: Reward,
    s: Sessions,
    t: Scratch,
    pool: int,
    ahead: float,
    out: Indices,
    scores: Doubles,
    size: int,
) -> int:
    """The best `size` of the pooled items by stationary score in state 0 of `s`; how many there are."""
    count = 0
    for p in range(pool):
        item = t.pool[p]
        reward, stay = outlook(w, r, s, 0, item)
        count = insert_best(reward + stay * ahead, item, out, scores, count, size)
    return count


@njit()
def fill(t: Scratch, top: int, others: Indices, count: int) -> None:
    """Put `top` on top of the slate and the best others below it; what cannot be filled repeats the top."""
    t.slate[0, 0] = top
    place = 0
    for k in range(1, t.slate.shape[1]):
        while place < count and others[place] == top:
            place += 1
        t.slate[0, k] = others[place] if place < count else top
        place += 1


@njit()
def pick(t: Scratch, node: int, arms: int, spread: float) -> int:
    """The arm of the highest upper confidence bound; untried ones first, in their order."""
    visited = 0
    for m in range(arms):
        if t.visits[node, m] == 0:
            return m
        visited += t.visits[node, m]
    best, arm = -1e300, 0
    for m in range(arms):
        bound = t.total[node, m] / t.visits[node, m] + spread * (math.log(visited) / t.visits[node, m]) ** 0.5
        if bound > best:
            best, arm = bound, m
    return arm


@njit()
def _copy(source: NDArray[Any], b: int, target: NDArray[Any]) -> None:
    for j in range(target.shape[1]):  # a slice would be copied through memory that kernels do not have
        target[0, j] = source[b, j]


@njit()
def copy_row(source: Sessions, b: int, target: Sessions) -> None:
    """Branch: row b of one batch becomes row 0 of another."""
    target.seed[0], target.episode[0], target.key[0] = source.seed[b], source.episode[b], source.key[b]
    target.user[0], target.context[0], target.step[0] = source.user[b], source.context[b], source.step[b]
    target.patience[0], target.mood[0] = source.patience[b], source.mood[b]
    target.engaged[0] = source.engaged[b]
    target.liked_category[0], target.lead[0] = source.liked_category[b], source.lead[b]
    target.lead_events[0], target.run[0] = source.lead_events[b], source.run[b]
    _copy(source.intent, b, target.intent)
    _copy(source.satiation, b, target.satiation)
    _copy(source.memory, b, target.memory)
    _copy(source.items, b, target.items)
    _copy(source.events, b, target.events)
    _copy(source.shown, b, target.shown)
    _copy(source.liked, b, target.liked)
    _copy(source.candidate, b, target.candidate)
    _copy(source.shared, b, target.shared)
    _copy(source.tie, b, target.tie)
    _copy(source.refused, b, target.refused)


@njit()
def fill_pool(w: WorldArrays, r: Reward, s: Sessions, b: int, t: Scratch, steps: int) -> tuple[int, float]:
    """Pool the root's best items by stationary score; how many, and the stationary value."""
    num_items = t.reward.shape[0]
    for item in range(num_items):
        t.reward[item], t.stay[item] = outlook(w, r, s, b, item)
    ahead = stationary(t.reward, t.stay, num_items, steps)
    size, pool = min(t.pool.shape[0], num_items), 0
    for item in range(num_items):
        pool = insert_best(
            t.reward[item] + t.stay[item] * ahead, item, t.pool, t.pool_score, pool, (size + 1) // 2
        )
    for _ in range(size - pool):  # the other half: the best of a category that is not there yet, then of all
        best, choice, new = -1e300, -1, False
        for item in range(num_items):
            known, pooled = False, False
            for p in range(pool):
                known = known or w.category[t.pool[p]] == w.category[item]
                pooled = pooled or t.pool[p] == item
            value = t.reward[item] + t.stay[item] * ahead
            if not pooled and (value > best or (not known and not new)) and (not known or not new):
                best, choice, new = value, item, not known
        t.pool[pool] = choice
        pool += 1
    return pool, ahead


@njit()
def roll_out(
    w: WorldArrays, r: Reward, s: Sessions, f: Feedback, t: Scratch, pool: int, ahead: float, horizon: int
) -> float:
    """Return of the stationary policy from state 0 of `s` on, over the pooled items."""
    spare = t.candidates[t.candidates.shape[0] - 1]
    arms = min(t.candidates.shape[1], pool)
    alive, total = 1.0, 0.0
    for _ in range(ROLLOUT):
        if s.step[0] >= horizon or alive < 0.02:
            return total
        count = pool_best(w, r, s, t, pool, ahead, spare, t.pool_score, arms)
        fill(t, spare[0], spare, count)
        reward, stay = slate_outlook(w, r, s, 0, t.slate)
        total += alive * reward
        alive *= stay
        advance(w, s, 0, t.slate, horizon, f)
    return total + alive * ahead * (horizon - s.step[0]) / horizon


@njit()
def simulate(
    w: WorldArrays,
    r: Reward,
    s: Sessions,
    f: Feedback,
    t: Scratch,
    pool: int,
    nodes: int,
    ahead: float,
    spread: float,
    luck: np.uint64,
    horizon: int,
) -> int:
    """One simulation from the branched session in row 0 of `s`; the number of nodes after it.

    Rewards and staying enter by their expectation, only the answers that move the state are drawn.
    """
    arms = min(t.candidates.shape[1], pool)
    depth, node, fresh = 0, 0, False
    while depth < t.path_node.shape[0] and s.step[0] < horizon and not fresh:
        if node < 0:  # a new leaf: its candidates are the best of the pool in this state
            node = nodes
            nodes += 1
            pool_best(w, r, s, t, pool, ahead, t.candidates[node], t.pool_score, arms)
            t.visits[node, :] = 0
            t.total[node, :] = 0.0
            t.child[node, :] = -1
            t.child[t.path_node[depth - 1], t.path_arm[depth - 1]] = node
        arm = pick(t, node, arms, spread)
        if depth == 0:  # the n-th visits of all arms share their luck, so that arms are compared in pairs
            s.key[0] = episode_key(luck, t.visits[0, arm])
        fill(t, t.candidates[node, arm], t.candidates[node], arms)
        t.path_node[depth], t.path_arm[depth] = node, arm
        t.path_reward[depth], t.path_stay[depth] = slate_outlook(w, r, s, 0, t.slate)
        advance(w, s, 0, t.slate, horizon, f)
        fresh = t.visits[node, arm] == 0
        node = t.child[node, arm]
        depth += 1
    value = roll_out(w, r, s, f, t, pool, ahead, horizon)
    for i in range(depth - 1, -1, -1):
        value = t.path_reward[i] + t.path_stay[i] * value
        t.visits[t.path_node[i], t.path_arm[i]] += 1
        t.total[t.path_node[i], t.path_arm[i]] += value
        if i == 0:
            t.square[t.path_arm[0]] += value * value
    return nodes


@njit()
def best_arm(t: Scratch, arms: int) -> int:
    """The root's arm of the highest mean, where it beats the stationary choice (arm 0) by CAUTION standard errors."""
    best, choice = -1e300, 0
    if t.visits[0, 0] < 2:
        return 0
    base = t.total[0, 0] / t.visits[0, 0]
    noise = max(t.square[0] / t.visits[0, 0] - base * base, 0.0) / (t.visits[0, 0] - 1)
    for m in range(1, arms):
        if t.visits[0, m] < 2:
            continue
        mean = t.total[0, m] / t.visits[0, m]
        own = max(t.square[m] / t.visits[0, m] - mean * mean, 0.0) / (t.visits[0, m] - 1)
        gain = mean - base - CAUTION * (noise + own) ** 0.5
        if gain > max(best, 0.0):
            best, choice = gain, m
    return choice


@njit()
def search(
    w: WorldArrays,
    r: Reward,
    s: Sessions,
    rows: NDArray[np.bool_],
    horizon: int,
    simulations: int,
    seed: np.uint64,
    branch: Sessions,
    f: Feedback,
    t: Scratch,
    out: Slates,
) -> None:
    """Best slate for each session in `rows`, written to `out` (B, K)."""
    for b in range(rows.shape[0]):
        if not rows[b]:
            continue
        remaining = horizon - s.step[b]
        pool, ahead = fill_pool(w, r, s, b, t, remaining)
        arms = min(t.candidates.shape[1], pool)
        for m in range(arms):
            t.candidates[0, m] = t.pool[m]
        t.visits[0, :] = 0
        t.total[0, :] = 0.0
        t.square[:] = 0.0
        t.child[0, :] = -1
        nodes = 1
        spread = EXPLORATION * max(ahead, 1e-3)
        if arms > 1 and remaining > 1:
            luck = episode_key(s.key[b] ^ seed, s.step[b])
            for _ in range(simulations):
                copy_row(s, b, branch)
                nodes = simulate(w, r, branch, f, t, pool, nodes, ahead, spread, luck, horizon)
        fill(t, t.candidates[0, best_arm(t, arms)], t.pool, pool)
        for k in range(out.shape[1]):
            out[b, k] = t.slate[0, k]


def plan(
    engine: Engine, rows: NDArray[np.bool_] | None = None, *, simulations: int = 100, seed: int = 0
) -> Slates:
    """Slates (B, K) for an engine's sessions as they stand, found by branching them; the engine is left as it was.

    Args:
        engine: the sessions; hidden intents are read, future luck is not.
        rows: (B,) sessions that want a slate, all by default; others get zeros.
        simulations: branches a decision, at least 0 (0: the stationary policy).
        seed: of the branches' luck.
    """
    if simulations < 0:
        raise ValueError(f"simulations is {simulations}, expected at least 0")
    world, slots = engine.world, engine.slate_size
    size = min(max(POOL, slots), world.num_items)
    arms, nodes = min(max(CANDIDATES, slots), size), simulations + 2
    scratch = Scratch(
        reward=np.zeros(world.num_items),
        stay=np.zeros(world.num_items),
        pool=np.zeros(size, np.int32),
        pool_score=np.zeros(size),
        candidates=np.zeros((nodes, arms), np.int32),
        visits=np.zeros((nodes, arms), np.int32),
        total=np.zeros((nodes, arms)),
        square=np.zeros(arms),
        child=np.zeros((nodes, arms), np.int32),
        path_node=np.zeros(DEPTH, np.int32),
        path_arm=np.zeros(DEPTH, np.int32),
        path_reward=np.zeros(DEPTH),
        path_stay=np.zeros(DEPTH),
        slate=np.zeros((1, slots), np.int64),
    )
    feedback = Feedback(
        np.zeros((1, slots), np.int32),
        np.zeros((1, slots), np.float32),
        np.zeros(1, np.int32),
        np.zeros(1),
        np.zeros(1, np.bool_),
        np.zeros(1, np.bool_),
    )
    out = np.zeros((engine.num, slots), np.int64)
    search(
        world.arrays,
        engine.reward,
        engine.sessions,
        engine.all_rows if rows is None else rows,
        engine.horizon,
        simulations,
        np.uint64(episode_key(np.uint64(seed), PLAN)),
        empty_sessions(world, 1),
        feedback,
        scratch,
        out,
    )
    return out
