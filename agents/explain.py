"""Explanations: what each feature or each past item adds to the score of what was shown."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from agents.interface import Actions


@runtime_checkable
class Explains(Protocol):
    """An agent that can say why."""

    def scores(self, observation: Any) -> NDArray[np.float64]:
        """What `act` ranks when it does not explore, (B, N)."""
        ...

    def explain(self, observation: Any, action: Actions) -> list[dict[str, float]]:
        """One dict a session: readable names to contributions; they sum to the score, a slate's to its items' sum."""
        ...


def named(names: Sequence[str], values: NDArray[Any]) -> dict[str, float]:
    """Contributions by name without those that are nil; values of one name are added."""
    totals: dict[str, float] = {}
    for name, value in zip(names, values, strict=True):
        if value != 0.0:
            totals[name] = totals.get(name, 0.0) + float(value)
    return totals
