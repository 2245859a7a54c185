"""Standard deviation of users' taste for categories, from the responses of one log, by the method of moments.

Two rows of one user in two visits share the user's general level; if their items are of one category, they share the
user's taste for it, too. The difference of the two covariances is the variance of that taste. They are covariances of
logits: if logits X and Y are normal with covariance s, the flags have covariance

    sum over k of s^k / k! E[f^(k)(X)] E[f^(k)(Y)],    f the logistic function

(Mehler's formula, as in tetrachoric correlation: Pearson, 1900), here with three terms. Pairs of one item are left out:
they would add the taste for that item. What the rows of one visit share, its random intercept and the response to
earlier rows, is no taste; with it the variance of X is found.

Axes: R rows, U users, D resampling draws.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from recgym.arrays import Doubles, Ints
from recgym.numerics import hermite_nodes, sigmoid

MAX_PRIOR_ROWS = 1e4  # of the general rate in the rate of an item
MAX_VARIANCE = 9.0  # [squared logits]
ROUNDS = 5  # until the variance of logits no longer changes
_LOGITS = np.linspace(-16.0, 16.0, 641)
MIN_PAIRS = 500  # of rows in one category


class Rows(NamedTuple):
    """Rows of a log. Users, visits, items and categories are numbered in any way."""

    user: Ints  # (R,)
    visit: Ints
    item: Ints
    category: Ints  # of the item
    flag: Doubles  # 1 for a response, else 0


class TasteSpread(NamedTuple):
    """Standard deviations [logits], one for each draw (D,) in the `draws`."""

    taste: float  # of a user's taste for a category
    level: float  # of a user's general level
    visit: float  # of what the rows of a visit share beyond both: random intercept, response to earlier rows
    pairs: int  # of rows of one user in one category, in two visits
    draws: Doubles  # (D, 2) taste and level of resampled users

    def interval(self, which: int, share: float = 0.95) -> tuple[float, float]:
        """Percentile interval over users (Efron and Tibshirani, 1993) of taste (0) or level (1)."""
        low, high = np.quantile(self.draws[:, which], [(1 - share) / 2, (1 + share) / 2]).tolist()
        return float(low), float(high)

    def scaled(self, by: float, level: float) -> "TasteSpread":
        """The spread of logits that are `by` times as large, of what items share `level` times as large."""
        return self._replace(
            taste=by * self.taste, level=level * self.level, visit=level * self.visit,
            draws=self.draws * np.array([by, level]),
        )  # fmt: skip


def taste_spread(rows: Rows, draws: int, seed: int) -> TasteSpread | None:
    """The spread of tastes and levels with `draws` resamples of the users; None where too few pairs show it."""
    user = np.unique(rows.user, return_inverse=True)[1]
    num = int(user.max()) + 1
    codes = [[getattr(rows, key) for key in keys] for keys in _GROUPS]
    groups = [_groups(user, keys) for keys in codes]
    counts = _kinds([_pair_sums(np.ones((1, len(user))), user, group, num) for group in groups])
    pairs, others = (int(kind.sum()) for kind in counts[:2])
    if pairs < MIN_PAIRS:
        return None
    deviation, chance, unexplained = _deviations(rows)
    variance = 0.0
    for _ in range(ROUNDS):
        terms = np.stack([deviation, *_derivatives(chance, variance)])
        kinds = np.stack(
            _kinds([_pair_sums(terms, user, group, num) for group in groups])
        )  # (3 kinds, U, 4 sums)
        same, _, within = (float(_shared_variance(*kind.sum(0))) for kind in kinds)
        of_items = unexplained / float(np.mean(terms[1])) ** 2
        variance = float(np.clip(max(same, within) + of_items, 0.0, MAX_VARIANCE))
    weight = np.random.default_rng(seed).multinomial(num, np.full(num, 1.0 / num), draws)
    sums = np.concatenate([kinds.sum(1)[:, None], np.stack([weight @ kind for kind in kinds])], axis=1)
    alike, other, _ = (_shared_variance(*np.moveaxis(kind, -1, 0)) for kind in sums)  # (1 + D,) each
    other = other if others >= MIN_PAIRS else alike  # with one category, all that is shared is the level
    taste, level = (np.sqrt(np.maximum(value, 0.0)) for value in (alike - other, other))
    visit = float(np.sqrt(max(within - max(same, 0.0), 0.0)))
    return TasteSpread(
        float(taste[0]), float(level[0]), visit, pairs, np.stack([taste[1:], level[1:]], axis=1)
    )


_GROUPS = ((), ("visit",), ("item",), ("visit", "item"), ("category",), ("visit", "category"))


def _kinds(sums: Sequence[Doubles]) -> Sequence[Doubles]:
    """(U, T) sums over pairs of two items: of two visits and one category; of two of both; of one of both."""
    total = dict(zip(_GROUPS, sums, strict=True))
    one_item = total["item",] - total["visit", "item"]
    same = total["category",] - total["visit", "category"] - one_item
    every = total[()] - total["visit",] - one_item
    return same, every - same, total["visit", "category"] - total["visit", "item"]


def _deviations(rows: Rows) -> tuple[Doubles, Doubles, float]:
    """(R,) flags less their expectation, and that expectation: the shrunk rate of the item in all other rows.

    The third is the variance of the items' rates that is left, as the mean over the rows.
    The rates of items are beta-distributed; their variance is found by the method of moments (Kleinman, 1973).
    """
    item = np.unique(rows.item, return_inverse=True)[1]
    shown, happened = np.bincount(item).astype(np.float64), np.bincount(item, rows.flag)
    num, rate = len(rows.flag), (rows.flag.sum() + 0.5) / (len(rows.flag) + 1.0)
    whole, fewer = rate * (1.0 - rate), len(shown) - 1
    between = shown @ (happened / shown - rate) ** 2 - fewer * whole
    between /= max(num - shown @ shown / num - fewer, 1.0)
    between = float(np.clip(between, whole / MAX_PRIOR_ROWS, whole / 2.0))
    prior = whole / between - 1.0
    seen = shown[item] - 1.0 + prior
    chance = (happened[item] - rows.flag + prior * rate) / seen
    return rows.flag - chance, chance, between * prior * float(np.mean(1.0 / seen))


def _derivatives(chance: Doubles, variance: float) -> list[Doubles]:
    """(R,) E[f^(k)(X)] / sqrt(k!), k = 1, 2, 3, of normal X with this variance and E[f(X)] = chance."""
    node, weight = hermite_nodes(31)
    p = sigmoid(_LOGITS[:, None] + np.sqrt(variance) * node)
    slope = p * (1.0 - p)
    mean, *derivatives = (
        each @ weight for each in (p, slope, slope * (1.0 - 2.0 * p), slope * (1.0 - 6.0 * slope))
    )
    return [
        np.interp(chance, mean, value) / scale
        for value, scale in zip(derivatives, np.sqrt([1.0, 2.0, 6.0]), strict=True)
    ]


def _groups(user: Ints, keys: Sequence[Ints]) -> Ints:
    """(R,) number of the group of rows of one user that agree in all `keys`."""
    group = user
    for key in keys:
        code = np.unique(key, return_inverse=True)[1].astype(np.int64)
        group = np.unique(group * (int(code.max()) + 1) + code, return_inverse=True)[1]
    return group


def _pair_sums(terms: Doubles, user: Ints, group: Ints, num: int) -> Doubles:
    """(U, T) sums over the pairs of rows of one group of the products of each of the terms (T, R)."""
    owner = np.zeros(int(group.max()) + 1, np.int64)
    owner[group] = user
    pairs = [0.5 * (np.bincount(group, term) ** 2 - np.bincount(group, term * term)) for term in terms]
    return np.stack([np.bincount(owner, each, num) for each in pairs], axis=1)


def _shared_variance(products: Doubles, *series: Doubles) -> Doubles:
    """The s at which series[0] s + series[1] s^2 + series[2] s^3 = products, by Newton's method; 0 without pairs."""
    first, second, third = series
    with np.errstate(invalid="ignore", divide="ignore"):
        s = np.where(first > 0, products / first, 0.0)
        for _ in range(20):
            slope = first + s * (2.0 * second + 3.0 * s * third)
            step = (s * (first + s * (second + s * third)) - products) / slope
            s = np.clip(np.where(slope > 0, s - step, s), -MAX_VARIANCE, MAX_VARIANCE)
    return np.asarray(s, np.float64)
