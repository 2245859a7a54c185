"""Metrics of finished sessions. Axes: S sessions, N items."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recgym.checks import MAX_COUNT, quoted, whole_number
from recgym.evaluate.argument_checks import numbers, whole_indices
from recgym.evaluate.stats import check_level, t_quantile
from recgym.numerics import gini

MIN_RELATIVE_GAIN = 0.05  # (oracle_plan - random) / |random| for a defined score


class Score(NamedTuple):
    """Return on a scale where random is 0 and oracle-plan is 1."""

    value: float | None  # None: undefined
    is_above_oracle_plan: bool  # a learner above the reference needs an explanation
    note: str  # why it is undefined, or that it is above oracle-plan; else ""
    low: float | None = None  # 95 % interval; None: undefined, or one unit
    high: float | None = None


def score(agent: float, random: float, oracle_plan: float) -> Score:
    """(agent - random) / (oracle_plan - random), mean returns over the same sessions.

    Undefined if oracle_plan - random is under 5 % of |random|: the return then hardly depends on the choice of items.
    """
    returns = numbers("the returns", [agent, random, oracle_plan])
    if returns.ndim > 1:
        raise ValueError(
            f"agent is {quoted(agent)}, random and oracle_plan too: expected one mean return of each"
        )
    numbers("a return", returns[np.isfinite(returns)], is_finite=True)
    if not np.isfinite(returns).all():
        return Score(None, False, "a return is not a number")
    gain = oracle_plan - random
    above = agent > oracle_plan
    if gain <= 0 or gain < MIN_RELATIVE_GAIN * abs(random):
        return Score(None, bool(above), "oracle-plan gains less than 5 % on random")
    return Score((agent - random) / gain, bool(above), "above oracle-plan" if above else "")


def paired_score(agent: ArrayLike, random: ArrayLike, oracle_plan: ArrayLike, level: float = 0.95) -> Score:
    """Score of mean returns, with a Student-t interval of the ratio by the delta method.

    The noise of all three agents is in the interval, that of oracle-plan's search included.

    Args:
        agent: (n,) mean returns of independent units, such as seeds; unit i of all three has the same users.
        random: (n,) of the agent random.
        oracle_plan: (n,) of the agent oracle-plan.
        level: coverage of the interval.

    Raises:
        ValueError: the shapes differ.
    """
    check_level(level)
    named = (("agent", agent), ("random", random), ("oracle_plan", oracle_plan))
    a, r, p = (numbers(name, each, is_finite=True) for name, each in named)
    if not a.shape == r.shape == p.shape or not a.size:
        raise ValueError(
            f"agent, random and oracle_plan of shapes {a.shape}, {r.shape} and {p.shape} cannot be paired"
        )
    a, r, p = a.ravel(), r.ravel(), p.ravel()
    found = score(float(a.mean()), float(r.mean()), float(p.mean()))
    if found.value is None or len(a) < 2:
        return found
    influence = (a - r - found.value * (p - r)) / (p.mean() - r.mean())
    half = t_quantile(0.5 + level / 2.0, len(a) - 1) * float(influence.std(ddof=1)) / math.sqrt(len(a))
    return found._replace(low=found.value - half, high=found.value + half)


def response_rate(responses: ArrayLike, shown: ArrayLike) -> float:
    """Responses per impression, pooled over sessions; NaN without impressions."""
    total = float(numbers("shown", shown, is_finite=True, low=0.0).sum())
    count = float(numbers("responses", responses, is_finite=True, low=0.0).sum())
    return count / total if total else float("nan")


def exposure_counts(items: ArrayLike, num_items: int) -> NDArray[np.int64]:
    """(N,) number of impressions of each item."""
    num_items = whole_number(num_items, "num_items", 1, MAX_COUNT)
    flat = whole_indices("items", items, num_items).ravel()
    return np.bincount(flat, minlength=num_items)


def coverage(counts: ArrayLike) -> float:
    """Share of the catalogue with at least one impression; ValueError for a catalogue without items."""
    shown = numbers("counts", counts, is_finite=True, low=0.0).ravel()
    if not len(shown):
        raise ValueError("counts is empty, expected one number for each item")
    return float(np.count_nonzero(shown)) / len(shown)


def exposure_gini(counts: ArrayLike) -> float:
    """Gini coefficient of impressions over the catalogue: 0 equal shares, 1 - 1/N one item alone; NaN for none."""
    return gini(numbers("counts", counts, is_finite=True, low=0.0).ravel())
