"""Observations of a session, computed from its public record.

They depend on the item table and the public user features, and on no hidden variable or fitted number of the world.

Axes: B sessions, F public user features, C categories, E events, H history.
"""

from typing import NamedTuple

from recgym.arrays import Floats, Indices, Ints
from recgym.jit import njit
from recgym.observation import HISTORY_LENGTH
from recgym.sim.friend_items import FriendTables
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


class Public(NamedTuple):
    """What observations hold beside the record of a session."""

    user_features: Floats  # (U, F)
    circle: Floats  # (X, 2) sine and cosine of each context
    settings: Ints  # (3,) steps of the clock, number of pages, horizon
    friends: FriendTables  # for `friend_items.friend_features`, without columns where they are not observed


class HistoryRows(NamedTuple):
    """Parts of the observation "history"."""

    user: Ints  # (B,)
    shown: Indices  # (B, H) N for none
    events: Floats  # (B, H E)
    context: Floats  # (B, 3) the context on the circle, step over those of the clock


@njit()
def features(w: WorldArrays, s: Sessions, b: int, public: Public, out: Floats) -> None:
    """Fill `out` (width,) in [-1, 1]; the blocks in order are those of `envs.spaces.feature_blocks`."""
    shown, liked, lead = s.shown[b], s.liked[b], s.lead[b]
    num_categories, num_events = shown.shape[0], w.event_bias.shape[0]
    user_features = public.user_features[s.user[b]]
    # each block is a view whose index begins at 0, so that its loop becomes vector instructions
    for j in range(user_features.shape[0]):
        out[j] = user_features[j]
    block = out[user_features.shape[0] :]
    for c in range(num_categories):
        block[c] = shown[c]
    block = block[num_categories:]
    for c in range(num_categories):
        block[c] = liked[c]
    block = block[num_categories:]
    for c in range(num_categories + 1):
        block[c] = 0.0
    if lead >= 0:
        block[w.category[lead]] = 1.0
        block[num_categories] = clip(w.price[lead] / PRICE_SCALE, 1.0)
    block = block[num_categories + 1 :]
    for e in range(num_events):
        block[e] = (s.lead_events[b] >> e) & 1
    block = block[num_events:]
    block[0] = minimum(s.run[b] / RUN_SCALE, 1.0)
    block[1] = minimum(s.step[b] / public.settings[0], 1.0)
    block[2] = public.circle[s.context[b], 0]
    block[3] = public.circle[s.context[b], 1]
    block[4] = w.page[lead] / public.settings[1] if lead >= 0 else 0.0


@njit()
def history(w: WorldArrays, s: Sessions, low: int, high: int, public: Public, out: HistoryRows) -> None:
    """Fill rows [low, high) of the parts of the observation "history"."""
    user, shown, events, context = out
    num_items, num_events = w.category.shape[0], events.shape[1] // HISTORY_LENGTH
    for b in range(low, high):
        user[b] = s.user[b]
        for j in range(HISTORY_LENGTH):
            item = s.items[b, j]
            shown[b, j] = item if item >= 0 else num_items
            for e in range(num_events):
                events[b, j * num_events + e] = (s.events[b, j] >> e) & 1
        context[b, 0] = public.circle[s.context[b], 0]
        context[b, 1] = public.circle[s.context[b], 1]
        context[b, 2] = minimum(s.step[b] / public.settings[0], 1.0)


@njit()
def _bucket(value: int, limits: tuple[int, ...]) -> int:
    for i, limit in enumerate(limits):
        if value <= limit:
            return i
    return len(limits)


@njit()
def tabular(s: Sessions, low: int, high: int, out: Ints) -> None:
    """Fill rows [low, high) of `out` (B,): ((category * 4 + run bucket) * 4 + response bucket) * 5 + step bucket.

    `category` is that of the last response plus 1, or 0 before the first.
    """
    for b in range(low, high):
        index = s.liked_category[b] + 1
        index = index * (len(RUN_BUCKETS) + 1) + _bucket(s.run[b], RUN_BUCKETS)
        index = index * (len(RESPONSE_BUCKETS) + 1) + _bucket(s.engaged[b], RESPONSE_BUCKETS)
        out[b] = index * (len(STEP_BUCKETS) + 1) + _bucket(s.step[b], STEP_BUCKETS)
