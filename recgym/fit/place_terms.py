"""Effect of the place in the visit on the response: `place_bias`, the step number's share of every affinity.

It is a slope on the log of the step number and a shift of each step, by ridge, together with the effects of users,
items and contexts: users with long visits differ from others, which is no effect of the place.
"""

import numpy as np

from recgym.arrays import Doubles
from recgym.fit.dataset import Dataset
from recgym.fit.logistic import Side
from recgym.numerics import sigmoid

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


def sum_of_steps(one: Doubles, other: Doubles) -> Doubles:
    """Sum of two effects of steps (O,), (P,), of which the last entry holds for all later steps."""
    size = max(len(one), len(other))
    longer = (np.pad(each, (0, size - len(each)), mode="edge") for each in (one, other))
    return np.asarray(sum(longer), np.float64)


def shifts_of_steps(dataset: Dataset, x: Doubles) -> Doubles:
    """(O,) shift of each step, beside the first, at which the logits `x` (rows,) have its responses, by ridge.

    Effects of earlier responses of the visit move the means of later steps, which the effect of the place is to have.
    """
    rows, num = dataset.known & np.isfinite(x), known_places(dataset)
    place, flag = np.minimum(dataset.place, num - 1)[rows], dataset.positive[rows]
    shift: Doubles = np.zeros(num)
    for _ in range(10):
        chance = sigmoid(x[rows] + shift[place])
        slope = np.bincount(place, flag - chance, num) - STEP_RIDGE * shift
        shift += slope / (np.bincount(place, chance * (1.0 - chance), num) + STEP_RIDGE)
    return np.asarray(shift - shift[0], np.float64)
