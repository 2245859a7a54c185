"""Base class of the linear bandits: contexts, ridge regression, an offline stage, explanations.

Two modes. "shared": one regression for all items over features of the session (constant, events, context), features
of the item (category, page, price, length, mean reward in the log), their matches (`agents.features.MATCHES`) and
candidate features, concatenated. "disjoint": one regression an item over the session's
features (Li et al., 2010, Algorithm 1), from the item's own impressions.

Rewards are scaled from the task's range for one item into [0, 1]; widths and draws are in units of the noise, whose
variance is estimated from the errors, so no parameter depends on the unit of the reward. A log's rows enter the same
regression with weight `log_weight`; no correction for the logging policy is made.

Axes: B sessions, N items, K slate positions, n rows, d features.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from agents.bandits.ridge import Design, Disjoint, Shared
from agents.base import BaseAgent
from agents.explain import named
from agents.features import Contexts, item_features
from agents.interface import Actions, Figures, Masks, Report, Transition
from agents.params import check_range
from agents.problem import Problem
from agents.slates import allowed_items, scaled, top_k, unit_rewards
from recgym.arrays import Doubles

MODES = ("shared", "disjoint")
ROWS_PER_BATCH = 256  # of a log


@dataclass(frozen=True, kw_only=True)
class LinearParams:
    """The regression."""

    mode: str = "disjoint"  # one of MODES
    ridge: float = 1.0  # prior precision of a weight over that of the noise, above 0
    log_weight: float = 1.0  # weight of a row of the log relative to one of the agent, at least 0; 0: no log
    fresh: bool = True  # show an item at most once per session (within the last 20 items)

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(f"mode is {self.mode!r}, allowed: {', '.join(map(repr, MODES))}")
        check_range("ridge", self.ridge, 1e-9)
        check_range("log_weight", self.log_weight, 0)


class Linear(BaseAgent):
    """Greedy in the mean of the regression; subclasses define exploration."""

    observation: ClassVar[str] = "history"
    offline: ClassVar[bool] = True
    params: Any

    @classmethod
    def requirements(cls, params: Mapping[str, Any], slate_size: int = 1) -> tuple[str, bool]:
        """The history, and a log unless its weight is 0."""
        return cls.observation, params.get("log_weight", 1.0) != 0

    @classmethod
    def accepts(cls, params: Mapping[str, Any], slate_size: int = 1) -> tuple[str, ...]:
        """The features are a context, too; the mode "shared" needs the history."""
        return (cls.observation,) if params.get("mode") == "shared" else (cls.observation, "features")

    def __init__(self, problem: Problem, seed: int = 0, device: str = "cpu", **params: Any) -> None:
        super().__init__(problem, seed, device, **params)
        self.contexts = Contexts(problem)
        self.item_names, features = item_features(problem)
        self.rate = np.zeros(problem.num_items)  # (N,) mean reward in the log over that of all, scaled
        self.item_features = features
        self.model: Shared | Disjoint
        if self.params.mode == "shared":
            self.model = Shared(len(self.names), self.params.ridge)
        else:
            self.model = Disjoint(problem.num_items, len(self.names), self.params.ridge)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features, (d,)."""
        if self.params.mode == "disjoint":
            return self.contexts.names
        return (*self.contexts.names, *self.item_names, "mean reward in the log", *self.contexts.match_names)

    @property
    def noise(self) -> float:
        """Standard deviation of the scaled rewards' noise, estimated with one pseudo-row of variance 1/4."""
        misfit, rows = float(self.model.misfit.sum()), float(self.model.rows.sum())
        return float(np.sqrt((0.25 + misfit) / (1.0 + rows)))

    def design(self, observation: Any) -> Any:
        """Input of the model: contexts (B, d), or a Design."""
        x = self.contexts(observation)
        if self.params.mode == "disjoint":
            return x
        items = np.column_stack([self.item_features, self.rate])
        return Design(x, items, self.contexts.matches(observation))

    # acting

    def scores(self, observation: Any) -> NDArray[np.float64]:
        """Expected scaled rewards, (B, N)."""
        return self.model.mean(self.design(observation))

    def optimistic(self, design: Any) -> NDArray[np.float64]:
        """Scores that explore, (B, N)."""
        raise NotImplementedError

    def act(self, observation: Any, mask: Masks | None = None, explore: bool = False) -> Actions:
        """The largest scores; means equal to nine digits are ties, so that rounding by batch size has no effect."""
        fresh = self.params.fresh and self.contexts.is_history
        mask = allowed_items(self.problem, observation, mask, fresh=fresh)
        design = self.design(observation)
        scores = self.optimistic(design) if explore else np.round(self.model.mean(design), 9)
        return top_k(scores, self.problem.slate_size, mask, ties=self.tie_order)

    # learning

    def prepare(self, log: Any, seed: int, report: Report | None = None) -> Figures:
        """Put a log's rows into the regression, each with the history before it."""
        if self.params.log_weight == 0:
            return {}
        from agents.log_histories import read_histories

        if not self.contexts.is_history:
            raise ValueError(
                f"agent {self.name} learns from a log where it observes 'history', not 'features'"
            )
        histories = read_histories(self.problem, log)
        reward = scaled(self.problem, histories.reward)
        shown = np.bincount(histories.item, minlength=len(self.rate)) + 20.0
        mean = reward.mean()
        self.rate[:] = np.bincount(histories.item, reward - mean, len(self.rate)) / shown
        for begin in range(0, len(log), ROWS_PER_BATCH):
            rows = np.arange(begin, min(begin + ROWS_PER_BATCH, len(log)))
            seen = histories.observation(rows, self.problem.num_items)
            items = histories.item[rows]
            self._absorb(seen, np.arange(len(rows)), items, reward[rows], self.params.log_weight)
            if report is not None:
                report(int(rows[-1]) + 1, {"noise": self.noise})
        return {"offline_rows": float(len(log)), "noise": self.noise}

    def learn(self, transition: Transition) -> Figures:
        """Put a batch of impressions into the regression."""
        arms, rewards = unit_rewards(self.problem, transition)
        session = np.repeat(np.arange(len(transition.reward)), self.problem.slate_size)
        self._absorb(transition.observation, session, arms, rewards, 1.0)
        return {"noise": self.noise}

    def _absorb(
        self, observation: Any, session: NDArray[Any], items: NDArray[Any], rewards: Doubles, weight: float
    ) -> None:
        design = self.design(observation)
        if isinstance(self.model, Disjoint):
            self.model.update(items, design[session], rewards, weight)
        else:
            self.model.update(design.row(session, items), rewards, weight)

    # explanations

    def explain(self, observation: Any, action: Actions) -> list[dict[str, float]]:
        """Each feature times its weight; they sum to `scores` of the action."""
        design = self.design(observation)
        slates = np.asarray(action).reshape(len(action), -1)
        explanations = []
        for b, slate in enumerate(slates):
            if isinstance(self.model, Disjoint):
                parts = design[b] * self.model.weights[slate].sum(axis=0)
            else:
                parts = design.row(np.full(len(slate), b), slate).sum(axis=0) * self.model.weights
            explanations.append(named(self.names, parts))
        return explanations

    def state(self) -> dict[str, NDArray[Any]]:
        """The regression and the log's rates."""
        return {**self.model.state(), "rate": self.rate}
