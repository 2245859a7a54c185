"""Items in common with the user of a session, of many users in turn while its candidates are drawn.

The user's library is marked as bits in the row `refused` of the session, which is written afterwards. Libraries have
few items in common, so that few items of another user hit a mark: these are looked up.

Axes: B sessions, M candidates.
"""

from recgym.jit import njit
from recgym.sim.schema import WorldArrays
from recgym.sim.state import Sessions

MAX_WORDS = 64  # of 32 bits; a power of two


@njit()
def mark_library(w: WorldArrays, s: Sessions, b: int) -> int:
    """Mark the items of the library of session b's user; the number of words less 1."""
    words = 1
    while words < MAX_WORDS and 2 * words <= s.refused.shape[1]:
        words *= 2
    user, last = s.user[b], w.library.shape[1] - 1
    for word in range(words):
        s.refused[b, word] = 0
    for j in range(last + 1):
        item = w.library[user, last - j]
        if item < 0:  # the first ones are padding
            break
        bit = item & 31
        s.refused[b, (item >> 5) & (words - 1)] |= (
            1 << bit if bit < 31 else -(1 << bit)
        )  # the last is the sign
    return words - 1


@njit()
def common_items(w: WorldArrays, s: Sessions, b: int, other: int, mask: int) -> int:
    """Number of items in the libraries of both session b's user and another; `mask` is from `mark_library`."""
    user, last, count = s.user[b], w.library.shape[1] - 1, 0
    for j in range(last + 1):
        item = w.library[other, last - j]
        if item < 0:
            break
        if (s.refused[b, (item >> 5) & mask] >> (item & 31)) & 1:
            for k in range(last + 1):
                if w.library[user, k] == item:
                    count += 1
    return count
