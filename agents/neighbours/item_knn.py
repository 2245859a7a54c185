"""Item-based nearest neighbours: items answered like those met (Sarwar, Karypis, Konstan and Riedl, 2001, WWW).

Adjusted cosine over the people of a log, shrunk (Koren, 2010); see `agents.neighbours.neighbourhood` for profiles and
the mix.
"""

from typing import ClassVar

from agents.neighbours.neighbourhood import Collaborative


class ItemKnn(Collaborative):
    """Scores by the answers that this session, and this user in the log, gave to similar items."""

    name: ClassVar[str] = "item-knn"
    terms: ClassVar[tuple[str, ...]] = ("items",)
