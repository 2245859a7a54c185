"""The hidden intent in two dimensions: a biplot of items and intent (Gabriel, 1971, Biometrika 58).

The axes are the first two principal axes of the item factors. Items are points, the intent is a direction: of two
items, the one further along it fits the intent better, as far as two dimensions show. The items that are wanted most
also depend on what affinity has beside the intent, such as satiation and earlier responses. Items and intents have
scales of their own. In friend suggestions the points are the candidates' vectors of taste, and the direction is the
user's.

Axes: N items or candidates, d dimensions, n recorded steps.
"""

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from recgym.arrays import Doubles, Indices
from recgym.envs.session_record import SessionRecord
from recgym.sim.schema import FRIENDS
from recgym.sim.session import fill_affinities

NUM_WANTED = 3


class IntentMap(NamedTuple):
    """Points in [-1, 1]."""

    title: str
    now: str  # what the direction is
    items: Doubles  # (N, 2)
    categories: Indices  # (N,)
    path: Doubles  # (n, 2) intents so far, the present one last
    profile: Doubles  # (2,) the long-term profile
    wanted: tuple[int, ...]  # items of the largest affinity in the next step, best first
    labels: tuple[str, ...]  # of `wanted`

    @classmethod
    def of(cls, record: SessionRecord, b: int) -> Self:
        """The map of row b."""
        engine = record.engine
        world, s = engine.world, engine.sessions
        arrays, user = world.arrays, int(s.user[b])
        if arrays.choice[0] == FRIENDS:
            points, users = arrays.kin[s.candidate[b]], arrays.kin
            intents, profile = arrays.kin[user][None], arrays.kin[user]
            axes = _axes(users)
        else:
            points, users = arrays.factors, arrays.profile
            intents, profile = np.array([*record.intents(b), s.intent[b]]), arrays.profile[user]
            axes = _axes(points)
        value = np.empty(world.num_items)
        fill_affinities(arrays, s, b, value)
        wanted = np.argsort(-value, kind="stable")[:NUM_WANTED].tolist()
        spread = float(np.sqrt(np.quantile(((users @ axes) ** 2).sum(axis=1), 0.95)))
        is_friends = bool(arrays.choice[0] == FRIENDS)
        return cls(
            title="Hidden: taste of user, candidates" if is_friends else "Hidden: intent among the items",
            now="the user" if is_friends else "intent now",
            categories=arrays.category,
            items=_scaled((points - points.mean(axis=0)) @ axes, None),
            path=_scaled(intents @ axes, spread),
            profile=_scaled(profile[None] @ axes, spread)[0],
            wanted=tuple(wanted),
            labels=tuple(world.item_label(item) for item in wanted),
        )


def _axes(points: NDArray[np.float32]) -> Doubles:
    """First two principal axes, (d, 2); the second is 0 where d is 1."""
    centred = (points - points.mean(axis=0)).astype(np.float64)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    axes = np.zeros((points.shape[1], 2))
    top = vectors[:, ::-1][:, :2]
    signs = np.where(top[np.abs(top).argmax(axis=0), np.arange(top.shape[1])] < 0, -1.0, 1.0)
    axes[:, : top.shape[1]] = top * signs
    return axes


def _scaled(points: NDArray[np.floating], spread: float | None) -> Doubles:
    """Points over their largest coordinate, or over `spread`; cut to [-1, 1]."""
    size = float(np.abs(points).max(initial=0.0)) if spread is None else spread
    return np.clip(np.asarray(points, np.float64) / max(size, 1e-9), -1.0, 1.0)
