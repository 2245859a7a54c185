"""State of the sessions, feedback to a slate, and weights of the reward.

Axes: B sessions, K slate positions, N items, d factors, C categories, E events, H history, M memory.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recgym.arrays import Doubles, Floats, Indices

Slates = NDArray[np.int64]

MEMORY = 20  # M, last items with a response that count as repeats
WATCH_CAP_MINUTES = 5.0  # largest watch time of an item that a reward pays for


class Sessions(NamedTuple):
    """B running sessions: the whole state, so that a copy is enough to save, resume or branch them."""

    seed: NDArray[np.uint64]  # (B,) random seed of the row
    episode: NDArray[np.int64]  # (B,) number of the episode since the row was seeded, -1 before the first
    key: NDArray[np.uint64]  # (B,) of the episode; all its random numbers are computed from it
    user: Indices  # (B,)
    context: Indices  # (B,)
    step: Indices  # (B,) steps so far
    intent: Floats  # (B, d) hidden
    patience: Floats  # (B,) hidden; frailty, added to the leaving logit
    mood: Floats  # (B,) hidden; random intercept, added to every affinity
    satiation: Floats  # (B, C) hidden
    memory: Indices  # (B, M) ring of items with a response, -1 empty
    engaged: Indices  # (B,) responses so far
    items: Indices  # (B, H) shown items, oldest first, -1 empty
    events: Indices  # (B, H) their events, bit e for event e
    shown: Floats  # (B, C) decayed category histogram of shown items, in [0, 1]
    liked: Floats  # (B, C) decayed category histogram of items with a response, in [0, 1]
    liked_category: Indices  # (B,) category of the last response, -1 for none
    lead: Indices  # (B,) the last step's item: the first with a response, else the top one; -1 for none
    lead_events: Indices  # (B,) events of the last slate, bits, over all positions
    run: Indices  # (B,) responses in a row in one category; slates without a response are skipped
    # friend requests: M is N, the number of candidates; 1 in other worlds
    candidate: Indices  # (B, M) users
    shared: Indices  # (B, M) items in both libraries
    tie: Indices  # (B, M) friends in common, -1 for an accepted candidate
    refused: Indices  # (B, M) times that the candidate was suggested and not accepted


class Feedback(NamedTuple):
    """Feedback to a slate."""

    events: Indices  # (B, K) bit e for event e
    watch: Floats  # (B, K) [ms], 0 in worlds without watch time
    repeats: Indices  # (B,) positions whose item is also above; they are empty
    reward: Doubles  # (B,)
    left: NDArray[np.bool_]  # (B,) terminated: the user left
    horizon: NDArray[np.bool_]  # (B,) truncated: the horizon was reached


class Reward(NamedTuple):
    """Reward of an item: sum over its events of (weight + price_weight * price ratio), plus watch time."""

    weight: Doubles  # (E,)
    price_weight: Doubles  # (E,)
    watch_weight: Doubles  # (1,) per minute watched
    watch_mean: Doubles  # (N, 3) expected rewarded minutes if skipped, clicked, viewed long
