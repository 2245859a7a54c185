"""Baselines: simple forecasts of an event, beside which the figures of a world are given.

Each is trained on one log and returns (R,) probabilities of an event for the rows of another. The ridge penalty of
rates is chosen on the last tenth of the training rows.
"""

import numpy as np
from numpy.typing import NDArray

from recgym.arrays import Doubles, Ints
from recgym.fidelity.indexed_log import IndexedLog
from recgym.numerics import log_losses, sigmoid

RIDGES = (1.0, 3.0, 10.0, 30.0, 100.0)


def constant(known: IndexedLog, asked: IndexedLog, event: str) -> Doubles:
    """The rate of the event."""
    return np.full(len(asked.step), _rate(known.events[event]))


def item_rates(known: IndexedLog, asked: IndexedLog, event: str) -> Doubles:
    """Rates of items, with a ridge penalty."""
    return sigmoid(_logits(known, asked, event, ("item",)))


def user_item_rates(known: IndexedLog, asked: IndexedLog, event: str) -> Doubles:
    """Additive effects of item and user on the logit, each with a ridge penalty."""
    return sigmoid(_logits(known, asked, event, ("item", "user")))


ROW_BASELINES = {
    "constant rate": constant,
    "item rates": item_rates,
    "user x item rates": user_item_rates,
}


def _logits(known: IndexedLog, asked: IndexedLog, event: str, sides: tuple[str, ...]) -> Doubles:
    flag = known.events[event].astype(np.float64)
    base = float(np.log(_rate(flag) / (1 - _rate(flag))))
    mine, theirs = np.full(len(flag), base), np.full(len(asked.step), base)
    first = np.arange(len(flag)) < 0.9 * len(flag)
    for side in sides:
        code, other = getattr(known, side), getattr(asked, side)
        size = int(max(code.max(initial=0), other.max(initial=0))) + 1
        losses = []
        for ridge in RIDGES:
            effect = _effects(code[first], flag[first], mine[first], ridge, size)
            losses.append(log_losses(flag[~first] > 0, sigmoid(mine + effect[code])[~first]).mean())
        effect = _effects(code, flag, mine, RIDGES[int(np.argmin(losses))], size)
        mine, theirs = mine + effect[code], theirs + effect[other]
    return theirs


def _effects(code: Ints, flag: Doubles, logit: Doubles, ridge: float, size: int) -> Doubles:
    """(size,) effect of each code on the logit: penalised maximum likelihood by clipped Newton steps."""
    effect = np.zeros(size)
    for _ in range(6):
        chance = sigmoid(logit + effect[code])
        slope = np.bincount(code, weights=flag - chance, minlength=size) - ridge * effect
        curve = np.bincount(code, weights=chance * (1 - chance), minlength=size) + ridge
        effect += np.clip(slope / curve, -2.0, 2.0)
    return effect


def _rate(flag: NDArray[np.generic]) -> float:
    return float((flag.sum() + 0.5) / (len(flag) + 1.0))
