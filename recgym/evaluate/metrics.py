"""Metrics of finished sessions. Axes: S sessions, N items."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recgym.numerics import gini

MIN_RELATIVE_GAIN = 0.05  # (oracle_plan - random) / |random| for a defined score


class Score(NamedTuple):
    """Return on a scale where random is 0 and oracle-plan is 1."""

    value: float | None  # None: undefined
    is_above_oracle_plan: bool  # a learner above the reference needs an explanation
    note: str  # why it is undefined, or that it is above oracle-plan; else ""


def score(agent: float, random: float, oracle_plan: float) -> Score:
    """(agent - random) / (oracle_plan - random), mean returns over the same sessions.

    Undefined if oracle_plan - random is under 5 % of |random|: the return then hardly depends on the choice of items.
    """
    gain = oracle_plan - random
    above = agent > oracle_plan
    if not np.isfinite([agent, random, oracle_plan]).all():
        return Score(None, False, "a return is not a number")
    if gain <= 0 or gain < MIN_RELATIVE_GAIN * abs(random):
        return Score(None, bool(above), "oracle-plan gains less than 5 % on random")
    return Score((agent - random) / gain, bool(above), "above oracle-plan" if above else "")


def response_rate(responses: ArrayLike, shown: ArrayLike) -> float:
    """Responses per impression, pooled over sessions; NaN without impressions."""
    total = float(np.sum(np.asarray(shown)))
    return float(np.sum(np.asarray(responses))) / total if total else float("nan")


def exposure_counts(items: ArrayLike, num_items: int) -> NDArray[np.int64]:
    """(N,) number of impressions of each item."""
    flat = np.asarray(items, np.int64).ravel()
    if flat.size and (flat.min() < 0 or flat.max() >= num_items):
        raise ValueError(f"items lie outside 0 to {num_items - 1}")
    return np.bincount(flat, minlength=num_items)


def coverage(counts: NDArray[np.int64]) -> float:
    """Share of the catalogue with at least one impression; ValueError for a catalogue without items."""
    if not len(counts):
        raise ValueError("counts is empty, expected one number for each item")
    return float(np.count_nonzero(counts)) / len(counts)


def exposure_gini(counts: NDArray[np.int64]) -> float:
    """Gini coefficient of impressions over the catalogue: 0 equal shares, 1 - 1/N one item alone; NaN for none."""
    return gini(counts)
