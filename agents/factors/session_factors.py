"""A matrix factorisation of a log that goes on learning from an agent's own sessions.

The factors are those of `agents.factors.gaussian_factors`. Each impression of the agent enters them once, with all that
is known of its session when that ends or when the impression leaves the history. Rewards are scaled to [0, 1].

Axes: B sessions, R rows of a log, U users, F user features.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.factors.gaussian_factors import LEAST_SHARE, Beliefs, GaussianFactors
from agents.interface import Transition
from agents.log_histories import Histories
from agents.loop import take
from agents.past_rewards import PastRewards, RewardSums
from agents.problem import Problem
from agents.saved import check_within
from agents.slates import scaled
from recgym.arrays import Arrays, Doubles, Ints


class SessionFactors:
    """`model` has the factors, `past` the rewards of the observation "history"."""

    def __init__(self, problem: Problem, rank: int, rng: np.random.Generator) -> None:
        category = np.asarray(problem.items["category"], np.int64)
        self.problem = problem
        self.model = GaussianFactors(category, problem.num_users, rank, rng)
        self.past = PastRewards(problem)

    def fit(
        self, histories: Histories, rows: Ints, features: Doubles, passes: int, rng: np.random.Generator
    ) -> None:
        """Factorise some rows of a log, one row of the matrix for each session; what was learnt before is dropped.

        Args:
            histories: of the log.
            rows: (R,) of the log, rising.
            features: (U, F) of the users; F may be 0.
            passes: iterations of expectation maximisation.
            rng: draws the first factors.
        """
        item, reward = histories.item[rows], histories.reward[rows]
        self.past.clear()
        self.past.fit(item, histories.events[rows], reward)
        number, first, session = np.unique(histories.session[rows], return_index=True, return_inverse=True)
        shape = len(number), self.problem.num_items
        sums = RewardSums.of(session, item, scaled(self.problem, reward), shape)
        self.model.fit(histories.user[rows][first], sums, features, passes, rng)

    def beliefs(self, observation: Any) -> Beliefs:
        """Posteriors of the sessions' vectors."""
        return self.model.posterior(np.asarray(observation["user"], np.int64), self.past(observation))

    def learn(self, transition: Transition) -> None:
        """Add impressions that leave the history, and the whole history where a session ends.

        Sessions that go on have sums of their own, which the next call replaces, when more is known of them.
        """
        self.past.learn(transition)
        before, after = transition.observation, transition.next_observation
        oldest = {**before, "shown": before["shown"].copy()}
        oldest["shown"][:, self.problem.slate_size :] = self.problem.num_items
        over = transition.terminated | transition.truncated
        for observation, part in ((before, oldest), (take(after, over), take(after, over))):
            rows = np.flatnonzero((part["shown"] < self.problem.num_items).any(axis=1))
            if len(rows):
                users = np.asarray(part["user"], np.int64)[rows]
                self.model.absorb(users, self.beliefs(take(observation, rows)), self.past(take(part, rows)))
        self.model.open.clear()
        if not over.all():
            going = take(after, ~over)
            self.model.open.add(self.beliefs(going), self.past(going))
        self.model.refresh()

    def state(self) -> Arrays:
        """Sums and priors of the factorisation, and of the minutes watched."""
        return {**self.model.state(), **self.past.state()}

    def check_state(self, what: str, state: Mapping[str, NDArray[Any]]) -> None:
        """ValueError, beginning with `what`, if a variance is not above 0."""
        for name in ("noise", "spread"):
            check_within(f"{what}: {name}", state[name], 1e-12)
        check_within(f"{what}: share", state["share"], LEAST_SHARE, 1.0 - LEAST_SHARE)

    def solve(self) -> None:
        """Compute what follows from restored sums: posteriors of the items, and the minutes of events."""
        self.model.solve()
        self.past.solve()
