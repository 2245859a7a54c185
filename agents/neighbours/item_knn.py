"""Item-based nearest neighbours (Sarwar, Karypis, Konstan and Riedl, 2001, WWW).

Similarity is the adjusted cosine over the users of a log, shrunk (Koren, 2010); see `agents.neighbours.neighbourhood`
for profiles and weights.
"""

from typing import ClassVar

from agents.neighbours.neighbourhood import Collaborative


class ItemKnn(Collaborative):
    """Scores by the responses of this session, and of this user in the log, to similar items."""

    name: ClassVar[str] = "item-knn"
    terms: ClassVar[tuple[str, ...]] = ("items",)
