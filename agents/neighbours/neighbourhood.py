"""Base class of the neighbourhood methods: profiles of log and session, a weighted sum of terms, explanations.

Each item has an expected reward: its mean in the log, shrunk to the mean of all items (content-based: to a ridge
regression on its features). The profile of a user has, for each item shown to the user, the residual of the reward
from that expectation, less the user's mean residual. It consists of the user's sessions in the log and the session so
far, so the agents adapt in a session without an online stage. Items that were not shown have no residual: a log of
impressions has the items without a response (as in Koren, 2010, TKDD 4, "Factor in the neighbors").

score(a) = constant + w_0 expected(a) + sum over terms w_m term_m(a), the weights (none below zero) fitted by least
squares on the last tenth of the log's sessions with terms that have not seen it (stacking: Wolpert, 1992).

Axes: B sessions, N items, P people of the log, R rows of the log, H history, M terms.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import nnls

from agents.base import BaseAgent
from agents.explain import named
from agents.features import item_features
from agents.interface import Actions, Figures, Masks, Report
from agents.neighbours.similarity import ItemSimilarity, Matrix, UserSimilarity, cosine, nearest
from agents.params import check_range
from agents.past_rewards import estimated_rewards
from agents.problem import Problem
from agents.saved import check_arrays
from agents.slates import allowed_items, item_rewards, top_k
from recgym.arrays import Doubles

PEOPLE = ("session", "user")
MATRICES = ("users", "people", "alike")  # names in saved agents
ROWS_PER_BATCH = 512
MEAN_SHRINKAGE = 5.0  # [items] at which a user's mean residual is shrunk by half


@dataclass(frozen=True, kw_only=True)
class CollaborativeParams:
    """Parameters of the neighbourhoods."""

    people: str = "user"  # rows of the comparison: each "user" of the log, or each "session"
    recent: int = 5_000  # number of the log's latest sessions that are compared, at least 1
    neighbours: int = 500  # number of nearest users, or items, at least 1
    shrink: float = 30.0  # [items or users in common] at which a similarity is halved, at least 0
    damping: float = 3.0  # [similarity] added to the denominator of a weighted mean, above 0
    memory: float = 1.0  # weight of an item in the log beside one of this session, at least 0
    smoothing: float = 20.0  # pseudo-impressions of each item at the mean of all, at least 0
    fresh: bool = True  # show an item at most once per session (within the last 20 items)

    def __post_init__(self) -> None:
        if self.people not in PEOPLE:
            raise ValueError(f"people is {self.people!r}, allowed: {', '.join(map(repr, PEOPLE))}")
        for name in ("recent", "neighbours"):
            check_range(name, getattr(self, name), 1)
        for name in ("shrink", "memory", "smoothing"):
            check_range(name, getattr(self, name), 0)
        check_range("damping", self.damping, 1e-9)


class Collaborative(BaseAgent):
    """Shows the K items of the best scores."""

    observation: ClassVar[str] = "history"
    offline: ClassVar[bool] = True
    config: ClassVar[type[Any]] = CollaborativeParams
    params: CollaborativeParams
    terms: ClassVar[tuple[str, ...]]  # of "items", "people", "content"
    by_content: ClassVar[bool] = False  # expected rewards are shrunk to a regression on item features

    def __init__(self, problem: Problem, seed: int = 0, device: str = "cpu", **params: Any) -> None:
        super().__init__(problem, seed, device, **params)
        self.expected = np.zeros(problem.num_items)  # (N,) reward
        self.minutes = np.zeros(
            len(problem.event_names) + 1
        )  # minutes watched, from events: slopes and constant
        self.mix = np.zeros(2 + len(self.terms))  # constant, w_0, w_m
        self.mix[1] = 1.0
        self.users = _empty(problem.num_users, problem.num_items)  # (U, N) profiles in the log
        self.people = _empty(0, problem.num_items)  # (P, N)
        self.alike = _empty(problem.num_items, problem.num_items)  # (N, N) similarity of items
        features = item_features(problem)[1]
        features = features - features.mean(axis=0)
        self.features = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
        self._build()

    def _build(self) -> None:
        """Build the terms from the learnt matrices."""
        self.models = [self._term(name) for name in self.terms]

    def _term(self, name: str) -> ItemSimilarity | UserSimilarity:
        p = self.params
        if name == "people":
            return UserSimilarity(self.people, p.neighbours, p.shrink, p.damping)
        return ItemSimilarity(self.alike if name == "items" else self._by_features(), p.damping)

    def _by_features(self) -> Matrix:
        """Cosine similarity of the items' public features, the nearest of each item, (N, N)."""
        alike = sparse.csr_array(self.features @ self.features.T)
        return nearest(alike, self.params.neighbours, self.tie_order)

    # from the log

    def prepare(self, log: Any, seed: int, report: Report | None = None) -> Figures:
        """Fit the weights of the terms on the last tenth of the sessions, then the terms on all; `report` gets rows."""
        from agents.log_histories import read_histories

        histories = read_histories(self.problem, log)
        late = np.flatnonzero(histories.session >= 0.9 * (histories.session[-1] + 1))
        early = np.arange(late[0])
        if len(early):
            self._fit(histories, early)
            rng = np.random.default_rng(np.random.SeedSequence([seed, len(log)]))
            self._weigh(histories, np.sort(rng.permutation(late)[:10_000]))
        self._fit(histories, np.arange(len(log)))
        figures = {f"weight of {name}": float(w) for name, w in zip(self.terms, self.mix[2:], strict=True)}
        if report is not None:
            report(len(log), figures)
        return {"offline_rows": float(len(log)), "weight": float(self.mix[1]), **figures}

    def _fit(self, histories: Any, rows: NDArray[np.int64]) -> None:
        """Expected rewards, profiles and similarities from some rows of a log."""
        p, num_items = self.params, self.problem.num_items
        item, reward = histories.item[rows], histories.reward[rows]
        shown, mean = np.bincount(item, minlength=num_items), reward.mean()
        prior = np.full(num_items, mean)
        if self.by_content:
            weight = shown[:, None] * self.features
            inner = self.features.T @ weight + p.smoothing * np.eye(self.features.shape[1])
            total = np.bincount(item, reward - mean, num_items)
            prior += self.features @ np.linalg.solve(inner, self.features.T @ total)
        own = np.bincount(item, reward - prior[item], num_items)
        self.expected[:] = prior + own / np.maximum(shown + p.smoothing, 1e-9)
        if self.problem.reward_per_minute:
            paid = item_rewards(self.problem, item, histories.events[rows])
            minutes = (reward - paid) / self.problem.reward_per_minute
            x = np.column_stack([histories.events[rows], np.ones(len(rows))])
            self.minutes[:] = np.linalg.lstsq(x, minutes, rcond=None)[0]
        residual = reward - self.expected[item]
        user, session = histories.user[rows], histories.session[rows]
        self.users = _profiles(user, item, residual, (self.problem.num_users, num_items))
        first = max(int(session[-1]) + 1 - p.recent, 0)
        by_session = _profiles(session, item, residual, (int(session[-1]) + 1, num_items))
        rows_compared = by_session if p.people == "session" else self.users
        self.people = by_session[first:] if p.people == "session" else self.users
        if "items" in self.terms:
            self.alike = nearest(cosine(rows_compared, p.shrink), p.neighbours, self.tie_order)
        self._build()

    def _weigh(self, histories: Any, rows: NDArray[np.int64]) -> None:
        """Fit the weights to rows on which the terms were not fitted."""
        parts = []
        for chunk in np.array_split(rows, -(-len(rows) // ROWS_PER_BATCH)):
            there = np.arange(len(chunk)), histories.item[chunk]
            profile = self.profile(histories.observation(chunk, self.problem.num_items))
            parts.append(
                np.column_stack([self.expected[there[1]], *(t[there] for t in self._terms(profile))])
            )
        x, y = np.concatenate(parts), histories.reward[rows]
        weights, _ = nnls(x - x.mean(axis=0), y - y.mean())
        if weights[0] == 0.0:
            weights[0] = 1e-6  # so that items are ordered in a session without history
        self.mix[:] = y.mean() - x.mean(axis=0) @ weights, *weights

    # acting

    def profile(self, observation: Any) -> Matrix:
        """Profiles of the present sessions, (B, N)."""
        items = observation["shown"]
        batch, length = items.shape
        events = observation["events"].reshape(batch, length, -1).astype(np.float64)
        rows, places = np.nonzero(items < self.problem.num_items)
        item, event = items[rows, places].astype(np.int64), events[rows, places]
        residual = estimated_rewards(self.problem, item, event, self.minutes) - self.expected[item]
        now: Matrix = _profiles(rows, item, residual, (batch, self.problem.num_items))
        before = self.users[np.asarray(observation["user"], np.int64)]
        return sparse.csr_array(now + self.params.memory * before)

    def _terms(self, profile: Matrix) -> list[Doubles]:
        return [model.term(profile) for model in self.models]

    def scores(self, observation: Any) -> NDArray[np.float64]:
        """Expected rewards, (B, N)."""
        total = self.mix[0] + self.mix[1] * np.tile(self.expected, (len(observation["user"]), 1))
        for weight, term in zip(self.mix[2:], self._terms(self.profile(observation)), strict=True):
            total += weight * term
        return np.asarray(total)

    def act(self, observation: Any, mask: Masks | None = None, explore: bool = False) -> Actions:
        """The best scores among the allowed items, explore or not."""
        mask = allowed_items(self.problem, observation, mask, fresh=self.params.fresh)
        return top_k(self.scores(observation), self.problem.slate_size, mask, ties=self.tie_order)

    # explanations

    def explain(self, observation: Any, action: Actions) -> list[dict[str, float]]:
        """Contributions of the items' expected rewards and of each past item; they sum to `scores` of the action."""
        profile = self.profile(observation)
        explanations = []
        for b, slate in enumerate(np.asarray(action).reshape(len(action), -1)):
            row = profile[[b]]
            names = ["constant", "mean reward of the item"]
            values = [self.mix[0] * len(slate), self.mix[1] * self.expected[slate].sum()]
            for weight, model in zip(self.mix[2:], self.models, strict=True):
                for item in slate:
                    names += [f"past item {past}" for past in row.indices]
                    values += (weight * model.contributions(row, int(item))).tolist()
            explanations.append(named(names, np.array(values)))
        return explanations

    # saving

    def state(self) -> dict[str, NDArray[Any]]:
        """Expected rewards, weights, and the parts of the sparse matrices."""
        arrays = {"expected": self.expected, "minutes": self.minutes, "mix": self.mix}
        for name in MATRICES:
            matrix = getattr(self, name)
            arrays |= {f"{name}.{part}": getattr(matrix, part) for part in ("data", "indices", "indptr")}
        return arrays

    def check_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """ValueError if arrays do not fit; scipy checks the indices of the sparse matrices, of any size."""
        own, place = self.state(), f"saved {self.name}"
        parts = tuple(name for name in own if "." in name)
        same = {
            name: value.astype(own[name].dtype) if name in parts else value for name, value in state.items()
        }
        check_arrays(place, own, same if own.keys() == state.keys() else state, free=parts)
        rows = {"users": self.problem.num_users, "alike": self.problem.num_items}
        for name in MATRICES:
            matrix = self._matrix(name, state)
            if matrix.shape[0] != rows.get(name, matrix.shape[0]):
                raise ValueError(f"{place}: {name} has {matrix.shape[0]} rows, this task {rows[name]}")
            matrix.check_format(full_check=True)

    def _matrix(self, name: str, state: Mapping[str, NDArray[Any]]) -> Matrix:
        data, indices, indptr = (state[f"{name}.{part}"] for part in ("data", "indices", "indptr"))
        return sparse.csr_array((data, indices, indptr), shape=(len(indptr) - 1, self.problem.num_items))

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Restore the result of `state`; ValueError if it is another task's."""
        self.check_state(state)
        for name, array in (("expected", self.expected), ("minutes", self.minutes), ("mix", self.mix)):
            array[:] = state[name]
        for name in MATRICES:
            setattr(self, name, self._matrix(name, state))
        self._build()


def _empty(rows: int, columns: int) -> Matrix:
    return sparse.csr_array((rows, columns))


def _profiles(who: NDArray[Any], item: NDArray[Any], residual: Doubles, shape: tuple[int, int]) -> Matrix:
    """Mean residual of each user and item shown, less the user's shrunk mean residual."""
    count, total = np.bincount(who, minlength=shape[0]), np.bincount(who, residual, shape[0])
    centred = residual - (total / (count + MEAN_SHRINKAGE))[who]
    cells, inverse, times = np.unique(
        who.astype(np.int64) * shape[1] + item, return_inverse=True, return_counts=True
    )
    mean = np.bincount(inverse, centred, len(cells)) / times
    return sparse.csr_array((mean, (cells // shape[1], cells % shape[1])), shape=shape)
