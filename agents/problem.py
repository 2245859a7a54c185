"""The public facts of a task that an agent is made for. Axes: N items, E events."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from agents.environments import face_of
from recgym.events import EVENTS

WATCH_CAP_MINUTES = 5.0  # of the reward "watch_time", an item


@dataclass(frozen=True, kw_only=True)
class Problem:
    """The public facts of a task: spaces, item table, names, reward. None of the World's hidden numbers."""

    env_id: str
    env_kwargs: Mapping[str, Any]
    num_items: int
    num_users: int
    num_contexts: int = 1  # a visit's context stands on a circle of so many
    slate_size: int
    horizon: int  # [slates]
    event_names: tuple[str, ...]  # the first is the response
    items: Mapping[str, NDArray[Any]]  # (N,) category, page, price, price_ratio, seconds
    observation_space: spaces.Space[Any]  # of one session
    reward_range: tuple[float, float]  # of one step
    reward_weights: Mapping[str, float]  # paid for each event of a shown item
    reward_by_price: bool = False  # the weights are multiplied by the item's price ratio
    reward_per_minute: float = 0.0  # paid for each minute watched, up to WATCH_CAP_MINUTES an item
    index_digest: str = ""  # of what user and item indices stand for; a log to learn from is marked with it
    world_sha256: str = ""  # digest of the world; "": unknown

    @classmethod
    def of(cls, env: Any) -> "Problem":
        """The problem that a native environment, single or vector, poses."""
        face, spec = face_of(env), env.spec
        arguments = face.arguments
        space = getattr(face, "single_observation_space", face.observation_space)
        action = getattr(face, "single_action_space", face.action_space)
        slate_size = 1 if isinstance(action, spaces.Discrete) else len(action.nvec)
        items = face.items
        weights, by_price, per_minute = _reward(arguments.reward, EVENTS[arguments.domain])
        low, high = item_range(weights, items["price_ratio"] if by_price else None, per_minute)
        return cls(
            env_id="" if spec is None else spec.id,
            env_kwargs=_plain({} if spec is None else spec.kwargs),
            num_items=len(items["category"]),
            num_users=face.num_users,
            num_contexts=face.num_contexts,
            slate_size=slate_size,
            horizon=min(arguments.horizon, arguments.max_episode_steps or arguments.horizon),
            event_names=face.event_names,
            items=items,
            observation_space=space,
            reward_range=(slate_size * low, slate_size * high),
            reward_weights=weights,
            reward_by_price=by_price,
            reward_per_minute=per_minute,
            index_digest=face.index_digest,
            world_sha256=face.world_sha256,
        )

    @property
    def identity(self) -> dict[str, Any]:
        """What tells this task from others of the same size, as JSON holds it: a saved agent keeps it."""
        items = hashlib.sha256()
        for name, values in sorted(self.items.items()):
            items.update(name.encode() + np.ascontiguousarray(values).tobytes())
        about = {
            "env": self.env_id,
            "world_sha256": self.world_sha256,
            "items_sha256": items.hexdigest(),
            "num_items": self.num_items,
            "num_users": self.num_users,
            "slate_size": self.slate_size,
            "horizon": self.horizon,
            "event_names": self.event_names,
            "reward": {
                **self.reward_weights,
                "by_price": self.reward_by_price,
                "minute": self.reward_per_minute,
            },
        }
        return dict(json.loads(json.dumps(about)))

    @property
    def num_categories(self) -> int:
        """Categories in the item table."""
        return int(self.items["category"].max()) + 1

    @property
    def item_reward_range(self) -> tuple[float, float]:
        """Least and most reward of one shown item."""
        return self.reward_range[0] / self.slate_size, self.reward_range[1] / self.slate_size


def _plain(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """An environment's arguments, less the vector's own; a World object (hidden truth) leaves its name."""
    ours = {name: value for name, value in kwargs.items() if name not in ("num_envs", "vectorization_mode")}
    if not isinstance(ours.get("world", ""), str):
        ours["world"] = ours["world"].name
    return ours


def _reward(reward: str | Mapping[str, float], events: Any) -> tuple[dict[str, float], bool, float]:
    """Weights by event, whether they go by price, reward a minute; the names are the environments'."""
    if not isinstance(reward, str):
        return {event.name: float(reward.get(event.name, 0.0)) for event in events}, False, 0.0
    weights = {event.name: event.engagement if reward == "engagement" else 0.0 for event in events}
    if reward in ("clicks", "connections"):
        weights[events[0].name] = 1.0
    if reward in ("conversion", "revenue"):
        weights["purchase"] = 1.0
    return weights, reward == "revenue", float(reward == "watch_time")


def item_range(
    weights: Mapping[str, float], price_ratio: NDArray[Any] | None = None, per_minute: float = 0.0
) -> tuple[float, float]:
    """Least and most reward of one item: every event of that sign at once, and all the minutes that count."""
    scale = 1.0 if price_ratio is None else float(price_ratio.max())
    low = scale * sum(min(weight, 0.0) for weight in weights.values())
    high = scale * sum(max(weight, 0.0) for weight in weights.values())
    return low, high + per_minute * WATCH_CAP_MINUTES
