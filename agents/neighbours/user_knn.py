"""User-based nearest neighbours (Resnick et al., 1994, CSCW).

Similarity is the shrunk cosine of profiles (Herlocker et al., 1999, SIGIR); see `agents.neighbours.neighbourhood`.
"""

from typing import ClassVar

from agents.neighbours.neighbourhood import Collaborative


class UserKnn(Collaborative):
    """Scores by the responses of the users of the log who are most similar to this session.

    Idea:
        Users who responded alike before will do so again. The session, with what the log has of its user, is
        compared with the users of the log. An item's score is the weighted mean of what the most similar of
        them did with it, beyond what was expected of the item. So it adapts within a session without an
        online stage.

    Formula:
        term(a) = sum_v s_uv e_va / (damping + sum_v |s_uv|), v the nearest users who were shown a
        score(a) = constant + w0 expected(a) + w1 term(a); e: reward less expectation

    Reads:
        The log; the user's number, for the user's part of it; the items and responses of this session. No
        public user features.

    Cost:
        Similarities to P users of the log a decision, sparse; the memory is the log's.

    Source:
        Resnick, Iacovou, Suchak, Bergstrom and Riedl (1994), GroupLens, CSCW; shrinkage: Herlocker et al.
        (1999), SIGIR.
    """

    name: ClassVar[str] = "user-knn"
    terms: ClassVar[tuple[str, ...]] = ("people",)
