"""User-based nearest neighbours (Resnick et al., 1994, CSCW).

Similarity is the shrunk cosine of profiles (Herlocker et al., 1999, SIGIR); see `agents.neighbours.neighbourhood`.
"""

from typing import ClassVar

from agents.neighbours.neighbourhood import Collaborative


class UserKnn(Collaborative):
    """Scores by the responses of the users of the log who are most similar to this session."""

    name: ClassVar[str] = "user-knn"
    terms: ClassVar[tuple[str, ...]] = ("people",)
