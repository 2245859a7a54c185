"""Wrappers for clients that read the action mask from the observation.

Axes: K slate positions, N items.
"""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs


class ActionMaskObservation(gymnasium.ObservationWrapper[Any, Any, Any], RecordConstructorArgs):
    """A single environment whose observation is a Dict of the observation and the mask of allowed actions.

    The mask is int8, shape (K N,): 1 where an item may be shown at that position: see `OpenItems`.
    Libraries look for it under other names: RLlib's action-masking example reads "observations" and "action_mask",
    Tianshou's policies "obs" and "mask".

    Args:
        env: a single environment of this package, wrapped or not.
        observation_key: name of the observation in the Dict.
        mask_key: name of the mask.
    """

    def __init__(
        self,
        env: gymnasium.Env[Any, Any],
        observation_key: str = "observation",
        mask_key: str = "action_mask",
    ) -> None:
        if not hasattr(env.unwrapped, "action_masks"):
            raise ValueError(f"env is {env}, expected a single environment with action_masks()")
        if observation_key == mask_key:
            raise ValueError(f"observation_key and mask_key are both {mask_key!r}")
        RecordConstructorArgs.__init__(self, observation_key=observation_key, mask_key=mask_key)
        gymnasium.ObservationWrapper.__init__(self, env)
        self._observation_key, self._mask_key = observation_key, mask_key
        native: Any = env.unwrapped
        self._native = native
        self.observation_space = spaces.Dict(
            {
                observation_key: env.observation_space,
                mask_key: spaces.Box(0, 1, native.action_masks().shape, np.int8),
            }
        )

    def observation(self, observation: Any) -> dict[str, Any]:
        """The observation with the mask for the next action."""
        return {
            self._observation_key: observation,
            self._mask_key: self._native.action_masks().astype(np.int8),
        }
