"""FTRL-Proximal for logistic regression on sparse rows (McMahan et al., 2013, KDD, Algorithm 1).

For each row in turn, with y in [0, 1], p = 1 / (1 + exp(-x w)) and g = (p - y) x, in every coordinate:

    sigma = (sqrt(n + g^2) - sqrt(n)) / alpha
    z <- z + g - sigma w;  n <- n + g^2
    w  = 0 if |z| <= l1, else -(z - sign(z) l1) / ((beta + sqrt(n)) / alpha + l2)

`precision` is the diagonal of Laplace's approximation, l2 + sum p (1 - p) x^2 (Chapelle and Li, 2011, NIPS, Algorithm
3). A y between 0 and 1 makes it a quasi-likelihood: variances are multiplied by the dispersion, the mean of
(y - p)^2 / (p (1 - p)), which is about 1 for y of 0 and 1 (McCullagh and Nelder, 1989, Generalized linear models,
section 9.2).

Axes: n rows, L features of a row that are not 0, D coordinates.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recgym.arrays import Arrays, Doubles
from recgym.jit import njit

LEAST_VARIANCE = 1e-6  # of p (1 - p), in the dispersion


class Rates(NamedTuple):
    """Learning rates and penalties."""

    alpha: float  # learning rate
    beta: float  # keeps the first steps small
    l1: float  # sum of absolute weights is penalised by it
    l2: float  # half the sum of squared weights is penalised by it


@njit()
def _update(
    arrays: tuple[Doubles, Doubles, Doubles, Doubles],
    index: NDArray[np.int64],
    x: Doubles,
    y: Doubles,
    rates: Rates,
) -> float:
    """Algorithm 1 on rows in their order; returns the sum of (y - p)^2 / (p (1 - p))."""
    z, squares, precision, weights = arrays
    alpha, beta, l1, l2 = rates
    misfit = 0.0
    for row in range(len(y)):
        logit = 0.0
        for k in range(index.shape[1]):
            logit += weights[index[row, k]] * x[row, k]
        p = 1.0 / (1.0 + np.exp(-logit))
        variance = p * (1.0 - p)
        misfit += (y[row] - p) ** 2 / max(variance, LEAST_VARIANCE)
        for k in range(index.shape[1]):
            i, value = index[row, k], x[row, k]
            if value == 0.0:
                continue
            g = (p - y[row]) * value
            sigma = (np.sqrt(squares[i] + g * g) - np.sqrt(squares[i])) / alpha
            z[i] += g - sigma * weights[i]
            squares[i] += g * g
            precision[i] += variance * value * value
            weights[i] = _weight(z[i], squares[i], alpha, beta, l1, l2)
    return misfit


@njit()
def _weight(z: float, squares: float, alpha: float, beta: float, l1: float, l2: float) -> float:
    if abs(z) <= l1:
        return 0.0
    return float(-(z - np.sign(z) * l1) / ((beta + np.sqrt(squares)) / alpha + l2))


class Ftrl:
    """Weights of a logistic regression, learnt row by row."""

    def __init__(self, size: int, rates: Rates) -> None:
        self.rates = rates
        self.z, self.squares, self.weights = np.zeros(size), np.zeros(size), np.zeros(size)
        self.precision = np.empty(size)
        self.misfit = np.empty(2)  # sum of squared standardised errors, and number of rows; one pseudo-row
        self.begin_pass()

    def begin_pass(self) -> None:
        """Forget precision and misfit, so that rows that are learnt in several passes count once."""
        self.precision[:], self.misfit[:] = max(self.rates.l2, 1e-9), 1.0

    @property
    def dispersion(self) -> float:
        """Factor of the variances."""
        return float(self.misfit[0] / self.misfit[1])

    def update(self, index: NDArray[np.int64], x: Doubles, y: Doubles) -> None:
        """Learn rows: coordinates and values of their features, (n, L), and y (n,) in [0, 1]."""
        arrays = self.z, self.squares, self.precision, self.weights
        self.misfit += _update(arrays, index, x, y, self.rates), len(y)

    def solve(self) -> None:
        """The weights that follow from the other arrays."""
        alpha, beta, l1, l2 = self.rates
        shrunk = np.sign(self.z) * np.maximum(np.abs(self.z) - l1, 0.0)
        self.weights[:] = -shrunk / ((beta + np.sqrt(self.squares)) / alpha + l2)

    def state(self) -> Arrays:
        """Learnt arrays by name; the weights follow from them."""
        return {"z": self.z, "squares": self.squares, "precision": self.precision, "misfit": self.misfit}
