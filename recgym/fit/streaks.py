"""Streaks: a response raises, or lowers, the logits of all later rows of its visit, by less with every step.

    logit += gain * sum over earlier responses of (1 - pull)^(steps since), less the mean of that sum at the step

A random intercept alone makes rows of a visit alike however far apart; a streak is what neighbours share beyond that
(state dependence and heterogeneity: Heckman, 1981). It is a factor that all items have, which a response pushes and the
pull to the profile, where it is 0, takes back. Its mean by step is part of the effect of the place.

The gain is found for responses less their expectation: who responds often would else be counted twice, by the level of
the user and by the streak. In a world, where responses push, levels are less by what they push (`own_share`).
"""

from typing import NamedTuple

import numpy as np

from recgym.arrays import Arrays, Doubles, Ints
from recgym.fit.dataset import Dataset
from recgym.fit.place_terms import known_places, of_steps, sum_of_steps
from recgym.numerics import sigmoid

PULLS = (0.1, 0.3, 0.6)  # that are tried where the intent has none
MIN_ROWS = 200  # that follow another one of their visit
STEPS_AT_ONCE = 1 << 16  # as Python's numbers, which take four times the memory of the array's
SHARES = (0.3, 2.0)  # bounds of the share of a level that a world needs


class Streak(NamedTuple):
    """What responses add to later logits."""

    gain: float = 0.0  # logits, of a response one step ago, before the pull
    pull: float = 0.3  # share that a step takes back


def earlier_sums(dataset: Dataset, value_of: Doubles, pull: float) -> Doubles:
    """(rows,) sum of (1 - pull)^(steps since) times a value (rows,) of earlier steps of the visit; 0 if unordered."""
    begins = dataset.step_starts == np.arange(len(dataset.item))
    step = np.cumsum(begins) - 1  # over all visits
    count, place = np.bincount(step, value_of), dataset.place[begins]
    found, value, kept = np.zeros(len(count)), 0.0, 1.0 - pull
    for begin in range(0, len(count), STEPS_AT_ONCE):
        part = slice(begin, begin + STEPS_AT_ONCE)
        for number, (responses, at) in enumerate(
            zip(count[part].tolist(), place[part].tolist(), strict=True), begin
        ):
            value = 0.0 if at == 0 else value
            found[number] = value
            value = kept * (value + responses)
    return np.asarray(found[step], np.float64)


def unexpected(dataset: Dataset, x: Doubles, pull: float) -> Doubles:
    """(rows,) sums of responses less their probabilities at the logits `x` (rows,), NaN where unknown."""
    apart = dataset.positive - sigmoid(np.where(np.isfinite(x), x, 0.0))
    return earlier_sums(dataset, np.where(np.isfinite(x), apart, 0.0), pull)


def own_share(dataset: Dataset, streak: Streak, x: Doubles) -> float:
    """Share of a level that a world needs for it: the rest is what the user's own responses add, to first order."""
    known = dataset.known & np.isfinite(x)
    chance = sigmoid(x[known])
    pushed = float(earlier_sums(dataset, np.ones(len(x)), streak.pull)[known].mean())
    return float(np.clip(1.0 - streak.gain * pushed * np.mean(chance * (1.0 - chance)), *SHARES))


def of_visits(dataset: Dataset, pull: float) -> tuple[Doubles, Doubles]:
    """(rows,) sums of responses less their means at each step of the known rows, and these means (O,)."""
    value, num = earlier_sums(dataset, dataset.positive.astype(np.float64), pull), known_places(dataset)
    place = np.minimum(dataset.place, num - 1)
    rows = np.bincount(place[dataset.known], minlength=num)
    mean = np.bincount(place[dataset.known], value[dataset.known], num) / np.maximum(rows, 1)
    return value - of_steps(dataset, mean), mean


def can_have_streaks(dataset: Dataset, rows: Ints) -> bool:
    """Whether enough of the rows, by number, follow another one of their visit."""
    return bool(dataset.follows[rows].sum() >= MIN_ROWS)


def with_streak(arrays: Arrays, streak: Streak, mean: Doubles) -> Arrays:
    """The arrays of a streak among those of a world, whose other terms they keep; `mean` (O,) of sums at each step."""
    users, items = len(arrays["profile"]), len(arrays["factors"])
    added = {
        "profile": np.zeros((users, 1)),
        "profile_sd": np.zeros((users, 1)),
        "factors": np.ones((items, 1)),
        "push": np.full((items, 1), streak.gain),
    }
    empty = not (arrays["profile"].any() or arrays["push"].any() or arrays["profile_sd"].any())
    found = {
        name: values if empty else np.concatenate([arrays[name], values], axis=1)
        for name, values in added.items()
    }
    return found | {"place_bias": sum_of_steps(arrays["place_bias"], -streak.gain * mean)}
