"""Content-based: items whose public features are like those of what was answered (Pazzani and Billsus, 2007).

Likeness is the cosine of category, page, price and length, each less its mean. What is expected of an item without
regard to the session begins with its features too, by ridge regression on the log, from which its own record leads
away: an item that the log never showed is judged by its features. See `agents.neighbours.neighbourhood` for profiles
and the mix.
"""

from typing import ClassVar

from agents.neighbours.neighbourhood import Collaborative


class ContentBased(Collaborative):
    """Scores by the answers that this session, and this user in the log, gave to items with such features."""

    name: ClassVar[str] = "content-based"
    terms: ClassVar[tuple[str, ...]] = ("content",)
    by_content: ClassVar[bool] = True
