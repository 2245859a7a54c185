"""Hybrid: item-based, user-based and content-based terms in one weighted sum (Burke, 2002: "weighted hybrid").

The weights, none below zero, are fitted to the last tenth of the log (stacking: Wolpert, 1992); see
`agents.neighbours.neighbourhood`.
"""

from typing import ClassVar

from agents.neighbours.neighbourhood import Collaborative


class Hybrid(Collaborative):
    """Scores by similar items, similar users and similar features."""

    name: ClassVar[str] = "hybrid"
    terms: ClassVar[tuple[str, ...]] = ("items", "people", "content")
