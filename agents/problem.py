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


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Public facts of a task: spaces, item table, names, reward; no hidden number of the world."""

    env_id: str
    num_items: int
    num_users: int
    num_contexts: int = 1  # number of contexts, which lie on a circle
    slate_size: int
    horizon: int  # [slates]
    event_names: tuple[str, ...]  # the first is the response
    items: Mapping[str, NDArray[Any]]  # (N,) category, page, price, price_ratio, seconds; (N, m) vector
    observation_space: spaces.Space[Any]  # of one session
    reward_range: tuple[float, float]  # of one step
    reward_weights: Mapping[str, float]  # paid for each event of a shown item
    reward_by_price: bool = False  # the weights are multiplied by the item's price ratio
    reward_per_minute: float = 0.0  # paid for each minute watched
    reward_max_minutes: float = 0.0  # [minutes] of one item that are paid
    index_digest: str = ""  # digest of the meaning of user and item indices; a log of the task has the same
    world_sha256: str = ""  # digest of the world; "": unknown
    user_features: NDArray[np.float32] | None = None  # (U, F) public, if the observation holds the user's
    user_ids: NDArray[np.object_] | None = None  # (U,) ids in the fitted log; None: the world has none
    item_ids: NDArray[np.object_] | None = None  # (N,)

    @classmethod
    def of(cls, env: Any) -> "Problem":
        """The problem of a recgym environment, single or vector."""
        face, spec = face_of(env), env.spec
        arguments = face.arguments
        space = getattr(face, "single_observation_space", face.observation_space)
        action = getattr(face, "single_action_space", face.action_space)
        slate_size = 1 if isinstance(action, spaces.Discrete) else len(action.nvec)
        items = face.items
        reward = face.reward_spec
        low, high = item_range(reward, items["price_ratio"])
        return cls(
            env_id="" if spec is None else spec.id,
            num_items=len(items["category"]),
            num_users=face.num_users,
            num_contexts=face.num_contexts,
            slate_size=slate_size,
            horizon=min(arguments.horizon, arguments.max_episode_steps or arguments.horizon),
            event_names=face.event_names,
            items=items,
            observation_space=space,
            reward_range=(slate_size * low, slate_size * high),
            reward_weights=reward.weights,
            reward_by_price=reward.by_price,
            reward_per_minute=reward.per_minute,
            reward_max_minutes=reward.max_minutes,
            index_digest=face.index_digest,
            world_sha256=face.world_sha256,
            user_features=face.user_features if "user_features" in getattr(space, "spaces", ()) else None,
            user_ids=face.user_ids,
            item_ids=face.item_ids,
        )

    @property
    def identity(self) -> dict[str, Any]:
        """Facts that distinguish the task from others, as JSON values; they are saved with an agent."""
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

    def differences(self, env: Any) -> list[str]:
        """What a recgym environment has another of than the task, so that an agent is of no use in it.

        Of "world" (its items, their numbers and its users), "reward" and "slate size"; none where the task's world is
        unknown.
        """
        if not self.world_sha256:
            return []
        return self.differences_from(Problem.of(env).identity)

    def differences_from(self, identity: Mapping[str, Any]) -> list[str]:
        """As `differences`, from the identity of another task."""
        ours, names = self.identity, {"world_sha256": "world", "reward": "reward", "slate_size": "slate size"}
        return [name for key, name in names.items() if ours[key] != identity.get(key)]

    @property
    def num_categories(self) -> int:
        """Categories in the item table."""
        return int(self.items["category"].max()) + 1

    @property
    def item_reward_range(self) -> tuple[float, float]:
        """Smallest and largest reward of one shown item."""
        return self.reward_range[0] / self.slate_size, self.reward_range[1] / self.slate_size


def item_range(reward: Any, price_ratio: NDArray[Any]) -> tuple[float, float]:
    """Smallest and largest reward of one item: all events of that sign, and all the minutes that are paid.

    Args:
        reward: the environment's `RewardSpec`.
        price_ratio: (N,) price over the mean price of the world's items.
    """
    scale = float(price_ratio.max()) if reward.by_price else 1.0
    low = scale * sum(min(weight, 0.0) for weight in reward.weights.values())
    high = scale * sum(max(weight, 0.0) for weight in reward.weights.values())
    return low, high + reward.per_minute * reward.max_minutes
