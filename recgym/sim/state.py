"""What moves: the running sessions, what comes back for a slate, and how it is paid.

Axes: B sessions, K slate positions, N items, d factors, C categories, E events, H history, M memory.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recgym.arrays import Doubles, Floats, Indices

Slates = NDArray[np.int64]

MEMORY = 20  # M, positively answered items that a user remembers having answered
WATCH_CAP_MINUTES = 5.0  # of an item's watch time in a reward


class Sessions(NamedTuple):
    """B running sessions. Saving, resuming and branching them is a copy; nothing else remembers anything."""

    seed: NDArray[np.uint64]  # (B,) of the row
    episode: NDArray[np.int64]  # (B,) number since the row was seeded, -1 before the first
    key: NDArray[np.uint64]  # (B,) of the episode: all its randomness follows from it
    user: Indices  # (B,)
    context: Indices  # (B,)
    step: Indices  # (B,) slates shown so far
    intent: Floats  # (B, d) hidden
    patience: Floats  # (B,) hidden
    mood: Floats  # (B,) hidden
    satiation: Floats  # (B, C) hidden
    memory: Indices  # (B, M) ring of positively answered items, -1 empty
    engaged: Indices  # (B,) positive answers so far
    items: Indices  # (B, H) shown items, oldest first, -1 empty
    events: Indices  # (B, H) their events, bit e for event e
    shown: Floats  # (B, C) decayed category histogram of what was shown, in [0, 1]
    liked: Floats  # (B, C) ... of what was answered positively, in [0, 1]
    liked_category: Indices  # (B,) of the last positive answer, -1 for none
    lead: Indices  # (B,) the last step's item: the first answered positively, else the top one; -1 before the first
    lead_events: Indices  # (B,) events of the last slate, bits, all positions together
    run: Indices  # (B,) answers in a row of one category; a slate without an answer neither adds nor breaks
    # suggesting friends: M is N, the candidates' places; 1 elsewhere
    candidate: Indices  # (B, M) users
    shared: Indices  # (B, M) items in both libraries
    tie: Indices  # (B, M) friends in common now; -1: accepted, a friend himself
    refused: Indices  # (B, M) times that he was suggested in vain


class Feedback(NamedTuple):
    """What came back for a slate."""

    events: Indices  # (B, K) bit e for event e
    watch: Floats  # (B, K) ms, 0 where the world has no watch time
    repeats: Indices  # (B,) positions that held an item shown higher up: empty places
    reward: Doubles  # (B,)
    left: NDArray[np.bool_]  # (B,) the user left: terminated
    horizon: NDArray[np.bool_]  # (B,) the episode's length is used up: truncated


class Reward(NamedTuple):
    """Weights of feedback: sum over events of (weight + price_weight x price ratio), plus watch time."""

    weight: Doubles  # (E,)
    price_weight: Doubles  # (E,)
    watch_weight: Doubles  # (1,) a minute watched
    watch_mean: Doubles  # (N, 3) expected capped minutes where the item is skipped, clicked, viewed long
