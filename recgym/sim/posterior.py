"""Uncertainty of what a fit knows about users, and the population that is drawn from it.

A fit knows posterior means, which are alike: a world in which users have them varies less than its log. Forecasts of
logged visits use the means. Users who are simulated are drawn from their posterior, independent normal in each effect.

Axes: U users, E events, d factors.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recgym.arrays import Doubles, Floats
from recgym.checks import as_numbers
from recgym.jit import njit
from recgym.numerics import hermite_nodes, sigmoid
from recgym.rng import POPULATION, episode_key, normal
from recgym.sim.schema import WorldArrays

STORED = "_sd"  # suffix of the stored names
MOST_KEPT = 4  # worlds whose drawn users are kept
READ = (
    "user_bias", "event_user", "profile", "user_cdf", "exposure", "item_bias", "event_item", "event_bias", "event_gain",
    "event_link", "factors", "tastes_keep_rates",
)  # fmt: skip  # arrays that the drawn users depend on
GRID = 33  # standard deviations, and logits, at which a shift is computed
MOST_LOGIT = 8.0


class Posterior(NamedTuple):
    """Standard deviations of the posterior of users [logits], beside their means in `WorldArrays`."""

    user_bias: Floats  # (U,)
    event_user: Floats  # (U, E); column 0 is unused
    profile: Floats  # (U, d), per unit of the factor

    def stored(self) -> dict[str, NDArray[Any]]:
        """Arrays by their names in a file."""
        return {name + STORED: values.astype(np.float16) for name, values in self._asdict().items()}


NAMES = tuple(name + STORED for name in Posterior._fields)


def spreads_of(stored: Mapping[str, Any]) -> dict[str, Any] | None:
    """The fields of a posterior among stored arrays; None where there is none, ValueError where one is missing."""
    found = {name.removesuffix(STORED): stored[name] for name in NAMES if name in stored}
    if found and (missing := [name for name in NAMES if name not in stored]):
        raise ValueError(f"world lacks {', '.join(missing)}")
    return found or None


def spreads_beside(posterior: Posterior | None, changes: Mapping[str, Any]) -> dict[str, Any] | None:
    """The fields of a posterior; 0 for the arrays that are replaced."""
    if posterior is None:
        return None
    fields = posterior._asdict()
    return fields | {name: np.zeros_like(values) for name, values in changes.items() if name in fields}


def checked_posterior(values: Mapping[str, Any] | None, arrays: WorldArrays) -> Posterior | None:
    """As stored, from arrays by the names of fields; ValueError names one that does not fit the world."""
    if values is None:
        return None
    fields = []
    for name in Posterior._fields:
        if name not in values:
            raise ValueError(f"posterior lacks {name}")
        expected = getattr(arrays, name).shape
        value = as_numbers(values[name], f"world array {name}{STORED}")
        if value.shape != expected:
            raise ValueError(f"world array {name}{STORED} has shape {value.shape}, expected {expected}")
        if not (np.isfinite(value).all() and value.min(initial=0.0) >= 0.0):
            raise ValueError(f"world array {name}{STORED} holds a number that is negative or not finite")
        fields.append(value.astype(np.float16).astype(np.float32))
    return Posterior(*fields)


def drawn_users(arrays: WorldArrays, posterior: Posterior, seed: int) -> dict[str, Any]:
    """Arrays of users that are drawn from the posterior: a pure function of the seed.

    Those of the last worlds are kept for the next environment of the same world: drawing takes tens of milliseconds.
    """
    digest = hashlib.sha256(str(seed).encode())
    for array in (*(getattr(arrays, name) for name in READ), *posterior):
        digest.update(f"{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    key = digest.digest()
    if key not in _kept:
        while len(_kept) >= MOST_KEPT:
            del _kept[next(iter(_kept))]
        _kept[key] = _drawn(arrays, posterior, seed)
    return {name: values.copy() for name, values in _kept[key].items()}


_kept: dict[bytes, dict[str, Any]] = {}  # by digest of what they are drawn from


def _drawn(arrays: WorldArrays, posterior: Posterior, seed: int) -> dict[str, Any]:
    """The effects in new arrays.

    The effect of a user on an event is drawn around a lower mean, at which the event keeps its probability at a typical
    logit: the logistic function is convex where events are rare, so that the variance would raise their rates. So are
    tastes, at the logit of each user, where `tastes_keep_rates` is 1; earlier worlds are without.
    """
    key, width = np.uint64(episode_key(np.uint64(seed), 0)), arrays.event_user.shape[1]
    found = {}
    for name, first in (("user_bias", 0), ("event_user", 1), ("profile", 1 + width)):
        mean, spread = getattr(arrays, name).astype(np.float64), getattr(posterior, name)
        table = spread.reshape(len(spread), -1).astype(np.float64)
        out = np.zeros_like(table)
        _draw(key, first, table, out)
        if name == "event_user":
            out -= _kept_rates(arrays, table)
        if name == "profile" and arrays.tastes_keep_rates[0]:
            out -= _kept_responses(arrays, table)
        found[name] = (mean + out.reshape(mean.shape)).astype(np.float16).astype(np.float32)
    return found


@njit()
def _draw(key: np.uint64, first: int, spread: Doubles, out: Doubles) -> None:
    for user in range(spread.shape[0]):
        for column in range(spread.shape[1]):
            if spread[user, column] > 0.0:
                out[user, column] = spread[user, column] * normal(key, user, POPULATION, first + column)


def _kept_rates(arrays: WorldArrays, spread: Doubles) -> Doubles:
    """(U, E) shift of the mean at which the probability of an event at its typical logit is that without variance."""
    out = np.zeros_like(spread)
    for event, typical in enumerate(typical_logits(arrays)):
        most = float(spread[:, event].max(initial=0.0))
        if most > 0.0:
            grid = np.linspace(0.0, most, GRID)
            out[:, event] = np.interp(spread[:, event], grid, rate_keeping_shift(typical, grid))
    return out


def _kept_responses(arrays: WorldArrays, spread: Doubles) -> Doubles:
    """(U, d) shift of the means of tastes at which each user's rate of response to the items of a taste is kept."""
    out = np.zeros_like(spread)
    logits = np.linspace(-MOST_LOGIT, MOST_LOGIT, GRID)
    for column in np.flatnonzero(spread.any(0)):
        grid = np.linspace(0.0, float(spread[:, column].max()), GRID)
        table = np.stack([rate_keeping_shift(logit, grid) for logit in logits])
        own = np.clip(_logits_of_users(arrays, int(column)), -MOST_LOGIT, MOST_LOGIT)
        out[:, column] = _interpolated(
            table, (own + MOST_LOGIT) / (logits[1] - logits[0]), spread[:, column] / grid[1]
        )
    return out


