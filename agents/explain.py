"""Explanations: contributions of features and past items to the score of the shown items."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from agents.interface import Actions


@runtime_checkable
class Explains(Protocol):
    """An agent with explanations."""

    def scores(self, observation: Any) -> NDArray[np.float64]:
        """The scores that `act` ranks without exploration, (B, N)."""
        ...

    def explain(self, observation: Any, action: Actions) -> list[dict[str, float]]:
        """Contributions by readable name, a dict per session; they sum to the score, or to the sum over a slate.

        Of one observation and its action, as of a single environment, it is the dict alone.
        """
        ...


def named(names: Sequence[str], values: NDArray[Any]) -> dict[str, float]:
    """Nonzero contributions by name; values of one name are added."""
    totals: dict[str, float] = {}
    for name, value in zip(names, values, strict=True):
        if value != 0.0:
            totals[name] = totals.get(name, 0.0) + float(value)
    return totals
