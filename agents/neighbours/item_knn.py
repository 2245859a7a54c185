"""Item-based nearest neighbours (Sarwar, Karypis, Konstan and Riedl, 2001, WWW).

Similarity is the adjusted cosine over the users of a log, shrunk (Koren, 2010); see `agents.neighbours.neighbourhood`
for profiles and weights.
"""

from typing import ClassVar

from agents.neighbours.neighbourhood import Collaborative


class ItemKnn(Collaborative):
    """Scores by the responses of this session, and of this user in the log, to similar items.

    Idea:
        Items that got alike responses from the same users are similar. An item's score is the weighted mean
        of this session's and this user's responses to items similar to it, beyond what was expected of them.
        Similarities are computed once, so a decision is quick.

    Formula:
        term(a) = sum_j s_ja e_j / (damping + sum_j |s_ja|), j the items of the profile
        score(a) = constant + w0 expected(a) + w1 term(a); e: reward less expectation

    Reads:
        The log; the user's number, for the user's part of it; the items and responses of this session. No
        public user features.

    Cost:
        N x `neighbours` similarities once; a sparse product a decision.

    Source:
        Sarwar, Karypis, Konstan and Riedl (2001), Item-based collaborative filtering, WWW; shrinkage: Koren
        (2010), TKDD 4.
    """

    name: ClassVar[str] = "item-knn"
    terms: ClassVar[tuple[str, ...]] = ("items",)
