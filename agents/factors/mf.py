"""Matrix factorisation with a posterior of the session's vector, updated after every response.

Zhao, Zhang and Wang (2013, CIKM, "Interactive collaborative filtering"): probabilistic matrix factorisation on the log
(`agents.factors.gaussian_factors`), Thompson draws from the posterior of the session's vector while exploring, its
mean otherwise. Here the items' posteriors are drawn too, and the agent's own sessions enter the factors
(`agents.factors.session_factors`). Prior means come from the users' public features in the log's table, and from the
user's other sessions, as far as those say something about a new one.

Axes: B sessions, N items, K slate positions, H history, D = rank + 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from agents.base import BaseAgent
from agents.explain import named
from agents.factors.gaussian_factors import Beliefs
from agents.factors.session_factors import SessionFactors
from agents.interface import Actions, Figures, Masks, Report, Transition
from agents.params import check_range
from agents.problem import Problem
from agents.slates import allowed_items, top_k
from agents.user_table import user_features
from recgym.arrays import Doubles


@dataclass(frozen=True, kw_only=True)
class MfParams:
    """The factorisation and how wide draws scatter."""

    rank: int = 8  # number of factors beside the item's bias, from 1 to 64
    passes: int = 30  # iterations over the log, at least 1
    scale: float = 1.0  # of the posteriors' standard deviations while exploring, at least 0; 0: greedy
    user_features: bool = True  # prior means by the features in the log's table of users
    fresh: bool = True  # show an item at most once per session (within the last 20 items)

    def __post_init__(self) -> None:
        check_range("rank", self.rank, 1, 64)
        check_range("passes", self.passes, 1)
        check_range("scale", self.scale, 0)


class Mf(BaseAgent):
    """Shows the largest expected rewards under the session's posterior; explores with one draw of it.

    Idea:
        A response is an item's bias plus the inner product of vectors of session and item, plus noise. All
        are Gaussian, so what is known of the session's vector after each response is known exactly, with its
        uncertainty. It exploits by the mean and explores by one draw (Thompson sampling).

    Formula:
        r = b_a + <u, w_a> + e;   u | responses ~ N(m, S)
        S^-1 = P + sum w_a w_a' / s^2;   S^-1 m = P p + sum w_a (r - b_a) / s^2

    Reads:
        The log; the user's number; public user features of the log's table (`user_features`); items and
        responses of this session.

    Cost:
        Offline `passes` over the log, O(rows rank^2); a decision O(N rank + rank^3).

    Source:
        Zhao, Zhang and Wang (2013), Interactive collaborative filtering, CIKM; model: Salakhutdinov and Mnih
        (2008), NIPS.
    """

    name: ClassVar[str] = "mf"
    observation: ClassVar[str] = "history"
    offline: ClassVar[bool] = True
    num_envs: ClassVar[int] = 64
    config: ClassVar[type[Any]] = MfParams
    params: MfParams

    def __init__(self, problem: Problem, seed: int = 0, device: str = "cpu", **params: Any) -> None:
        super().__init__(problem, seed, device, **params)
        self.factors = SessionFactors(problem, self.params.rank, self.rng)
        self.model, self.past, self.beliefs = self.factors.model, self.factors.past, self.factors.beliefs

    # from the log

    def prepare(self, log: Any, seed: int, report: Report | None = None) -> Figures:
        """Factorise the rewards of a log, one row of the matrix for each session."""
        from agents.log_histories import read_histories

        histories = read_histories(self.problem, log)
        table = user_features(log, self.problem.num_users)
        features = table if self.params.user_features else table[:, :0]
        rng = np.random.default_rng(np.random.SeedSequence([seed, len(log)]))
        self.factors.fit(histories, np.arange(len(log)), features, self.params.passes, rng)
        figures = self._figures()
        if report is not None:
            report(len(log), figures)
        return {"offline_rows": float(len(log)), **figures}

    # acting

    def scores(self, observation: Any) -> NDArray[np.float64]:
        """Expected scaled rewards, (B, N); equal to nine digits are ties, so that rounding has no effect."""
        return np.round(self._expected(self.beliefs(observation).mean), 9)

    def _expected(self, vectors: Doubles) -> Doubles:
        return np.asarray(self.model.items[:, 0] + vectors @ self.model.items[:, 1:].T)

    def draw(self, beliefs: Beliefs) -> NDArray[np.float64]:
        """Scaled rewards under one draw of each session's and each item's vector, (B, N)."""
        scale, shape = self.params.scale, beliefs.mean.shape
        root = np.linalg.cholesky(beliefs.covariance)
        noise = (root @ self.rng.standard_normal((*shape, 1)))[:, :, 0]
        vectors = beliefs.mean + scale * noise
        full = np.column_stack([np.ones(len(vectors)), vectors])
        pairs = (full[:, :, None] * full[:, None, :]).reshape(len(full), -1)
        variance = pairs @ self.model.item_covariance.reshape(self.problem.num_items, -1).T
        deviation = np.sqrt(np.maximum(variance, 0.0))
        return self._expected(vectors) + scale * deviation * self.rng.standard_normal(deviation.shape)

    def act(self, observation: Any, mask: Masks | None = None, explore: bool = False) -> Actions:
        """The largest expected or drawn rewards among the allowed items."""
        mask = allowed_items(self.problem, observation, mask, fresh=self.params.fresh)
        scores = self.draw(self.beliefs(observation)) if explore else self.scores(observation)
        return top_k(scores, self.problem.slate_size, mask, ties=self.tie_order)

    # learning online

    def learn(self, transition: Transition) -> Figures:
        """Add impressions of the agent's sessions to the factors."""
        self.factors.learn(transition)
        return self._figures()

    def part_from_sessions(self) -> None:
        """Take the sessions that go on as ended."""
        self.model.close()

    def _figures(self) -> Figures:
        return {"noise": float(np.sqrt(self.model.noise[0])), "user share": float(self.model.share[0])}

    # explanations

    def explain(self, observation: Any, action: Actions) -> list[dict[str, float]]:
        """Contributions of the items' biases, the user and each past item; they sum to `scores` of the action."""
        model, seen = self.model, self.past(observation)
        users = np.asarray(observation["user"], np.int64)
        prior, beliefs = model.prior(users), model.posterior(users, seen)
        explanations = []
        for b, slate in enumerate(np.asarray(action).reshape(len(action), -1)):
            bias, w = model.items[slate].sum(axis=0)[0], model.items[slate, 1:].sum(axis=0)
            pull = beliefs.covariance[b] @ w
            by_user = pull @ np.linalg.solve(prior.covariance[b], prior.mean[b])
            past, rewards = seen.shown[[b]].indices, seen.rewards[[b]].toarray()[0]
            count = seen.shown[[b]].toarray()[0]
            own = model.items[past, 1:] @ pull / model.noise[0]
            surprise = rewards[past] - count[past] * model.items[past, 0]
            names = ["mean reward of the item", "user", *(f"past item {item}" for item in past)]
            explanations.append(named(names, np.array([bias, by_user, *(own * surprise)])))
        return explanations

    # saving

    def state(self) -> dict[str, NDArray[Any]]:
        """Sums and priors of the factorisation, and of the minutes watched."""
        return self.factors.state()

    def check_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """ValueError if arrays do not fit or a variance is not above 0."""
        super().check_state(state)
        self.factors.check_state(f"saved {self.name}", state)

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Restore the result of `state`, and the posteriors that follow from it."""
        super().restore(state)
        self.factors.solve()
