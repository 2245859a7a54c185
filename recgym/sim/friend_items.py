"""What the friends of a user engaged with, as observed: friends with an item in their library, and categories of these.

Counts n are mapped to min(1, log(1 + n) / log 151).

Axes: B sessions, N items, C categories.
"""

import math

import numpy as np

from recgym.arrays import Floats
from recgym.jit import njit
from recgym.sim.friend_requests import FRIENDS_SCALE, min_one, num_friends_with_item
from recgym.sim.schema import WorldArrays
from recgym.sim.state import Sessions


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


def category_shares(w: WorldArrays, num_categories: int) -> Floats:
    """Shares of the categories in the libraries of each user's friends, (U, C); 0 where these are empty."""
    user, place = np.nonzero((w.library >= 0) & (w.library < len(w.category)))  # the world may have been cut
    size = len(w.library), num_categories
    code = user * num_categories + w.category[w.library[user, place]]
    own = np.bincount(code, minlength=size[0] * size[1]).reshape(size)
    sums = np.vstack([np.zeros(num_categories, np.int64), np.cumsum(own[w.friend], axis=0)])
    counts = sums[w.friend_start[1:]] - sums[w.friend_start[:-1]]
    shares: Floats = (counts / np.maximum(counts.sum(1, keepdims=True), 1)).astype(np.float32)
    return shares


@njit()
def friend_features(w: WorldArrays, s: Sessions, b: int, shares: Floats, out: Floats) -> None:
    """Fill the last C + 1 columns of `out` (width,).

    They are the shares of the categories in friends' libraries, from `category_shares`, and the friends with the last
    item.
    """
    at, lead = out.shape[0] - shares.shape[1] - 1, s.lead[b]
    for c in range(shares.shape[1]):
        out[at + c] = shares[s.user[b], c]
    out[-1] = _scaled(num_friends_with_item(w, s.user[b], lead)) if lead >= 0 else 0.0
