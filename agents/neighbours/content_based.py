"""Content-based recommendation: items with features like those of items with a response (Pazzani and Billsus, 2007).

Similarity is the cosine of category, page, price and length, each less its mean. The expected reward of an item is
shrunk to a ridge regression on its features, so an item without impressions is scored by its features. Profiles and
weights: `agents.neighbours.neighbourhood`.
"""

from typing import ClassVar

from agents.neighbours.neighbourhood import Collaborative


class ContentBased(Collaborative):
    """Scores by the responses of this session, and of this user in the log, to items with similar features.

    Idea:
        Items are described by public features: category, page, price, length. What this user responded to
        says which features the user likes. An item that nobody was shown yet is scored by its features alone,
        so it is no worse for new items.

    Formula:
        s_ja = cosine of the features of j and a, each less its mean
        score(a) = constant + w0 ridge(a) + w1 sum_j s_ja e_j / (damping + sum_j |s_ja|)

    Reads:
        The log; the user's number, for the user's part of it; the items and responses of this session. No
        public user features. Public features of the items.

    Cost:
        N x N similarities of features once; a sparse product a decision.

    Source:
        Pazzani and Billsus (2007), Content-based recommendation systems, in: The Adaptive Web.
    """

    name: ClassVar[str] = "content-based"
    terms: ClassVar[tuple[str, ...]] = ("content",)
    by_content: ClassVar[bool] = True
