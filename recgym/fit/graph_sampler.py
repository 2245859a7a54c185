"""A graph like the log's, drawn: by degrees, by likeness of taste, and by closing triangles.

Everybody has as many stubs as friends in the log. Stubs are joined one after another: with probability `closing` to a
friend of a friend, else to anybody, both by exp(slope x likeness) among those with stubs left; a friend of a friend
counts once for every friend in common (triadic closure: Jin, Girvan and Newman, 2001; degrees as in the configuration
model, taste as in latent-space models: Hoff et al., 2002). `slope` and `closing` are those at which what
friends share and how many triangles they close are as in the log.

Axes: U users, k dimensions of taste, P pairs.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recgym.arrays import Doubles, Ints
from recgym.jit import njit
from recgym.logs.friend_graph import FriendGraph
from recgym.rng import uniform

LOOKED_AT = 256  # stubs looked at for a stranger to befriend
PICK, OWN, CLOSE, STRANGER, KEPT = range(5)  # streams of random numbers
ROUNDS = 12  # draws by which slope and closing are set


@njit()
def _is_friend(friend: NDArray[np.int64], count: NDArray[np.int64], user: int, other: int) -> bool:
    for j in range(count[user]):  # noqa: SIM110 - a generator does not compile
        if friend[user, j] == other:
            return True
    return False


@njit()
def _likeness(kin: Doubles, user: int, other: int) -> float:
    total = 0.0
    for j in range(kin.shape[1]):
        total += kin[user, j] * kin[other, j]
    return total


@njit()
def _friend_of_friend(
    kin: Doubles, left: Ints, friend: Ints, count: Ints, user: int, slope: float, key: np.uint64, step: int
) -> int:
    """One of them with stubs left, drawn in one pass; -1 where there is none."""
    total, chosen, column = 0.0, -1, 0
    for i in range(count[user]):
        middle = friend[user, i]
        for j in range(count[middle]):
            other = friend[middle, j]
            if other == user or left[other] == 0 or _is_friend(friend, count, user, other):
                continue
            weight = np.exp(slope * _likeness(kin, user, other))
            total += weight
            if uniform(key, step, CLOSE, column) * total < weight:
                chosen = other
            column += 1
    return chosen


@njit()
def _stranger(
    kin: Doubles, left: Ints, entries: Ints, pool: Ints, size: int, friend: Ints, count: Ints, user: int,
    slope: float, key: np.uint64, step: int,
) -> int:  # fmt: skip
    """Anybody with stubs left, by their number and likeness; -1 where none of those looked at is free."""
    total, chosen = 0.0, -1
    for i in range(LOOKED_AT):
        other = pool[int(uniform(key, step, STRANGER, 2 * i) * size)]
        if other == user or left[other] == 0 or _is_friend(friend, count, user, other):
            continue
        weight = np.exp(slope * _likeness(kin, user, other)) * left[other] / entries[other]
        total += weight
        if uniform(key, step, STRANGER, 2 * i + 1) * total < weight:
            chosen = other
    return chosen


@njit()
def _join(
    kin: Doubles, left: Ints, entries: Ints, pool: Ints, friend: Ints, count: Ints, slope: float, closing: float,
    key: np.uint64,
) -> None:  # fmt: skip
    """Fill `friend` (U, most) and `count` (U,) until the stubs are used up or nobody fits them."""
    size, step, vain = pool.shape[0], 0, 0
    while size > 1 and vain < 2_000:
        step += 1
        place = int(uniform(key, step, PICK, 0) * size)
        user = pool[place]
        if (
            uniform(key, step, KEPT, 0) * entries[user] >= left[user]
        ):  # a stub that was used up by another's choice
            size -= 1
            pool[place] = pool[size]
            entries[user] -= 1
            continue
        other = -1
        if uniform(key, step, OWN, 0) < closing:
            other = _friend_of_friend(kin, left, friend, count, user, slope, key, step)
        if other < 0:
            other = _stranger(kin, left, entries, pool, size, friend, count, user, slope, key, step)
        if other < 0:
            vain += 1
            continue
        friend[user, count[user]], friend[other, count[other]] = other, user
        count[user] += 1
        count[other] += 1
        left[user] -= 1
        left[other] -= 1


def draw_graph(degree: Ints, kin: Doubles, slope: float, closing: float, seed: int) -> FriendGraph:
    """A graph in which user u has degree[u] friends (or a few fewer, where nobody fits)."""
    pool = np.repeat(np.arange(len(degree)), degree)
    friend = np.zeros((len(degree), max(int(degree.max()), 1)), np.int64)
    count = np.zeros(len(degree), np.int64)
    _join(
        np.ascontiguousarray(kin, np.float64), degree.astype(np.int64).copy(), degree.astype(np.int64).copy(), pool,
        friend, count, slope, closing, np.uint64(seed),
    )  # fmt: skip
    owner = np.repeat(np.arange(len(degree)), count)
    ends = friend[np.arange(friend.shape[1]) < count[:, None]]
    once = owner < ends
    return FriendGraph.of(np.stack([owner[once], ends[once]], axis=1), len(degree))


class Draw(NamedTuple):
    """A drawn graph and the numbers that it was drawn by."""

    graph: FriendGraph
    slope: float
    closing: float


def draw_alike(
    log: FriendGraph, kin: Doubles, lift: Callable[[Ints], float], wanted: float, slope: float, seed: int
) -> Draw:
    """Draw with the slope and closing at which `lift` of the pairs is `wanted` and transitivity is that of `log`.

    A stochastic search of ROUNDS draws from `slope` on; the one that misses least is kept.
    """
    transitivity, closing, least = log.transitivity(), 0.5, np.inf
    for number in range(ROUNDS):
        drawn = draw_graph(log.degree, kin, slope, closing, seed)
        too_low = np.log(wanted / lift(drawn.pairs)), transitivity - drawn.transitivity()
        miss = abs(too_low[0]) + abs(too_low[1]) / max(transitivity, 1e-3)
        if miss < least:
            least, best = miss, Draw(drawn, slope, closing)
        step = 1.0 / (1.0 + number / 4.0)
        slope = float(np.clip(slope + 6.0 * step * too_low[0], 0.0, 20.0))
        closing = float(np.clip(closing + 3.0 * step * too_low[1], 0.0, 1.0))
    return best
