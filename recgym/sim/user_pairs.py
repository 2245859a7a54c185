"""Items and friends in common of all pairs of users, counted once a world: an episode of friend requests asks for many.

Axes: U users.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recgym.sim.schema import WorldArrays
from recgym.sim.world import World

MOST_USERS = 4_096  # of tables; 64 MB
TAKEN = np.iinfo(np.uint16).max  # of the user and of friends


class UserPairs(NamedTuple):
    """Tables (U, U); (0, 0) in worlds of more users, where pairs are counted when they are asked for."""

    items: NDArray[np.uint16]  # in the libraries of both
    friends: NDArray[np.uint16]  # in common; TAKEN where the two are friends, or one user


def no_pairs() -> UserPairs:
    """No tables."""
    return UserPairs(*(np.zeros((0, 0), np.uint16) for _ in UserPairs._fields))


def count_pairs(w: WorldArrays) -> UserPairs:
    """The tables of a world with a graph; none where it has too many users."""
    size = len(w.library)
    if size > MOST_USERS:
        return no_pairs()
    items, friends = np.zeros((size, size), np.uint16), np.zeros((size, size), np.uint16)
    adjacent, has = np.zeros((size, size), np.uint16), np.zeros(int(w.library.max()) + 2, np.bool_)
    for user in range(size):
        adjacent[user, w.friend[w.friend_start[user] : w.friend_start[user + 1]]] = 1
    for user in range(size):
        has[:] = False
        has[w.library[user]] = True
        has[-1] = False  # padding is -1
        items[user] = has[w.library].sum(axis=1)
        adjacent[w.friend[w.friend_start[user] : w.friend_start[user + 1]]].sum(0, np.uint16, friends[user])
    friends[adjacent > 0] = TAKEN
    np.fill_diagonal(friends, TAKEN)
    return UserPairs(items, friends)


def pairs_of(world: World) -> UserPairs:
    """The tables of a world, which are kept for the next engine of the same world."""
    if world.sha256 not in _latest:
        _latest.clear()
        _latest[world.sha256] = count_pairs(world.arrays)
    return _latest[world.sha256]


_latest: dict[str, UserPairs] = {}  # by digest of the world
