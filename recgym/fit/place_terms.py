"""Effect of the place in the visit on the response: `place_bias`, the step number's share of every affinity.

It is a slope on the log of the step number and a shift of each step, by ridge, together with the effects of users,
items and contexts: users with long visits differ from others, which is no effect of the place.
"""

import numpy as np

from recgym.arrays import Doubles
from recgym.fit.dataset import Dataset
from recgym.fit.logistic import Side

MAX_PLACES = 32  # steps; later ones have the effect of the last
SLOPE_RIDGE = 1.0
STEP_RIDGE = 30.0  # of the shift of a step, about as many rows as 30 / .25


def place_side(dataset: Dataset) -> Side:
    """The step of each row as a side of a logistic regression."""
    table = np.log(np.arange(1, MAX_PLACES + 1))[:, None].astype(np.float32)
    return Side(np.minimum(dataset.place, MAX_PLACES - 1), table, STEP_RIDGE, SLOPE_RIDGE)


def known_places(dataset: Dataset) -> int:
    """Number of steps that known rows have, at most MAX_PLACES."""
    return min(int(dataset.place[dataset.known].max(initial=0)) + 1, MAX_PLACES)


def of_steps(dataset: Dataset, effect: Doubles) -> Doubles:
    """(rows,) the effect (O,) of the step of each row."""
    return np.asarray(effect[np.minimum(dataset.place, len(effect) - 1)], np.float64)
