"""Ridge regression that is updated row by row: the posterior of a linear reward, for every arm or for all together.

With prior N(0, s / ridge) of the weights and noise of variance s, the posterior after rows X and rewards y is
N(w, s A^-1) with A = ridge I + X^T X and A w = X^T y. Rows are added one by one or in batches by the formulas of
Sherman and Morrison (1950) and Woodbury (1950), which update A^-1 and w, in float64, without solving a system.

`misfit` is the sum of e^2 / (1 + x A^-1 x) over the rows, e the error of the prediction before each: with it the
posterior of s under an inverse-gamma prior is known too (Riquelme, Tucker and Snoek, 2018, equation 2, unrolled).

Axes: B sessions, N arms, n rows of an update, d features, D = d (d + 1) / 2 pairs of features.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recgym.arrays import Doubles
from recgym.jit import njit

Rows = NDArray[np.int64]
BLOCK = 256  # rows that Woodbury's formula takes at once


@njit()
def _pairs(x: Doubles, out: Doubles) -> None:
    """Products of a row's features, pair by pair, so that <pairs, packed A^-1> = x A^-1 x."""
    num = x.shape[1]
    for b in range(x.shape[0]):
        at = 0
        for i in range(num):
            out[b, at] = x[b, i] * x[b, i]
            at += 1
            twice = 2.0 * x[b, i]
            for j in range(i + 1, num):
                out[b, at] = twice * x[b, j]
                at += 1


@njit()
def _absorb(
    inverse: Doubles, weights: Doubles, misfit: Doubles, arms: Rows, x: Doubles, y: Doubles, v: Doubles
) -> None:
    """Sherman and Morrison's update of each row's arm in turn; v (d,) is scratch, the inverses are packed."""
    num = x.shape[1]
    for n in range(x.shape[0]):
        a, at = arms[n], 0
        v[:] = 0.0
        for i in range(num):
            xi, vi = x[n, i], inverse[a, at] * x[n, i]
            at += 1
            for j in range(i + 1, num):
                p = inverse[a, at]
                vi += p * x[n, j]
                v[j] += p * xi
                at += 1
            v[i] += vi
        gain, error = 1.0, y[n]
        for i in range(num):
            gain += x[n, i] * v[i]
            error -= x[n, i] * weights[a, i]
        misfit[a] += error * error / gain
        at = 0
        for i in range(num):
            weights[a, i] += v[i] * error / gain
            scaled = v[i] / gain
            for j in range(i, num):
                inverse[a, at] -= scaled * v[j]
                at += 1


class Disjoint:
    """One ridge regression an arm over the same features: Li et al. (2010), Algorithm 1.

    The inverses are symmetric and kept packed, so that the variances of a batch are one matrix product (B, D) (D, N).
    """

    def __init__(self, num_arms: int, width: int, ridge: float) -> None:
        self.width = width
        first, second = np.triu_indices(width)
        self.inverse = np.tile(np.where(first == second, 1.0 / ridge, 0.0), (num_arms, 1))  # (N, D)
        self.weights = np.zeros((num_arms, width))
        self.misfit = np.zeros(num_arms)
        self.rows = np.zeros(num_arms)  # (N,) seen, by weight
        self._scratch = np.zeros(width)
        self._room = (np.zeros((0, 0)), np.zeros((0, 0)), np.zeros((0, 0)))

    def mean(self, x: Doubles) -> Doubles:
        """Expected rewards (B, N) in contexts x (B, d)."""
        return np.asarray(x @ self.weights.T)

    def variance(self, x: Doubles) -> Doubles:
        """Variance of the mean of every arm in units of the noise's: x A^-1 x, (B, N)."""
        pairs = np.empty((len(x), self.inverse.shape[1]))
        _pairs(x, pairs)
        return np.asarray(pairs @ self.inverse.T)

    def moments(self, x: Doubles) -> tuple[Doubles, Doubles]:
        """Mean, and its standard deviation in units of the noise's, (B, N) each; the next call overwrites them.

        Allocating memory for large batches would take a third of the time.
        """
        num_arms, size = self.inverse.shape
        if len(self._room[0]) != len(x):
            self._room = np.empty((len(x), size)), np.empty((len(x), num_arms)), np.empty((len(x), num_arms))
        pairs, mean, deviation = self._room
        _pairs(x, pairs)
        np.matmul(x, self.weights.T, out=mean)
        np.matmul(pairs, self.inverse.T, out=deviation)
        np.sqrt(np.maximum(deviation, 0.0, out=deviation), out=deviation)
        return mean, deviation

    def update(self, arms: Rows, x: Doubles, y: Doubles, weight: float = 1.0) -> None:
        """Rows in their order: arms (n,), features (n, d), rewards (n,); `weight` is how many rows one counts as."""
        root = weight**0.5
        scaled = np.ascontiguousarray(root * x, np.float64)
        _absorb(self.inverse, self.weights, self.misfit, arms, scaled, root * y, self._scratch)
        self.rows += weight * np.bincount(arms, minlength=len(self.rows))

    def state(self) -> dict[str, NDArray[np.float64]]:
        """Learned arrays by name."""
        return {
            "inverse": self.inverse,
            "weights": self.weights,
            "misfit": self.misfit,
            "rows": self.rows,
        }


