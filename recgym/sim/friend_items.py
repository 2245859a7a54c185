"""What the friends of a user engaged with, as observed: friends with an item in their library, and categories of these.

Counts n are mapped to min(1, log(1 + n) / log 151).

Axes: B sessions, N items, C categories.
"""

import math

from recgym.arrays import Floats
from recgym.jit import njit
from recgym.sim.friend_requests import FRIENDS_SCALE, min_one, num_friends_with_item
from recgym.sim.schema import WorldArrays
from recgym.sim.state import Sessions


@njit()
def _count(w: WorldArrays, user: int, by_category: bool, out: Floats) -> float:
    """Add the items in the libraries of a user's friends to `out`, by item (N,) or category (C,); their number."""
    total = 0.0
    for at in range(w.friend_start[user], w.friend_start[user + 1]):
        friend = w.friend[at]
        for place in range(w.library.shape[1]):
            item = w.library[friend, place]
            if 0 <= item < w.category.shape[0]:  # the world may have been cut
                out[w.category[item] if by_category else item] += 1.0
                total += 1.0
    return total


@njit()
def _scaled(count: float) -> float:
    return min_one(math.log(1.0 + count) / FRIENDS_SCALE)


@njit()
def friends_by_item(w: WorldArrays, s: Sessions, low: int, high: int, out: Floats) -> None:
    """Fill rows [low, high) of `out` (B, N): the user's friends with each item in their library, mapped into [0, 1]."""
    for b in range(low, high):
        out[b, :] = 0.0
        _count(w, s.user[b], False, out[b])
        for item in range(out.shape[1]):
            out[b, item] = _scaled(out[b, item])


@njit()
def friend_features(w: WorldArrays, s: Sessions, b: int, out: Floats) -> None:
    """Fill the last C + 1 columns of `out` (width,).

    They are the shares of the categories in friends' libraries, and the friends with the last item.
    """
    at = out.shape[0] - s.shown.shape[1] - 1
    shares = out[at:-1]
    shares[:] = 0.0
    total = _count(w, s.user[b], True, shares)
    if total > 0.0:
        for c in range(shares.shape[0]):  # a CUDA device has no division of arrays
            shares[c] = shares[c] / total
    lead = s.lead[b]
    out[-1] = _scaled(num_friends_with_item(w, s.user[b], lead)) if lead >= 0 else 0.0
