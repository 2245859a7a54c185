"""A random graph with the degrees of a log's graph, homophily and triadic closure.

Every user has as many stubs as friends in the log. Stubs are joined one after another: with probability `closing` to a
friend of a friend, else to any user. Among users with free stubs the probability is in proportion to
exp(slope x similarity); a friend of a friend counts once for each friend in common. `slope` and `closing` are set so
that transitivity and the lift of items shared by friends equal those of the log. Sources: triadic closure, Jin, Girvan
and Newman (2001); configuration model of degrees; latent-space similarity, Hoff et al. (2002).

Axes: U users, k latent dimensions, P pairs.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recgym.arrays import Doubles, Ints
from recgym.jit import njit
from recgym.logs.friend_graph import FriendGraph
from recgym.rng import uniform

MAX_CANDIDATES = 256  # stubs drawn as candidates for a new friend
PICK, CLOSURE, FRIEND_OF_FRIEND, NON_FRIEND, FREE_STUB = range(5)  # streams of random numbers
MAX_FAILURES = 2_000  # draws without a partner, after which drawing stops
SEARCH_DRAWS = 12  # draws of the search for slope and closing


@njit()
def _is_friend(friend: NDArray[np.int64], count: NDArray[np.int64], user: int, other: int) -> bool:
    for j in range(count[user]):  # noqa: SIM110 - a generator does not compile
        if friend[user, j] == other:
            return True
    return False


@njit()
def _similarity(kin: Doubles, user: int, other: int) -> float:
    total = 0.0
    for j in range(kin.shape[1]):
        total += kin[user, j] * kin[other, j]
    return total


class Stubs(NamedTuple):
    """State of a graph that is being drawn."""

    kin: Doubles  # (U, k) similarity of two users is their inner product
    left: Ints  # (U,) stubs that are not joined
    entries: Ints  # (U,) entries of each user in the pool
    pool: Ints  # (stubs,) users, one entry a stub; entries of joined stubs are removed when drawn
    friend: Ints  # (U, most) friends so far
    degree: Ints  # (U,) number of friends so far


@njit()
def _friend_of_friend(stubs: Stubs, user: int, slope: float, key: np.uint64, step: int) -> int:
    """A friend of a friend with free stubs, by weighted reservoir sampling; -1 where there is none."""
    kin, left, friend, count = stubs.kin, stubs.left, stubs.friend, stubs.degree
    total, chosen, column = 0.0, -1, 0
    for i in range(count[user]):
        middle = friend[user, i]
        for j in range(count[middle]):
            other = friend[middle, j]
            if other == user or left[other] == 0 or _is_friend(friend, count, user, other):
                continue
            weight = np.exp(slope * _similarity(kin, user, other))
            total += weight
            if uniform(key, step, FRIEND_OF_FRIEND, column) * total < weight:
                chosen = other
            column += 1
    return chosen


@njit()
def _non_friend(stubs: Stubs, size: int, user: int, slope: float, key: np.uint64, step: int) -> int:
    """A user with free stubs, by their number and similarity; -1 where no candidate has one.

    Candidates are MAX_CANDIDATES draws from the first `size` entries of the pool.
    """
    left, entries, friend, count = stubs.left, stubs.entries, stubs.friend, stubs.degree
    total, chosen = 0.0, -1
    for i in range(MAX_CANDIDATES):
        other = stubs.pool[int(uniform(key, step, NON_FRIEND, 2 * i) * size)]
        if other == user or left[other] == 0 or _is_friend(friend, count, user, other):
            continue
        weight = np.exp(slope * _similarity(stubs.kin, user, other)) * left[other] / entries[other]
        total += weight
        if uniform(key, step, NON_FRIEND, 2 * i + 1) * total < weight:
            chosen = other
    return chosen


@njit()
def _join(stubs: Stubs, slope: float, closing: float, key: np.uint64) -> None:
    """Joins stubs until none are left, or MAX_FAILURES draws found no partner."""
    left, entries, pool, friend, count = stubs.left, stubs.entries, stubs.pool, stubs.friend, stubs.degree
    size, step, failures = pool.shape[0], 0, 0
    while size > 1 and failures < MAX_FAILURES:
        step += 1
        place = int(uniform(key, step, PICK, 0) * size)
        user = pool[place]
        if uniform(key, step, FREE_STUB, 0) * entries[user] >= left[user]:  # a stub that is already joined
            size -= 1
            pool[place] = pool[size]
            entries[user] -= 1
            continue
        other = -1
        if uniform(key, step, CLOSURE, 0) < closing:
            other = _friend_of_friend(stubs, user, slope, key, step)
        if other < 0:
            other = _non_friend(stubs, size, user, slope, key, step)
        if other < 0:
            failures += 1
            continue
        friend[user, count[user]], friend[other, count[other]] = other, user
        count[user] += 1
        count[other] += 1
        left[user] -= 1
        left[other] -= 1


def draw_graph(degree: Ints, kin: Doubles, slope: float, closing: float, seed: int) -> FriendGraph:
    """A graph in which user u has degree[u] friends, or fewer where no partner was found."""
    pool = np.repeat(np.arange(len(degree)), degree)
    friend = np.zeros((len(degree), max(int(degree.max()), 1)), np.int64)
    count = np.zeros(len(degree), np.int64)
    left = degree.astype(np.int64).copy()
    stubs = Stubs(np.ascontiguousarray(kin, np.float64), left, left.copy(), pool, friend, count)
    _join(stubs, slope, closing, np.uint64(seed))
    owner = np.repeat(np.arange(len(degree)), count)
    ends = friend[np.arange(friend.shape[1]) < count[:, None]]
    once = owner < ends
    return FriendGraph.of(np.stack([owner[once], ends[once]], axis=1), len(degree))


class Draw(NamedTuple):
    """A drawn graph and its parameters."""

    graph: FriendGraph
    slope: float
    closing: float


def draw_alike(
    log: FriendGraph, kin: Doubles, lift: Callable[[Ints], float], target: float, slope: float, seed: int
) -> Draw:
    """Draws a graph whose `lift` is near `target`, and whose transitivity is near that of `log`.

    A stochastic search over slope and closing with SEARCH_DRAWS draws; the draw of the least error is returned.
    """
    transitivity, closing, least = log.transitivity(), 0.5, np.inf
    for number in range(SEARCH_DRAWS):
        drawn = draw_graph(log.degree, kin, slope, closing, seed)
        too_low = np.log(target / lift(drawn.pairs)), transitivity - drawn.transitivity()
        error = abs(too_low[0]) + abs(too_low[1]) / max(transitivity, 1e-3)
        if error < least:
            least, best = error, Draw(drawn, slope, closing)
        step = 1.0 / (1.0 + number / 4.0)
        slope = float(np.clip(slope + 6.0 * step * too_low[0], 0.0, 20.0))
        closing = float(np.clip(closing + 3.0 * step * too_low[1], 0.0, 1.0))
    return best
