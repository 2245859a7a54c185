"""Popularity: the same items for all users, by their mean reward in a log.

By default "best" is the mean reward of an exposure under this task's own reward (`clicks`: the click rate),
shrunk toward the log's mean, because a count of clicks mostly repeats what the logging policy chose to show.
Choose `by="count"` for the textbook's "most popular" (Cremonesi, Koren and Turrin, 2010).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from agents.base import BaseAgent
from agents.interface import Actions, Figures, Masks, Report
from agents.observation_checks import ANY
from agents.params import check_range
from agents.problem import Problem
from agents.slates import allowed_items, logged_events, logged_rewards, num_rows, shrunk_means, top_k

BY = ("reward", "response", "count")


@dataclass(frozen=True, kw_only=True)
class PopularityParams:
    """Definition of popularity, and whether items are repeated."""

    by: str = "reward"  # mean reward of an exposure; "response": response rate; "count": number of responses
    smoothing: float = 20.0  # pseudo-impressions of each item at the log's mean, at least 0; not for "count"
    fresh: bool = True  # show an item at most once per session (within the last 20 items)

    def __post_init__(self) -> None:
        if self.by not in BY:
            raise ValueError(f"by is {self.by!r}, allowed: {', '.join(map(repr, BY))}")
        check_range("smoothing", self.smoothing, 0)


class Popularity(BaseAgent):
    """Shows the most popular item, or the K most popular; without a log, items in random order.

    Idea:
        The same items for everyone: those with the largest mean reward in the log. The mean of an item with
        few impressions is shrunk toward the mean of all, because few impressions can be good by chance. What
        a session has shown is not shown again.

    Formula:
        score(a) = (sum of rewards of a + smoothing * mean of all) / (impressions of a + smoothing)

    Reads:
        The log; of the observation only the items shown, for `fresh`.

    Cost:
        One pass over the log; N scores a decision.

    Source:
        Cremonesi, Koren and Turrin (2010), Performance of recommender algorithms on top-n recommendation
        tasks, RecSys.
    """

    name: ClassVar[str] = "popularity"
    observation: ClassVar[str] = "history"
    offline: ClassVar[bool] = True
    config: ClassVar[type[Any]] = PopularityParams
    params: PopularityParams

    @classmethod
    def accepts(cls, params: Mapping[str, Any], slate_size: int = 1) -> tuple[str, ...]:
        """The history, for the items shown; any observation if items may be repeated."""
        return (cls.observation,) if params.get("fresh", True) else ANY

    def __init__(self, problem: Problem, seed: int = 0, device: str = "cpu", **params: Any) -> None:
        super().__init__(problem, seed, device, **params)
        self.score = np.zeros(problem.num_items)  # (N,)

    def prepare(self, log: Any, seed: int, report: Report | None = None) -> Figures:
        """Score every item on the log; an item never shown scores the log's mean."""
        items, num_items = log.column("item"), self.problem.num_items
        response = logged_events(self.problem, log)[:, 0].astype(np.float64)
        value = logged_rewards(self.problem, log) if self.params.by == "reward" else response
        if self.params.by == "count":
            self.score[:] = np.bincount(items, value, num_items)
        else:
            self.score[:], _ = shrunk_means(items, value, num_items, self.params.smoothing)
        return {"offline_rows": float(len(log)), "top": float(self.score.max())}

    def act(self, observation: Any, mask: Masks | None = None, explore: bool = False) -> Actions:
        """The best scores among the allowed items, explore or not."""
        scores = np.broadcast_to(self.score, (num_rows(observation), len(self.score)))
        mask = allowed_items(self.problem, observation, mask, fresh=self.params.fresh)
        return top_k(scores, self.problem.slate_size, mask, ties=self.tie_order)

    def state(self) -> dict[str, NDArray[Any]]:
        """The items' scores."""
        return {"score": self.score}
