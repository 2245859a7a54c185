"""Logistic bandit: online logistic regression on crosses of session and item, by FTRL-Proximal (`agents.bandits.ftrl`).

The logit of an item's reward, scaled from the task's range into [0, 1], is a sum of weights: a constant; the item; its
category; the item after the last item with a response; the item, and its category, after that item's category; where
asked for, the user's public features times weights of the item and of its category; and the candidate features, where
the task observes some. Pairs of items share at most 2^bits weights (feature hashing: Weinberger et al., 2009, ICML).
Exploration: Thompson draws from the diagonal Laplace approximation (Chapelle and Li, 2011, NIPS), anew for every
session, or epsilon-greedy.

Axes: B sessions, N items, C categories, U users, F user features, G candidate features, n rows, L features of a row.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from agents.bandits.crosses import Crosses
from agents.bandits.ftrl import Ftrl, Rates
from agents.base import BaseAgent
from agents.explain import named
from agents.features import candidate_features, candidate_names
from agents.interface import Actions, Figures, Masks, Report, Transition
from agents.params import check_range
from agents.problem import Problem
from agents.saved import check_arrays, check_within
from agents.slates import allowed_items, last_response, scaled, top_k, unit_rewards
from agents.user_table import user_features
from recgym.arrays import Doubles, Ints

EXPLORE = ("thompson", "epsilon")
ROWS_PER_BATCH = 8_192  # of a log
SIZED = ("z", "squares", "precision")  # arrays of a number for each weight


@dataclass(frozen=True, kw_only=True)
class LogisticBanditParams:
    """The regression and its exploration."""

    alpha: float = 0.1  # learning rate, above 0
    beta: float = 0.1  # keeps the first steps of a weight small, above 0
    l1: float = 0.0  # penalty of absolute weights, at least 0
    l2: float = 1.0  # penalty of squared weights: prior precision of a weight, above 0
    passes: int = 1  # over the log, at least 1
    bits: int = 20  # at most 2^bits weights for pairs of items, from 8 to 26
    explore: str = "thompson"  # one of EXPLORE
    scale: float = 0.3  # of the draws' standard deviations, at least 0
    epsilon: float = 0.05  # share of random slates, in [0, 1]
    user_features: bool = False  # crosses with the features in the log's table of users
    fresh: bool = True  # show an item at most once per session (within the last 20 items)

    def __post_init__(self) -> None:
        if self.explore not in EXPLORE:
            raise ValueError(f"explore is {self.explore!r}, allowed: {', '.join(map(repr, EXPLORE))}")
        for name in ("alpha", "beta", "l2"):
            check_range(name, getattr(self, name), 1e-9)
        for name in ("l1", "scale"):
            check_range(name, getattr(self, name), 0)
        check_range("passes", self.passes, 1)
        check_range("bits", self.bits, 8, 26)
        check_range("epsilon", self.epsilon, 0, 1)


class LogisticBandit(BaseAgent):
    """Shows the K items of the largest logits, or drawn logits.

    Idea:
        The logit of a response is a sum of weights, one for each cross of what the session is (last item, its
        category, user features) with what is shown. They are learnt online, one row at a time, with a
        learning rate for each weight. Exploration draws the weights of this row from their approximate
        posterior.

    Formula:
        P(response) = 1 / (1 + exp(-x w));   w by FTRL-Proximal
        draws: w_j ~ N(w_j, scale^2 / (l2 + sum p (1 - p) x_j^2))

    Reads:
        The log (`passes`); the last response of this session; candidate features where they are observed;
        public user features if `user_features`.

    Cost:
        O(N L) a decision, L weights of a row; at most 2^bits weights.

    Source:
        McMahan et al. (2013), Ad click prediction: a view from the trenches, KDD; draws: Chapelle and Li
        (2011), NIPS.
    """

    name: ClassVar[str] = "logistic"
    observation: ClassVar[str] = "history"
    offline: ClassVar[bool] = True
    config: ClassVar[type[Any]] = LogisticBanditParams
    params: LogisticBanditParams

    def __init__(self, problem: Problem, seed: int = 0, device: str = "cpu", **params: Any) -> None:
        super().__init__(problem, seed, device, **params)
        self._begin(np.zeros((problem.num_users, 0)))

    def _begin(self, users: Doubles) -> None:
        """Start with no weights, for users with some features (U, F)."""
        p, self.users = self.params, users
        category = np.asarray(self.problem.items["category"], np.int64)
        self.crosses = Crosses(category, p.bits, users.shape[1], len(candidate_names(self.problem)))
        self.model = Ftrl(self.crosses.size, Rates(p.alpha, p.beta, p.l1, p.l2))

    # acting

    def scores(self, observation: Any) -> NDArray[np.float64]:
        """Logits (B, N); equal to nine digits are ties, so that rounding has no effect."""
        return np.round(self._logits(observation), 9)

    def _logits(self, observation: Any) -> Doubles:
        last, users = last_response(observation, self.problem.num_items), self._features(observation)
        weights, crosses = self.model.weights, self.crosses
        by_category, by_item = crosses.by_user(weights)
        shared = sum((weights[places] for places in crosses.category_places(last)), users @ by_category)
        own = sum((weights[places] for places in crosses.item_places(last)), users @ by_item)
        if candidate_names(self.problem):
            own = own + candidate_features(self.problem, observation) @ weights[crosses.candidate :]
        return np.asarray(weights[0] + own + shared[:, crosses.category])

    def draw(self, observation: Any) -> NDArray[np.float64]:
        """Logits under weights drawn anew for every session, (B, N).

        Weights of single items have independent draws, so their sum has one; items of a category share its draw. The
        constant is left out: it changes no order.
        """
        last, users = last_response(observation, self.problem.num_items), self._features(observation)
        variance, crosses = self.model.dispersion / self.model.precision, self.crosses
        by_category, by_item = crosses.by_user(variance)
        shared = sum((variance[places] for places in crosses.category_places(last)), users**2 @ by_category)
        own = sum((variance[places] for places in crosses.item_places(last)), users**2 @ by_item)
        if candidate_names(self.problem):
            own = own + candidate_features(self.problem, observation) ** 2 @ variance[crosses.candidate :]
        shared, own = np.sqrt(shared), np.sqrt(own)
        noise = (shared * self.rng.standard_normal(shared.shape))[:, crosses.category]
        noise += own * self.rng.standard_normal(own.shape)
        return self._logits(observation) + self.params.scale * noise

    def _features(self, observation: Any) -> Doubles:
        return np.asarray(self.users[np.asarray(observation["user"], np.int64)])

    def act(self, observation: Any, mask: Masks | None = None, explore: bool = False) -> Actions:
        """The largest logits among the allowed items; while exploring drawn ones, or some slates at random."""
        mask = allowed_items(self.problem, observation, mask, fresh=self.params.fresh)
        draws = explore and self.params.explore == "thompson"
        scores = self.draw(observation) if draws else self.scores(observation)
        if explore and self.params.explore == "epsilon":
            is_random = self.rng.random((len(scores), 1)) < self.params.epsilon
            scores = np.where(is_random, self.rng.random(scores.shape), scores)
        return top_k(scores, self.problem.slate_size, mask, ties=self.tie_order)

    # learning

    def prepare(self, log: Any, seed: int, report: Report | None = None) -> Figures:
        """Learn the rows of a log in their order, each after the last response before its slate."""
        from agents.log_histories import read_histories

        rows, num_items = read_histories(self.problem, log), self.problem.num_items
        table = user_features(log, self.problem.num_users)
        self._begin(table if self.params.user_features else table[:, :0])
        reward = scaled(self.problem, rows.reward)
        chunks = np.array_split(np.arange(len(log)), -(-len(log) // ROWS_PER_BATCH))
        for number in range(self.params.passes):
            self.model.begin_pass()
            for chunk in chunks:
                last = last_response(rows.observation(chunk, num_items), num_items)
                candidates = np.zeros((len(chunk), len(candidate_names(self.problem))))  # a log has none
                features = self.crosses.rows(last, rows.item[chunk], self.users[rows.user[chunk]], candidates)
                self.model.update(*features, reward[chunk])
            if report is not None:
                report((number + 1) * len(log), self._figures())
        return {"offline_rows": float(len(log)), **self._figures()}

    def learn(self, transition: Transition) -> Figures:
        """Learn the shown items, each with its part of the reward."""
        observation, slots = transition.observation, self.problem.slate_size
        item, reward = unit_rewards(self.problem, transition)
        last = np.repeat(last_response(observation, self.problem.num_items), slots)
        features = np.repeat(self._features(observation), slots, axis=0)
        candidates = self._candidates(observation, np.asarray(transition.action).reshape(-1, slots))
        self.model.update(*self.crosses.rows(last, item.astype(np.int64), features, candidates), reward)
        return self._figures()

    def _candidates(self, observation: Any, slates: Ints) -> Doubles:
        """Candidate features of the items of slates (B, K), one row an item, (B K, G)."""
        found = candidate_features(self.problem, observation)
        return np.asarray(found[np.arange(len(slates))[:, None], slates].reshape(slates.size, -1))

    def _figures(self) -> Figures:
        return {"dispersion": self.model.dispersion, "weights": float(np.count_nonzero(self.model.z))}

    # explanations

    def explain(self, observation: Any, action: Actions) -> list[dict[str, float]]:
        """The weights of the features; they sum to `scores` of the action."""
        last, slates = last_response(observation, self.problem.num_items), np.asarray(action)
        explanations, slates = [], slates.reshape(len(last), -1).astype(np.int64)
        candidates = self._candidates(observation, slates).reshape(*slates.shape, -1)
        for b, slate in enumerate(slates):
            users = np.repeat(self._features(observation)[[b]], len(slate), axis=0)
            places, values = self.crosses.rows(np.full(len(slate), last[b]), slate, users, candidates[b])
            parts = (self.model.weights[places] * values).sum(axis=0)
            is_new = last[b] == self.problem.num_items
            group = "no response" if is_new else f"category {self.crosses.group[last[b]]}"
            names = ["constant", "item", "category of the item", f"item after {group}"]
            names += [
                f"category after {group}",
                "item after " + ("no response" if is_new else f"item {last[b]}"),
            ]
            names += 2 * [f"user feature {number}" for number in range(self.users.shape[1])]
            names += candidate_names(self.problem)
            explanations.append(named(names, parts))
        return explanations

    # saving

    def state(self) -> dict[str, NDArray[Any]]:
        """The regression, and the users' features, (U, F)."""
        return {**self.model.state(), "users": self.users}

    def check_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """ValueError if arrays do not fit; the number of user features is that of the saved log."""
        own, place = self.state(), f"saved {self.name}"
        check_arrays(place, own, state, free=("users", *SIZED))
        num_users, num_features = state["users"].shape
        num_candidate = len(candidate_names(self.problem))
        size = Crosses(self.crosses.category, self.params.bits, num_features, num_candidate).size
        if num_users != self.problem.num_users or any(len(state[name]) != size for name in SIZED):
            found = f"{len(state['z'])} weights for {num_users} users"
            raise ValueError(f"{place} has {found}, this task needs {size} for {self.problem.num_users}")
        check_within(f"{place}: squares", state["squares"], 0.0)
        check_within(f"{place}: precision", state["precision"], 1e-12)
        check_within(f"{place}: misfit", state["misfit"], 0.0)

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Restore the result of `state`; ValueError if it is another task's."""
        self.check_state(state)
        self._begin(state["users"].copy())
        super().restore(state)
        self.model.solve()
