"""A log of a biased logging policy with known propensities, and a test of items drawn at random, of a known world."""

from pathlib import Path
from typing import NamedTuple

import numpy as np


class BiasedLog(NamedTuple):
    """Files of the log and of the test, and the true probabilities of a response (U, N)."""

    log: Path
    test: Path
    chance: np.ndarray


def biased_log(
    folder: Path, seed: int = 0, *, users: int = 290, items: int = 300, shown: int = 24, asked: int = 16,
    bias: float = 1.0, taste: float = 0.8, mood: float = 0.0,
) -> BiasedLog:  # fmt: skip
    """Users see items with probabilities that grow with their affinity, independently: Poisson sampling.

    Args:
        folder: of the files.
        seed: random seed.
        users: U.
        items: N.
        shown: mean number of items that a user is shown in the log.
        asked: items of each user in the test, drawn uniformly from those not in the log.
        bias: slope of the log propensity on the affinity.
        taste: standard deviation of user x item affinity in logits.
        mood: standard deviation of a random intercept of each user in the test.
    """
    rng = np.random.default_rng(seed)
    factors = [rng.normal(size=(size, 4)) for size in (users, items)]
    x = taste * factors[0] @ factors[1].T / 2.0
    x += rng.normal(0.0, 0.7, users)[:, None] + rng.normal(0.0, 0.7, items) - 0.7
    weight = np.exp(bias * x)
    propensity = np.minimum(shown * weight / weight.sum(1, keepdims=True), 1.0)
    chance = 1.0 / (1.0 + np.exp(-x))
    response = rng.random(x.shape) < chance
    seen = rng.random(x.shape) < propensity
    order = np.argsort(rng.random(x.shape) + seen, axis=1)[:, :asked]
    drawn = np.zeros(x.shape, bool)
    np.put_along_axis(drawn, order, True, axis=1)
    again = rng.random(x.shape) < 1.0 / (1.0 + np.exp(-x - rng.normal(0.0, mood, users)[:, None]))
    places = folder / "log.csv", folder / "test.csv"
    for place, part, flag in zip(places, (seen, drawn), (response, again), strict=True):
        rows = np.argwhere(part)
        rows = rows[np.lexsort((rng.random(len(rows)), rows[:, 0]))]
        lines = [
            f"{u},{i},{int(flag[u, i])},{propensity[u, i] if part is seen else asked / items}"
            for u, i in rows.tolist()
        ]
        place.write_text("\n".join(["user,item,click,propensity", *lines]) + "\n")
    return BiasedLog(*places, chance)
