"""What the friends of a user engaged with, as observed: friends with an item in their library, and categories of these.

Counts n are mapped to min(1, log(1 + n) / log 151).

Axes: B sessions, N items, C categories.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recgym.arrays import Floats
from recgym.jit import njit
from recgym.sim.friend_requests import FRIENDS_SCALE, SCALED_FRIENDS, min_one, num_friends_with_item
from recgym.sim.schema import WorldArrays
from recgym.sim.state import Sessions
from recgym.sim.world import World

MOST_PAIRS = 1 << 26  # users times items of a table of counts; 64 MB
MOST_FRIENDS = len(SCALED_FRIENDS) - 1  # in that table; as many and more map to 1


class FriendTables(NamedTuple):
    """What is counted once a world of its users' friends."""

    shares: (
        Floats  # (U, C) of the categories in the libraries of each user's friends; 0 where these are empty
    )
    counts: NDArray[
        np.uint8
    ]  # (U, N) friends with each item in their library, up to MOST_FRIENDS; (0, 0): no table


def no_friend_tables() -> FriendTables:
    """Tables without columns."""
    return FriendTables(np.empty((1, 0), np.float32), np.zeros((0, 0), np.uint8))


@njit()
def _count(w: WorldArrays, user: int, out: Floats) -> None:
    """Add the items in the libraries of a user's friends to `out` (N,)."""
    for at in range(w.friend_start[user], w.friend_start[user + 1]):
        friend = w.friend[at]
        for place in range(w.library.shape[1]):
            item = w.library[friend, place]
            if 0 <= item < w.category.shape[0]:  # the world may have been cut
                out[item] += 1.0


@njit()
def _scaled(count: float) -> float:
    return min_one(math.log(1.0 + count) / FRIENDS_SCALE)


@njit()
def friends_by_item(w: WorldArrays, s: Sessions, low: int, high: int, out: Floats) -> None:
    """Fill rows [low, high) of `out` (B, N): the user's friends with each item in their library, mapped into [0, 1]."""
    for b in range(low, high):
        out[b, :] = 0.0
        _count(w, s.user[b], out[b])
        for item in range(out.shape[1]):
            out[b, item] = _scaled(out[b, item])


def friend_counts(w: WorldArrays) -> NDArray[np.uint8]:
    """The table `counts` of a world with a graph; (0, 0) where it would have more than MOST_PAIRS."""
    size = len(w.library), len(w.category)
    if size[0] * size[1] > MOST_PAIRS:
        return np.zeros((0, 0), np.uint8)
    has, counts = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
    user, place = np.nonzero((w.library >= 0) & (w.library < size[1]))  # the world may have been cut
    has[user, w.library[user, place]] = 1
    for row in range(size[0]):
        friends = w.friend[w.friend_start[row] : w.friend_start[row + 1]]
        counts[row] = np.minimum(has[friends].sum(0, np.int32), MOST_FRIENDS)
    return counts


def friend_tables(world: World) -> FriendTables:
    """The tables of a world with a graph, which are kept for the next engine of the same world."""
    if world.sha256 not in _latest:
        _latest.clear()
        shares = category_shares(world.arrays, len(world.categories))
        _latest[world.sha256] = FriendTables(shares, friend_counts(world.arrays))
    return _latest[world.sha256]


_latest: dict[str, FriendTables] = {}  # by digest of the world


def category_shares(w: WorldArrays, num_categories: int) -> Floats:
    """The table `shares`."""
    user, place = np.nonzero((w.library >= 0) & (w.library < len(w.category)))  # the world may have been cut
    size = len(w.library), num_categories
    code = user * num_categories + w.category[w.library[user, place]]
    own = np.bincount(code, minlength=size[0] * size[1]).reshape(size)
    sums = np.vstack([np.zeros(num_categories, np.int64), np.cumsum(own[w.friend], axis=0)])
    counts = sums[w.friend_start[1:]] - sums[w.friend_start[:-1]]
    shares: Floats = (counts / np.maximum(counts.sum(1, keepdims=True), 1)).astype(np.float32)
    return shares


@njit()
def friend_features(w: WorldArrays, s: Sessions, b: int, tables: FriendTables, out: Floats) -> None:
    """Fill the last C + 1 columns of `out` (width,).

    They are the shares of the categories in friends' libraries, and the friends with the last item.
    """
    user, lead = s.user[b], s.lead[b]
    shares = tables.shares[user]
    block = out[out.shape[0] - shares.shape[0] - 1 :]
    for c in range(shares.shape[0]):
        block[c] = shares[c]
    if lead < 0:
        out[-1] = 0.0
    elif tables.counts.shape[0] > 0:
        out[-1] = SCALED_FRIENDS[tables.counts[user, lead]]
    else:
        out[-1] = _scaled(num_friends_with_item(w, user, lead))
