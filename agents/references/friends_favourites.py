"""Friends' favourites: items that most friends have in their library, or people whom most friends know.

It needs an environment that observes friends or candidates. Elsewhere it is `popularity`.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from agents.features import CANDIDATE_NAMES, candidate_features, candidate_names
from agents.interface import Actions, Masks
from agents.references.popularity import Popularity
from agents.slates import allowed_items, top_k

IN_COMMON = CANDIDATE_NAMES.index("friends in common")


class FriendsFavourites(Popularity):
    """Shows the item, or the K items, that most of the user's friends have, or the candidate whom most of them know.

    Idea:
        People like what their friends like (homophily). An item is ranked by the number of the user's friends
        who have it in their library, a person by the number of friends in common; ties go to the more popular
        one. Where neither is observed it is `popularity`.

    Formula:
        score(a) = number of friends with a, or in common with a, + popularity(a) scaled into [0, 1)

    Reads:
        The log for popularity; the libraries of friends, or the friends in common with candidates, where the
        environment observes them; the items shown.

    Cost:
        As popularity.

    Source:
        Konstas, Stathopoulos and Jose (2009), On social networks and collaborative recommendation, SIGIR
        (their baseline of friends' items); people: Liben-Nowell and Kleinberg (2003), The link prediction
        problem for social networks, CIKM (common neighbours).
    """

    name: ClassVar[str] = "friends"

    @classmethod
    def accepts(cls, params: Mapping[str, Any], slate_size: int = 1) -> tuple[str, ...]:
        """The history, for the friends of each item."""
        return (cls.observation,)

    @property
    def sees_friends(self) -> bool:
        """Whether the task's observation has friends, or candidates to be friends."""
        shown = getattr(self.problem.observation_space, "spaces", ())
        return "friends" in shown or bool(candidate_names(self.problem))

    def act(self, observation: Any, mask: Masks | None = None, explore: bool = False) -> Actions:
        """The items of most friends among the allowed items, explore or not."""
        num_items = self.problem.num_items
        place = (
            np.unique(self.score, return_inverse=True)[1] / num_items
        )  # in [0, 1): it decides among equal counts
        friends = observation.get("friends", np.zeros((len(observation["shown"]), num_items)))
        if candidate_names(self.problem):
            friends = candidate_features(self.problem, observation)[:, :, IN_COMMON]
        scores = np.unique(friends, return_inverse=True)[1].reshape(friends.shape) + place
        mask = allowed_items(self.problem, observation, mask, fresh=self.params.fresh)
        return top_k(scores, self.problem.slate_size, mask, ties=self.tie_order)
