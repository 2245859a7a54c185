"""Content-based recommendation: items with features like those of items with a response (Pazzani and Billsus, 2007).

Similarity is the cosine of category, page, price and length, each less its mean. The expected reward of an item is
shrunk to a ridge regression on its features, so an item without impressions is scored by its features. Profiles and
weights: `agents.neighbours.neighbourhood`.
"""

from typing import ClassVar

from agents.neighbours.neighbourhood import Collaborative


class ContentBased(Collaborative):
    """Scores by the responses of this session, and of this user in the log, to items with similar features."""

    name: ClassVar[str] = "content-based"
    terms: ClassVar[tuple[str, ...]] = ("content",)
    by_content: ClassVar[bool] = True
