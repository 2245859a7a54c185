"""Returns to items of the visit: a term of affinity for items that had a response earlier in the session.

A return is no transition from the last item: it is drawn from the responses of the session, whatever the item's appeal.
So it adds to the item's weight in the choice, where other terms multiply it:

    x = shift + log(exp(x - shift) + share_i exp(return_logit_i))

share_i is the share of the item among the last M responses, where each weighs `return_decay` times as much as the one
after it. `shift` is what all items of the session have in common.
"""

import math

from recgym.jit import njit
from recgym.sim.scalar_math import MAX_LOGIT, clip, minimum
from recgym.sim.schema import WorldArrays
from recgym.sim.state import MEMORY, Sessions


@njit()
def has_returns(w: WorldArrays) -> bool:
    """Whether the world has the term."""
    return w.return_logit.shape[0] > 1


@njit()
def response_share(w: WorldArrays, s: Sessions, b: int, item: int) -> float:
    """Share of an item among the responses of the session, in [0, 1]."""
    own, total, weight = 0.0, 0.0, 1.0
    for age in range(minimum(s.engaged[b], MEMORY)):
        total += weight
        if s.memory[b, (s.engaged[b] - 1 - age) % MEMORY] == item:
            own += weight
        weight *= w.return_decay[0]
    return own / total if own > 0.0 else 0.0


@njit()
def with_returns(w: WorldArrays, s: Sessions, b: int, item: int, x: float) -> float:
    """Affinity x, without what all items have in common, with the term."""
    share = response_share(w, s, b, item)
    if share == 0.0:
        return x
    return math.log(math.exp(clip(x, MAX_LOGIT)) + share * math.exp(float(w.return_logit[item])))


def check_returns(w: WorldArrays) -> None:
    """ValueError unless there is one weight for each item, or none."""
    if len(w.return_logit) not in (1, len(w.item_bias)):
        raise ValueError(
            f"world array return_logit has {len(w.return_logit)} items, expected {len(w.item_bias)}"
        )
