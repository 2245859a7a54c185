"""What an agent may see of a session, computed from its public record alone.

Axes: B sessions, F public user features, C categories, E events, H history. Nothing here reads the hidden intent,
patience or satiation, nor any fitted number of the world: only the item table and the public user features.
"""

import math

import numpy as np
from numpy.typing import NDArray

from recgym.arrays import Floats, Indices
from recgym.jit import njit
from recgym.observation import HISTORY_LENGTH
from recgym.sim.schema import WorldArrays
from recgym.sim.session import clip, least
from recgym.sim.state import Sessions

RUN_SCALE = 10  # run lengths from here on look alike in `features`
PRICE_SCALE = 3.0  # standard deviations of log price that map to 1

RUN_BUCKETS = (1, 2, 4)  # tabular: runs up to 1, 2, 4, longer
ENGAGED_BUCKETS = (0, 1, 3)  # positive answers up to 0, 1, 3, more
STEP_BUCKETS = (0, 2, 5, 10)  # slates shown up to 0, 2, 5, 10, more
TABULAR_STATES = (len(RUN_BUCKETS) + 1) * (len(ENGAGED_BUCKETS) + 1) * (len(STEP_BUCKETS) + 1)


@njit()
def features(
    w: WorldArrays, s: Sessions, b: int, user_features: Floats, num_pages: int, horizon: int, out: Floats
) -> None:
    """Fill row b of `out` (B, width) in [-1, 1]; the blocks in order are those of `envs.spaces.feature_blocks`."""
    num_features, num_categories = user_features.shape[1], s.shown.shape[1]
    num_events, num_contexts = w.event_bias.shape[0], w.context_cdf.shape[0]
    user, lead = s.user[b], s.lead[b]
    for j in range(num_features):
        out[b, j] = user_features[user, j]
    at = num_features
    for c in range(num_categories):
        out[b, at + c] = s.shown[b, c]
        out[b, at + num_categories + c] = s.liked[b, c]
        out[b, at + 2 * num_categories + c] = 0.0
    at += 3 * num_categories
    out[b, at] = 0.0
    if lead >= 0:
        out[b, at - num_categories + w.category[lead]] = 1.0
        out[b, at] = clip(w.price[lead] / PRICE_SCALE, 1.0)
    at += 1
    for e in range(num_events):
        out[b, at + e] = (s.lead_events[b] >> e) & 1
    at += num_events
    out[b, at] = least(s.run[b] / RUN_SCALE, 1.0)
    out[b, at + 1] = least(s.step[b] / horizon, 1.0)
    angle = 2.0 * math.pi * s.context[b] / num_contexts
    out[b, at + 2] = math.sin(angle) if num_contexts > 1 else 0.0
    out[b, at + 3] = math.cos(angle) if num_contexts > 1 else 0.0
    out[b, at + 4] = w.page[lead] / num_pages if lead >= 0 else 0.0


@njit()
def history(
    s: Sessions,
    num_items: int,
    horizon: int,
    num_contexts: int,
    user: NDArray[np.int64],
    shown: Indices,
    events: Floats,
    context: Floats,
) -> None:
    """Fill the parts of the observation "history": user (B,), shown (B, H), events (B, H E), context (B, 3)."""
    num_events = events.shape[1] // HISTORY_LENGTH
    for b in range(user.shape[0]):
        user[b] = s.user[b]
        for j in range(HISTORY_LENGTH):
            item = s.items[b, j]
            shown[b, j] = item if item >= 0 else num_items
            for e in range(num_events):
                events[b, j * num_events + e] = (s.events[b, j] >> e) & 1
        angle = 2.0 * math.pi * s.context[b] / num_contexts
        context[b, 0] = math.sin(angle) if num_contexts > 1 else 0.0
        context[b, 1] = math.cos(angle) if num_contexts > 1 else 0.0
        context[b, 2] = least(s.step[b] / horizon, 1.0)


@njit()
def _bucket(value: int, limits: tuple[int, ...]) -> int:
    for i, limit in enumerate(limits):
        if value <= limit:
            return i
    return len(limits)


@njit()
def tabular(s: Sessions, out: NDArray[np.int64]) -> None:
    """Fill `out` (B,): ((liked * 4 + run bucket) * 4 + engagement bucket) * 5 + step bucket.

    `liked` is the category of the last positive answer plus one, 0 for none yet.
    """
    for b in range(out.shape[0]):
        index = s.liked_category[b] + 1
        index = index * (len(RUN_BUCKETS) + 1) + _bucket(s.run[b], RUN_BUCKETS)
        index = index * (len(ENGAGED_BUCKETS) + 1) + _bucket(s.engaged[b], ENGAGED_BUCKETS)
        out[b] = index * (len(STEP_BUCKETS) + 1) + _bucket(s.step[b], STEP_BUCKETS)
