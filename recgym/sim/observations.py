"""Observations of a session, computed from its public record.

They depend on the item table and the public user features, and on no hidden variable or fitted number of the world.

Axes: B sessions, F public user features, C categories, E events, H history.
"""

import math

import numpy as np
from numpy.typing import NDArray

from recgym.arrays import Floats, Indices
from recgym.jit import njit
from recgym.observation import HISTORY_LENGTH
from recgym.sim.scalar_math import clip, minimum
from recgym.sim.schema import WorldArrays
from recgym.sim.state import Sessions

RUN_SCALE = 10  # run length that maps to 1; longer ones, too
PRICE_SCALE = 3.0  # standard deviations of log price that map to 1

RUN_BUCKETS = (
    1,
    2,
    4,
)  # upper bounds of the run lengths of a state of "tabular"; the last state has the rest
RESPONSE_BUCKETS = (0, 1, 3)  # ... of the number of responses
STEP_BUCKETS = (0, 2, 5, 10)  # ... of the number of steps
TABULAR_STATES = (len(RUN_BUCKETS) + 1) * (len(RESPONSE_BUCKETS) + 1) * (len(STEP_BUCKETS) + 1)


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
    out[b, at] = minimum(s.run[b] / RUN_SCALE, 1.0)
    out[b, at + 1] = minimum(s.step[b] / horizon, 1.0)
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
        context[b, 2] = minimum(s.step[b] / horizon, 1.0)


@njit()
def _bucket(value: int, limits: tuple[int, ...]) -> int:
    for i, limit in enumerate(limits):
        if value <= limit:
            return i
    return len(limits)


@njit()
def tabular(s: Sessions, out: NDArray[np.int64]) -> None:
    """Fill `out` (B,): ((category * 4 + run bucket) * 4 + response bucket) * 5 + step bucket.

    `category` is that of the last response plus 1, or 0 before the first.
    """
    for b in range(out.shape[0]):
        index = s.liked_category[b] + 1
        index = index * (len(RUN_BUCKETS) + 1) + _bucket(s.run[b], RUN_BUCKETS)
        index = index * (len(RESPONSE_BUCKETS) + 1) + _bucket(s.engaged[b], RESPONSE_BUCKETS)
        out[b] = index * (len(STEP_BUCKETS) + 1) + _bucket(s.step[b], STEP_BUCKETS)
