"""Spaces and observations of an environment.

Axes: B sessions, N items, K slate positions, C categories, E events, F public user features, H history.
"""

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from recgym.observation import HISTORY_LENGTH
from recgym.sim import observations
from recgym.sim.engine import Engine
from recgym.sim.friend_requests import CANDIDATE_FEATURES
from recgym.sim.schema import FRIENDS

Observation = NDArray[Any] | dict[str, NDArray[Any]]


def feature_blocks(engine: Engine) -> dict[str, int]:
    """Blocks of the observation "features", in the order of its columns, with their widths; values are in [-1, 1]."""
    world = engine.world
    candidates = world.num_items if world.arrays.choice[0] == FRIENDS else 0
    friends = int("friends" in engine.observes)
    return {
        "public user features": world.user_features.shape[1],
        "category histogram of what was shown (decay 0.8)": len(world.categories),
        "category histogram of responses (decay 0.8)": len(world.categories),
        "category of the last item, one-hot": len(world.categories),
        "price of the last item (standardised log price / 3)": 1,
        "events of the last slate": len(world.events),
        "responses in a row in one category / 10": 1,
        "step / horizon": 1,
        "context on the circle, sine and cosine": 2,
        "page of the last item / number of pages": 1,
        "friends in common with each candidate (log1p / log 51)": candidates,
        "friends of each candidate (log1p / log 151)": candidates,
        "items in common with each candidate / 25": candidates,
        "suggestions without response of each candidate / 5": candidates,
        "whether each candidate was accepted": candidates,
        "categories of the items in friends' libraries, shares": friends * len(world.categories),
        "friends with the last item in their library (log1p / log 151)": friends,
    }


def row_bytes(engine: Engine, kind: str, has_mask: bool) -> int:
    """Bytes of the observation, of the bounds of its space, and of the mask of actions of one session."""
    space = observation_space(engine, kind)
    boxes = [part for part in getattr(space, "values", lambda: [space])() if isinstance(part, spaces.Box)]
    sizes = [int(np.prod(box.shape)) * (3 * box.low.itemsize + 2) for box in boxes]
    return sum(sizes) + has_mask * engine.slate_size * engine.world.num_items


def observation_space(engine: Engine, kind: str) -> spaces.Space[Any]:
    """Space of the observation of one session; `kind` is one of `recgym.envs.arguments.OBSERVATIONS`."""
    world, num_events = engine.world, len(engine.world.events)
    features = spaces.Box(-1.0, 1.0, (engine.features_width,), np.float32)
    if kind == "features":
        return features
    if kind == "tabular":
        return spaces.Discrete((len(world.categories) + 1) * observations.TABULAR_STATES)
    history: dict[str, spaces.Space[Any]] = {
        "user": spaces.Discrete(world.num_users),
        "shown": spaces.Box(0, world.num_items, (HISTORY_LENGTH,), np.int32),
        "events": spaces.Box(0.0, 1.0, (HISTORY_LENGTH * num_events,), np.float32),
        "context": spaces.Box(-1.0, 1.0, (3,), np.float32),
    }
    if "user_features" in engine.observes:
        history["user_features"] = spaces.Box(-1.0, 1.0, (world.user_features.shape[1],), np.float32)
    if "friends" in engine.observes:
        history["friends"] = spaces.Box(0.0, 1.0, (world.num_items,), np.float32)
    if "candidates" in engine.observes:
        history["candidates"] = spaces.Box(0.0, 1.0, (CANDIDATE_FEATURES * world.num_items,), np.float32)
    return spaces.Dict(history if kind == "history" else {"features": features, **history})


def observation_of(engine: Engine, kind: str, features: NDArray[np.float32] | None) -> Observation:
    """Observation of all sessions, in new arrays.

    Args:
        engine: the sessions.
        kind: one of `recgym.envs.arguments.OBSERVATIONS`.
        features: (B, width) as written by `Engine.step`; None if `kind` does not include them.
    """
    if kind == "features" and features is not None:
        return features
    if kind == "tabular":
        return engine.tabular()
    batch = engine.history()
    return batch if features is None else {"features": features, **batch}


def action_space(engine: Engine) -> spaces.Discrete | spaces.MultiDiscrete:
    """Discrete(N) for one item a step, MultiDiscrete([N] * K) for a slate."""
    if engine.slate_size == 1:
        return spaces.Discrete(engine.world.num_items)
    return spaces.MultiDiscrete([engine.world.num_items] * engine.slate_size)
