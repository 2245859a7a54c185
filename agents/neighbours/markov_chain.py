"""First-order Markov chain: the expected reward of an item after the last response of the session.

Tables of means with additive smoothing, each shrunk to the one before it by `smoothing` pseudo-impressions, as in a
bigram model with backoff (MacKay and Peto, 1995, Natural Language Engineering 1); j is the last item with a response,
or none, c() is its category:

    q_0(a)    = mean of a, shrunk to the mean of all
    q_1(j, a) = q_0(a) + mean residual of the items of c(a) after c(j), shrunk to 0
    q_2(j, a) = mean of a after c(j), shrunk to q_1
    q_3(j, a) = mean of a after j, shrunk to q_2            (Rendle, Freudenthaler and Schmidt-Thieme, 2010, WWW)

So an agent that has seen few pairs of items stays in the category of the last response where that pays. Tables are of
the log and of the agent's own impressions; an impression without a response counts as reward 0.

Axes: B sessions, N items, C categories, n rows, H history; row N of a table is that of no response so far.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from agents.base import BaseAgent
from agents.explain import named
from agents.interface import Actions, Figures, Masks, Report, Transition
from agents.params import check_range
from agents.problem import Problem
from agents.saved import check_arrays
from agents.slates import allowed_items, credit, last_response, lead_item, top_k
from recgym.arrays import Doubles

AFTER = ("response", "shown")
ROWS_PER_BATCH = 8_192  # of a log
TABLES = ("count", "total")


@dataclass(frozen=True, kw_only=True)
class MarkovChainParams:
    """What a step depends on, smoothing, exploration."""

    after: str = (
        "response"  # the last item with a response; "shown": that of the last slate, else its top one
    )
    smoothing: float = 20.0  # pseudo-impressions at the mean of the coarser table, at least 0
    epsilon: float = 0.05  # share of random slates while exploring, in [0, 1]
    fresh: bool = True  # show an item at most once per session (within the last 20 items)

    def __post_init__(self) -> None:
        if self.after not in AFTER:
            raise ValueError(f"after is {self.after!r}, allowed: {', '.join(map(repr, AFTER))}")
        check_range("smoothing", self.smoothing, 0)
        check_range("epsilon", self.epsilon, 0, 1)


class MarkovChain(BaseAgent):
    """Shows the K items of the largest expected reward after the last response.

    Idea:
        What comes next depends on the last response: in a shop, visitors stay in a category. Mean rewards are
        kept for each pair of last and next item; pairs with few impressions are shrunk to the pair of item
        and category, and these to the item's own mean. Online it adds its own impressions.

    Formula:
        q_0(a) = mean of a;  q_1(j, a) = q_0(a) + mean residual of c(a) after c(j)
        q_2(j, a) = mean of a after c(j), shrunk to q_1;  q_3(j, a) = mean of a after j, shrunk to q_2

    Reads:
        The log; the items and responses of this session, of these the last response. No user.

    Cost:
        Tables of N x C and of the pairs seen; one row of N a decision.

    Source:
        Rendle, Freudenthaler and Schmidt-Thieme (2010), Factorizing personalized Markov chains, WWW; backoff:
        MacKay and Peto (1995).
    """

    name: ClassVar[str] = "markov"
    observation: ClassVar[str] = "history"
    offline: ClassVar[bool] = True
    config: ClassVar[type[Any]] = MarkovChainParams
    params: MarkovChainParams

    def __init__(self, problem: Problem, seed: int = 0, device: str = "cpu", **params: Any) -> None:
        super().__init__(problem, seed, device, **params)
        num_items, num_categories = problem.num_items, problem.num_categories
        self.category = np.append(np.asarray(problem.items["category"], np.int64), num_categories)  # (N + 1,)
        shape = num_items + 1, num_items
        self.count, self.total = sparse.csr_array(shape), sparse.csr_array(shape)
        ones, row = np.ones(num_items + 1), np.arange(num_items + 1)
        self._groups = sparse.csr_array((ones, (self.category, row)))  # (C + 1, N + 1)
        self._build()

    # tables

    def last(self, observation: Any) -> NDArray[np.int64]:
        """The item on which the next step depends, N for none, (B,)."""
        if self.params.after == "shown":
            return lead_item(observation, self.problem.slate_size)[0]
        return last_response(observation, self.problem.num_items)

    def add(self, last: NDArray[np.int64], item: NDArray[np.int64], reward: Doubles) -> None:
        """Add impressions: last item, shown item and reward, (n,) each."""
        at, shape = (last, item), self.count.shape
        self.count = sparse.csr_array(self.count + sparse.csr_array((np.ones(len(item)), at), shape=shape))
        self.total = sparse.csr_array(self.total + sparse.csr_array((reward, at), shape=shape))
        self._build()

    def _build(self) -> None:
        """The tables of items and of categories."""
        count, total = (np.asarray((self._groups @ table).todense()) for table in (self.count, self.total))
        shown, smoothing = count.sum(axis=0), self.params.smoothing
        self.mean = float(total.sum() / max(count.sum(), 1.0))
        self.by_item = _shrunk(total.sum(axis=0), shown, np.full(len(shown), self.mean), smoothing)  # q_0
        columns = self._groups[:-1, :-1].T  # (N, C)
        pairs, residual = count @ columns, (total - count * self.by_item) @ columns
        self.lift = _shrunk(residual, pairs, np.zeros_like(pairs), smoothing)[
            :, self.category[:-1]
        ]  # (C + 1, N)
        self.by_category = _shrunk(total, count, self.by_item + self.lift, smoothing)  # q_2, (C + 1, N)

    def scores(self, observation: Any) -> NDArray[np.float64]:
        """Expected rewards q_3, (B, N)."""
        last = self.last(observation)
        coarse = self.by_category[self.category[last]]
        return _shrunk(self.total[last].toarray(), self.count[last].toarray(), coarse, self.params.smoothing)

    # acting and learning

    def act(self, observation: Any, mask: Masks | None = None, explore: bool = False) -> Actions:
        """The best expected rewards among the allowed items; while exploring some slates at random."""
        mask = allowed_items(self.problem, observation, mask, fresh=self.params.fresh)
        scores = self.scores(observation)
        if explore:
            is_random = self.rng.random((len(scores), 1)) < self.params.epsilon
            scores = np.where(is_random, self.rng.random(scores.shape), scores)
        return top_k(scores, self.problem.slate_size, mask, ties=self.tie_order)

    def prepare(self, log: Any, seed: int, report: Report | None = None) -> Figures:
        """Add a log's rows, each after the last response before its slate."""
        from agents.log_histories import read_histories

        rows = read_histories(self.problem, log)
        chunks = np.array_split(np.arange(len(log)), -(-len(log) // ROWS_PER_BATCH))
        last = [self.last(rows.observation(chunk, self.problem.num_items)) for chunk in chunks]
        self.add(np.concatenate(last), rows.item, rows.reward)
        if report is not None:
            report(len(log), {"pairs": float(self.count.nnz)})
        return {"offline_rows": float(len(log)), "pairs": float(self.count.nnz)}

    def learn(self, transition: Transition) -> Figures:
        """Add the shown items, each with its part of the reward."""
        last = np.repeat(self.last(transition.observation), self.problem.slate_size)
        rewards = credit(self.problem, transition).reshape(-1)
        self.add(last, transition.action.reshape(-1).astype(np.int64), rewards)
        return {"pairs": float(self.count.nnz)}

    # explanations

    def explain(self, observation: Any, action: Actions) -> list[dict[str, float]]:
        """Contributions of the item and of its tables; they sum to `scores` of the action."""
        last, scores = self.last(observation), self.scores(observation)
        explanations = []
        for b, slate in enumerate(np.asarray(action).reshape(len(action), -1)):
            group = self.category[last[b]]
            levels = [
                np.full(len(slate), self.mean),
                self.by_item[slate],
                self.by_item[slate] + self.lift[group, slate],
                self.by_category[group, slate],
                scores[b, slate],
            ]
            after = "no response" if last[b] == self.problem.num_items else f"item {last[b]}"
            where = "no response" if last[b] == self.problem.num_items else f"category {group}"
            names = (
                "mean reward",
                "mean reward of the item",
                f"its category after {where}",
                f"the item after {where}",
                f"the item after {after}",
            )
            sums = np.array([level.sum() for level in levels])
            explanations.append(named(names, np.diff(sums, prepend=0.0)))
        return explanations

    # saving

    def state(self) -> dict[str, NDArray[Any]]:
        """The parts of the sparse tables of counts and sums."""
        parts = ("data", "indices", "indptr")
        return {f"{name}.{part}": getattr(getattr(self, name), part) for name in TABLES for part in parts}

    def check_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """ValueError if arrays do not fit; scipy checks the indices of the sparse tables."""
        own, place = self.state(), f"saved {self.name}"
        free = tuple(name for name in own if not name.endswith("indptr"))
        same = {name: value.astype(own[name].dtype) for name, value in state.items() if name in own}
        check_arrays(place, own, same if own.keys() == state.keys() else state, free=free)
        for name in TABLES:
            self._table(name, state).check_format(full_check=True)
        if state["count.data"].size and state["count.data"].min() < 0:
            raise ValueError(f"{place}: count has a number below 0")

    def _table(self, name: str, state: Mapping[str, NDArray[Any]]) -> sparse.csr_array:
        parts = tuple(state[f"{name}.{part}"] for part in ("data", "indices", "indptr"))
        return sparse.csr_array(parts, shape=self.count.shape)

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Restore the result of `state`; ValueError if it is another task's."""
        self.check_state(state)
        self.count, self.total = (self._table(name, state) for name in TABLES)
        self._build()


def _shrunk(total: Doubles, count: Doubles, prior: Doubles, smoothing: float) -> Doubles:
    """Means with `smoothing` pseudo-impressions at the prior."""
    surprise = total - count * prior
    return np.asarray(prior + surprise / np.maximum(count + smoothing, 1e-9))
