"""Named public features of sessions and items, for linear models.

The context of a session has the quantities of the observation "features", computed from the observation "history", that
is from the last 20 items. If the environment's observation is "features" or another Box, its numbers are the context.

Axes: B sessions, N items, K slate positions, H history, C categories, E events, m numbers of an item's vector,
M matches of an item, F candidate features of an item, g public features of an item.
"""

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from agents.problem import Problem
from agents.slates import lead_item
from recgym.arrays import Doubles
from recgym.observation import HISTOGRAM_DECAY

MATCHES = (
    "share of its category among shown items",
    "share of its category among responses",
    "last item of its category, with a response",
    "last item of its category, without a response",
    "shown in this session",
    "had a response in this session",
)
CANDIDATE_NAMES = (
    "friends in common",
    "friends",
    "items in common",
    "suggestions without response",
    "accepted",
)  # candidate features, in the order of the observation "candidates"
NEARNESS = "nearness of its vector to those of responses"  # a further match where items have vectors


class Contexts:
    """Maps observations of one problem to contexts, and to the match of each item with the session."""

    def __init__(self, problem: Problem) -> None:
        self.problem, space = problem, problem.observation_space
        self.slots, self.categories = problem.slate_size, problem.num_categories
        self.category = np.append(np.asarray(problem.items["category"], np.int64), self.categories)
        self.vectors = public_vectors(problem)
        self.match_names: tuple[str, ...] = MATCHES if self.vectors is None else (*MATCHES, NEARNESS)
        self.match_names += candidate_names(problem)
        self.is_history = isinstance(space, spaces.Dict)
        if isinstance(space, spaces.Box):
            features = tuple(f"feature {i}" for i in range(int(np.prod(space.shape))))
        elif self.is_history:
            shares = [
                f"category {c}: share {of}" for of in ("shown", "responses") for c in range(self.categories)
            ]
            events = [f"{name} just now" for name in problem.event_names]
            features = (*shares, *events, "sine of the hour", "cosine of the hour", "step")
            if problem.user_features is not None:
                features += tuple(f"user feature {j}" for j in range(problem.user_features.shape[1]))
            if self.vectors is not None:
                features += tuple(f"vector of responses {j}" for j in range(self.vectors.shape[1]))
        else:
            raise ValueError(
                f"a linear agent needs the observation 'history' or 'features', not {type(space).__name__}"
            )
        self.names = ("constant", *features)

    def __call__(self, observation: Any) -> Doubles:
        """Features of the sessions, (B, len(names))."""
        if not self.is_history:
            x = np.asarray(observation, np.float64).reshape(len(observation), -1)
            return np.concatenate([np.ones((len(x), 1)), x], axis=1)
        shown, responses, latest = self._histograms(observation)
        one, rest = np.ones((len(shown), 1)), [observation["context"]]
        if self.problem.user_features is not None:
            rest.append(observation["user_features"])
        if self.vectors is not None:
            rest.append(self._mean_vector(observation, self.vectors))
        return np.concatenate([one, shown, responses, latest, *rest], axis=1)

    def _histograms(self, observation: Any) -> tuple[Doubles, Doubles, Doubles]:
        """Decayed shares of the categories shown and responded to, (B, C) each, and the last slate's events (B, E)."""
        items = observation["shown"]
        batch, length = items.shape
        events = observation["events"].reshape(batch, length, -1)
        age = (length - 1 - np.arange(length)) // self.slots
        weight = (1.0 - HISTOGRAM_DECAY) / self.slots * HISTOGRAM_DECAY**age
        bins = self.category[items] + (self.categories + 1) * np.arange(batch)[:, None]

        def count(weights: NDArray[Any]) -> Doubles:
            size = batch * (self.categories + 1)
            flat = np.bincount(bins.ravel(), weights.ravel(), size).astype(np.float64)
            return flat.reshape(batch, -1)[:, :-1]

        shown, responses = count(np.broadcast_to(weight, items.shape)), count(weight * events[:, :, 0])
        return shown, responses, events[:, -self.slots :].max(axis=1).astype(np.float64)

    def _mean_vector(self, observation: Any, vectors: Doubles) -> Doubles:
        """Mean vector of the items with a response among the last 20, (B, m); 0 where there is none."""
        items = observation["shown"]
        responded = observation["events"].reshape(*items.shape, -1)[:, :, 0] * (items < len(vectors))
        total = np.einsum("bh,bhm->bm", responded, vectors[np.minimum(items, len(vectors) - 1)])
        return np.asarray(total / np.maximum(responded.sum(axis=1, keepdims=True), 1.0))

    def matches(self, observation: Any) -> Doubles:
        """How each item matches each session, (B, N, M), in the order of `match_names`."""
        items = observation["shown"]
        batch, length = items.shape
        responded = observation["events"].reshape(batch, length, -1)[:, :, 0]
        out = np.zeros((batch, self.problem.num_items, len(self.match_names)))
        shown, responses, _ = self._histograms(observation)
        category = self.category[:-1]
        out[:, :, 0], out[:, :, 1] = shown[:, category], responses[:, category]
        last, answered = lead_item(observation, self.slots)
        same = self.category[last][:, None] == category
        out[:, :, 2], out[:, :, 3] = same * answered[:, None], same * ~answered[:, None]
        rows, columns = np.nonzero(items < self.problem.num_items)
        out[rows, items[rows, columns], 4] = 1.0
        rows, columns = np.nonzero(responded > 0)
        out[rows, items[rows, columns], 5] = 1.0
        if self.vectors is not None:
            out[:, :, 6] = self._mean_vector(observation, self.vectors) @ self.vectors.T
        if "candidates" in observation:
            out[:, :, -len(CANDIDATE_NAMES) :] = candidate_features(self.problem, observation)
        return out


