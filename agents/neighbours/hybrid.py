"""Hybrid: item-based, user-based and content-based terms in one weighted sum (Burke, 2002: "weighted hybrid").

The weights, none below zero, are fitted to the last tenth of the log (stacking: Wolpert, 1992); see
`agents.neighbours.neighbourhood`.
"""

from typing import ClassVar

from agents.neighbours.neighbourhood import Collaborative


class Hybrid(Collaborative):
    """Scores by similar items, similar users and similar features.

    Idea:
        Each of the three kinds of similarity fails somewhere: users and items need responses in common,
        features miss what they do not describe. Their terms are added with weights that are fitted to the
        last tenth of the log, which the terms have not seen.

    Formula:
        score(a) = constant + w0 expected(a) + w1 item term + w2 user term + w3 content term, all w >= 0

    Reads:
        The log; the user's number, for the user's part of it; the items and responses of this session. No
        public user features. Public features of the items.

    Cost:
        The sum of the three agents before it.

    Source:
        Burke (2002), Hybrid recommender systems, UMUAI 12; weights by stacking: Wolpert (1992), Neural
        Networks 5.
    """

    name: ClassVar[str] = "hybrid"
    terms: ClassVar[tuple[str, ...]] = ("items", "people", "content")
