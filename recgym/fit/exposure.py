"""The logging policy of a world: with probability `stay` by exposure within the last category, else by exposure."""

import numpy as np
from numpy.typing import NDArray

from recgym.fit.frame import Frame


def fit_stay(frame: Frame, rows: NDArray[np.bool_]) -> float:
    """Maximum likelihood of `stay` from the categories of neighbouring rows of one visit (EM); 0 without any."""
    category = frame.items.category[frame.item]
    pair = rows & (frame.step > 0)
    same = (category == np.roll(category, 1))[pair]
    if not pair.any():
        return 0.0
    share = np.bincount(frame.items.category, weights=frame.items.exposure)[category[pair]]
    stay = 0.5
    for _ in range(200):
        stay = float((same * stay / (stay + (1 - stay) * share)).mean())
    return stay