def candidate_names(problem: Problem) -> tuple[str, ...]:
    """Names of the candidate features of an item, (F,); none where the task observes none."""
    return CANDIDATE_NAMES if "candidates" in getattr(problem.observation_space, "spaces", ()) else ()


def candidate_features(problem: Problem, observation: Any) -> Doubles:
    """Candidate features (B, N, F); zeros where the observation, such as that of a log, has none."""
    wide = len(candidate_names(problem))
    if "candidates" not in observation:
        return np.zeros((len(observation["shown"]), problem.num_items, wide))
    found = np.asarray(observation["candidates"], np.float64)
    return found.reshape(len(found), wide, problem.num_items).swapaxes(1, 2)


def public_vectors(problem: Problem) -> Doubles | None:
    """Public vectors of the items, (N, m) of root mean square length 1; None where items have none."""
    vectors = problem.items.get("vector")
    return None if vectors is None else np.asarray(vectors, np.float64)


def item_features(problem: Problem) -> tuple[tuple[str, ...], Doubles]:
    """Names and public features of the items, (N, g): those of `table_features`, and the numbers of their vectors."""
    names, features = table_features(problem)
    vectors = public_vectors(problem)
    if vectors is None:
        return names, features
    return (*names, *(f"vector {j}" for j in range(vectors.shape[1]))), np.column_stack([features, vectors])


def table_features(problem: Problem) -> tuple[tuple[str, ...], Doubles]:
    """Names and columns of the item table, (N, g): category and page one-hot, price, length; each of unit spread."""
    names, columns = [], []
    for group in ("category", "page"):
        index = np.asarray(problem.items[group], np.int64)
        for value in np.unique(index):
            names.append(f"{group} {value}")
            columns.append((index == value).astype(np.float64))
    numbers = {"price": problem.items["price"], "length": np.log1p(problem.items["seconds"])}
    for name, column in numbers.items():
        names.append(name)
        columns.append((column - column.mean()) / max(float(column.std()), 1e-6))
    return tuple(names), np.stack(columns, axis=1).astype(np.float64)