class Design(NamedTuple):
    """Features of every session with every item, (B, N, c + g + m), without writing out what repeats."""

    session: Doubles  # (B, c)
    item: Doubles  # (N, g)
    match: Doubles  # (B, N, m)

    def row(self, session: Rows, item: Rows) -> Doubles:
        """Features of some pairs, (n, c + g + m)."""
        return np.concatenate([self.session[session], self.item[item], self.match[session, item]], axis=1)

    def split(self, vector: Doubles) -> tuple[Doubles, Doubles, Doubles]:
        """The parts of vectors (..., d) that belong to session, item and match."""
        c, g = self.session.shape[1], self.item.shape[1]
        return vector[..., :c], vector[..., c : c + g], vector[..., c + g :]

    def times(self, vector: Doubles) -> Doubles:
        """Inner products with one vector (d,) or with one a session (B, d), (B, N)."""
        session, item, match = self.split(np.atleast_2d(vector))
        matched = (self.match @ match[:, :, None])[..., 0]
        return np.asarray((self.session * session).sum(axis=1)[:, None] + item @ self.item.T + matched)

    def square(self, matrix: Doubles) -> Doubles:
        """The quadratic form of a symmetric matrix (d, d), (B, N)."""
        by_session, by_item, by_match = self.split(matrix)
        c, g = self.session.shape[1], self.item.shape[1]
        sessions = ((self.session @ by_session[:c]) * self.session).sum(axis=1)
        items = ((self.item @ by_item[c : c + g]) * self.item).sum(axis=1)
        both = 2.0 * (self.session @ by_item[:c]) @ self.item.T
        linear = (self.session @ by_match[:c])[:, None] + (self.item @ by_match[c : c + g])[None]
        matched = ((2.0 * linear + self.match @ by_match[c + g :]) * self.match).sum(axis=2)
        return np.asarray(sessions[:, None] + items + both + matched)


class Shared:
    """One ridge regression for all arms over features of session and item: Li et al. (2010), section 3, shared."""

    def __init__(self, width: int, ridge: float) -> None:
        self.width = width
        self.inverse = np.eye(width) / ridge
        self.weights = np.zeros(width)
        self.misfit = np.zeros(1)
        self.rows = np.zeros(1)

    def mean(self, x: Design) -> Doubles:
        """Expected rewards (B, N)."""
        return np.asarray(x.times(self.weights))

    def variance(self, x: Design) -> Doubles:
        """Variance of the mean of every pair in units of the noise's: x A^-1 x, (B, N)."""
        return np.maximum(x.square(self.inverse), 0.0)

    def moments(self, x: Design) -> tuple[Doubles, Doubles]:
        """Mean, and its standard deviation in units of the noise's, (B, N) each."""
        return self.mean(x), np.sqrt(self.variance(x))

    def update(self, x: Doubles, y: Doubles, weight: float = 1.0) -> None:
        """A batch of rows: features (n, d), rewards (n,)."""
        root = weight**0.5
        for begin in range(0, len(x), BLOCK):
            self._absorb(root * x[begin : begin + BLOCK], root * y[begin : begin + BLOCK])
        self.rows += weight * len(x)

    def _absorb(self, x: Doubles, y: Doubles) -> None:
        error = y - x @ self.weights
        gain = self.inverse @ x.T
        spread = np.eye(len(x)) + x @ gain
        solved = np.linalg.solve(spread, np.column_stack([error, gain.T]))
        self.weights += gain @ solved[:, 0]
        self.inverse -= gain @ solved[:, 1:]
        self.inverse[:] = 0.5 * (self.inverse + self.inverse.T)
        self.misfit += error @ solved[:, 0]

    def draw(self, rng: np.random.Generator, num: int, scale: float) -> Doubles:
        """Weights drawn from the posterior, (num, d), its standard deviations times `scale`."""
        root = np.linalg.cholesky(self.inverse)
        return np.asarray(self.weights + scale * rng.standard_normal((num, self.width)) @ root.T)

    def state(self) -> dict[str, NDArray[np.float64]]:
        """Learned arrays by name."""
        return {
            "inverse": self.inverse,
            "weights": self.weights,
            "misfit": self.misfit,
            "rows": self.rows,
        }
