"""Open-loop Monte-Carlo tree search over one session: the kernels of `recgym.sim.lookahead`.

Axes: N items, K positions, P pooled items, M candidates of a node, L nodes, D depth.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recgym.arrays import Doubles, Indices
from recgym.jit import njit
from recgym.rng import episode_key
from recgym.sim.expectations import item_expectation, slate_expectation
from recgym.sim.schema import WorldArrays
from recgym.sim.session import advance
from recgym.sim.session_arrays import copy_row
from recgym.sim.state import Feedback, Reward, Sessions, Slates
from recgym.sim.whole_pages import first_on_page, shows_pages

MAX_ROLLOUT_STEPS = 20
MIN_ROLLOUT_SURVIVAL = 0.02  # probability of not having left, below which a rollout ends
MIN_GAIN_SE = 1.0  # [standard errors] by which a searched action must beat the stationary one
EXPLORATION = 0.3  # factor of the confidence bound, in units of the stationary value


class Scratch(NamedTuple):
    """Working memory of one search; its content is not used after the decision."""

    reward: Doubles  # (N,) expected reward of an item at the root
    stay: Doubles  # (N,) probability of staying after it
    pool: Indices  # (P,) best items of the root
    pool_score: Doubles  # (P,)
    candidates: Indices  # (L, M)
    visits: Indices  # (L, M)
    total: Doubles  # (L, M) sum of returns
    square: Doubles  # (M,) sum of squared returns at the root
    child: Indices  # (L, M), -1 for none
    path_node: Indices  # (D,)
    path_arm: Indices  # (D,)
    path_reward: Doubles  # (D,) expected
    path_stay: Doubles  # (D,)
    slate: Slates  # (1, K)
    branch: Sessions  # (1,) the simulated session
    feedback: Feedback  # (1,) its feedback


class Root(NamedTuple):
    """The decision that is searched for."""

    pool: int  # number of pooled items, at most P
    value: float  # stationary value
    spread: float  # of the confidence bounds
    seed: np.uint64  # random seed of its simulations
    horizon: int  # [steps]


class SearchSettings(NamedTuple):
    """Settings of a search."""

    horizon: int  # [steps] of an episode
    simulations: int  # for each decision
    seed: np.uint64  # random seed of all simulations


@njit()
def stationary_value(reward: Doubles, stay: Doubles, count: int, steps: int) -> float:
    """Value of `steps` steps with constant rewards and probabilities of staying: v <- max_i r_i + g_i v."""
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
    """Insert into a list in descending order of at most `size` entries; returns its new length."""
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
def _best_of_pool(
    w: WorldArrays, r: Reward, t: Scratch, root: Root, out: Indices, scores: Doubles, size: int
) -> int:
    """Write the best `size` pooled items by stationary score in the branch to `out`; returns their number."""
    count = 0
    for p in range(root.pool):
        item = t.pool[p]
        reward, stay = item_expectation(w, r, t.branch, 0, item)
        count = insert_best(reward + stay * root.value, item, out, scores, count, size)
    return count


@njit()
def fill(t: Scratch, top: int, others: Indices, count: int) -> None:
    """Fill the slate with `top` and the best others below it; positions without an item repeat the top."""
    t.slate[0, 0] = top
    place = 0
    for k in range(1, t.slate.shape[1]):
        while place < count and others[place] == top:
            place += 1
        t.slate[0, k] = others[place] if place < count else top
        place += 1


@njit()
def pick(t: Scratch, node: int, arms: int, spread: float) -> int:
    """Arm of the largest upper confidence bound (UCT); unvisited arms come first, in order."""
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
def _is_candidate(w: WorldArrays, item: int) -> bool:
    """Whether the item is searched; of a page that one item stands for, the first."""
    return not shows_pages(w) or first_on_page(w, item) == item


@njit()
def _fill_pool(w: WorldArrays, r: Reward, s: Sessions, b: int, t: Scratch, steps: int) -> tuple[int, float]:
    """Pool the best items of the root by stationary score, half of them of distinct categories.

    Returns:
        The number of pooled items, and the stationary value.
    """
    num_items = t.reward.shape[0]
    for item in range(num_items):
        t.reward[item], t.stay[item] = item_expectation(w, r, s, b, item)
    value = stationary_value(t.reward, t.stay, num_items, steps)
    size, pool = min(t.pool.shape[0], num_items), 0
    for item in range(num_items):
        if _is_candidate(w, item):
            pool = insert_best(
                t.reward[item] + t.stay[item] * value, item, t.pool, t.pool_score, pool, (size + 1) // 2
            )
    for _ in range(size - pool):  # best item of a category that is not pooled yet, else of all
        best, choice, new = -1e300, -1, False
        for item in range(num_items):
            known, pooled = False, False
            for p in range(pool):
                known = known or w.category[t.pool[p]] == w.category[item]
                pooled = pooled or t.pool[p] == item
            score = t.reward[item] + t.stay[item] * value
            if (
                not pooled
                and _is_candidate(w, item)
                and (score > best or (not known and not new))
                and (not known or not new)
            ):
                best, choice, new = score, item, not known
        if choice >= 0:
            t.pool[pool] = choice
            pool += 1
    return pool, value


@njit()
def _roll_out(w: WorldArrays, r: Reward, t: Scratch, root: Root) -> float:
    """Return of the stationary policy over the pooled items, from the branch on."""
    s, horizon = t.branch, root.horizon
    spare = t.candidates[t.candidates.shape[0] - 1]
    arms = min(t.candidates.shape[1], root.pool)
    alive, total = 1.0, 0.0
    for _ in range(MAX_ROLLOUT_STEPS):
        if s.step[0] >= horizon or alive < MIN_ROLLOUT_SURVIVAL:
            return total
        count = _best_of_pool(w, r, t, root, spare, t.pool_score, arms)
        fill(t, spare[0], spare, count)
        reward, stay = slate_expectation(w, r, s, 0, t.slate)
        total += alive * reward
        alive *= stay
        advance(w, s, 0, t.slate, horizon, t.feedback)
    return total + alive * root.value * (horizon - s.step[0]) / horizon


@njit()
def _back_up(t: Scratch, depth: int, value: float) -> None:
    """Add the return of a simulation to all arms of its path."""
    for i in range(depth - 1, -1, -1):
        value = t.path_reward[i] + t.path_stay[i] * value
        t.visits[t.path_node[i], t.path_arm[i]] += 1
        t.total[t.path_node[i], t.path_arm[i]] += value
        if i == 0:
            t.square[t.path_arm[0]] += value * value


@njit()
def _simulate(w: WorldArrays, r: Reward, t: Scratch, root: Root, nodes: int) -> int:
    """One simulation from the branch; returns the number of nodes after it.

    Reward and staying enter by their expectations; only the responses, which change the state, are drawn.
    """
    s = t.branch
    arms = min(t.candidates.shape[1], root.pool)
    depth, node, fresh = 0, 0, False
    while depth < t.path_node.shape[0] and s.step[0] < root.horizon and not fresh:
        if node < 0:  # a new leaf: its candidates are the best of the pool in this state
            node = nodes
            nodes += 1
            _best_of_pool(w, r, t, root, t.candidates[node], t.pool_score, arms)
            t.visits[node, :] = 0
            t.total[node, :] = 0.0
            t.child[node, :] = -1
            t.child[t.path_node[depth - 1], t.path_arm[depth - 1]] = node
        arm = pick(t, node, arms, root.spread)
        if depth == 0:  # common random numbers: the n-th visits of all arms have the same key
            s.key[0] = episode_key(root.seed, t.visits[0, arm])
        fill(t, t.candidates[node, arm], t.candidates[node], arms)
        t.path_node[depth], t.path_arm[depth] = node, arm
        t.path_reward[depth], t.path_stay[depth] = slate_expectation(w, r, s, 0, t.slate)
        advance(w, s, 0, t.slate, root.horizon, t.feedback)
        fresh = t.visits[node, arm] == 0
        node = t.child[node, arm]
        depth += 1
    _back_up(t, depth, _roll_out(w, r, t, root))
    return nodes


@njit()
def best_arm(t: Scratch, arms: int) -> int:
    """Arm of the root with the largest gain over arm 0 (the stationary choice) less MIN_GAIN_SE standard errors.

    It is arm 0 if no gain is positive.
    """
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
        gain = mean - base - MIN_GAIN_SE * (noise + own) ** 0.5
        if gain > max(best, 0.0):
            best, choice = gain, m
    return choice


@njit()
def search(
    w: WorldArrays,
    r: Reward,
    s: Sessions,
    rows: NDArray[np.bool_],
    settings: SearchSettings,
    t: Scratch,
    out: Slates,
) -> None:
    """Write the best slate found for each session of `rows` to `out` (B, K)."""
    for b in range(rows.shape[0]):
        if not rows[b]:
            continue
        remaining = settings.horizon - s.step[b]
        pool, value = _fill_pool(w, r, s, b, t, remaining)
        arms = min(t.candidates.shape[1], pool)
        for m in range(arms):
            t.candidates[0, m] = t.pool[m]
        t.visits[0, :] = 0
        t.total[0, :] = 0.0
        t.square[:] = 0.0
        t.child[0, :] = -1
        nodes = 1
        if arms > 1 and remaining > 1:
            seed = episode_key(s.key[b] ^ settings.seed, s.step[b])
            root = Root(pool, value, EXPLORATION * max(value, 1e-3), seed, settings.horizon)
            for _ in range(settings.simulations):
                copy_row(s, b, t.branch)
                nodes = _simulate(w, r, t, root, nodes)
        fill(t, t.candidates[0, best_arm(t, arms)], t.pool, pool)
        for k in range(out.shape[1]):
            out[b, k] = t.slate[0, k]