def _interpolated(table: Doubles, row: Doubles, column: Doubles) -> Doubles:
    """(U,) entries of a table at fractional places (U,) of it, linear in both."""
    top, left = (np.clip(each.astype(np.int64), 0, GRID - 2) for each in (row, column))
    down, right = row - top, column - left
    upper = table[top, left] * (1.0 - right) + table[top, left + 1] * right
    lower = table[top + 1, left] * (1.0 - right) + table[top + 1, left + 1] * right
    return np.asarray(upper * (1.0 - down) + lower * down, np.float64)


def _logits_of_users(arrays: WorldArrays, column: int) -> Doubles:
    """(U,) mean logit of the response to the items that a taste is for, as the logging policy shows them."""
    weight = arrays.exposure * (arrays.factors[:, column] != 0.0)
    weight = weight / max(float(weight.sum()), 1e-12)
    common = float(weight @ arrays.item_bias)
    mean: Doubles = common + arrays.user_bias + arrays.profile @ (weight @ arrays.factors)
    return mean


def rate_keeping_shift(logit: float, spread: Doubles) -> Doubles:
    """S at which E[sigmoid(logit - s + spread e)] = sigmoid(logit), e standard normal, by bisection."""
    node, weight = hermite_nodes(31)
    bound = spread * spread + 1.0
    low, high = -bound, bound
    for _ in range(50):
        middle = 0.5 * (low + high)
        above = sigmoid(logit - middle[:, None] + spread[:, None] * node) @ weight > sigmoid(np.array(logit))
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return 0.5 * (low + high)


def typical_logits(arrays: WorldArrays) -> list[float]:
    """Logits of events at the mean affinity of the population under the logging policy."""
    weight = np.diff(arrays.user_cdf, prepend=0.0)
    x = float(arrays.exposure @ arrays.item_bias) + float(weight @ arrays.user_bias)
    own = arrays.exposure @ arrays.event_item.astype(np.float64) + weight @ arrays.event_user.astype(
        np.float64
    )
    logits, chance = [x], [float(sigmoid(np.array(x)))]
    for event in range(1, len(own)):
        logit = float(arrays.event_bias[event]) + float(arrays.event_gain[event]) * x + float(own[event])
        logit += sum(float(arrays.event_link[event, f]) * chance[f] for f in range(min(event, 2)))
        logits.append(logit)
        chance.append(float(sigmoid(np.array(logit))))
    return logits
