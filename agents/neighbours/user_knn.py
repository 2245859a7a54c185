"""User-based nearest neighbours: what people liked who answered alike (Resnick et al., 1994, CSCW).

Likeness is the shrunk cosine of profiles (Herlocker et al., 1999, SIGIR); see `agents.neighbours.neighbourhood`.
"""

from typing import ClassVar

from agents.neighbours.neighbourhood import Collaborative


class UserKnn(Collaborative):
    """Scores by the answers of the people of the log who are most like this session."""

    name: ClassVar[str] = "user-knn"
    terms: ClassVar[tuple[str, ...]] = ("people",)
