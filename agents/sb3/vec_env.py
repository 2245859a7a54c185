"""A native vector environment as Stable-Baselines3's VecEnv, so that every SB3 algorithm trains on it.

SB3 refuses Gymnasium's vector environments; its own interface resets within the step that ends an episode and
hands the last observation over in an info. Axes: B sessions.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv

from agents.loop import take


def as_vec_env(env: Any, masks: Callable[[], Any] | None = None) -> "NativeVecEnv":
    """The adapter around a native vector environment, in any autoreset mode; ValueError for another environment.

    `masks` gives (B, K N) in place of the environment's `action_masks`.
    """
    face = getattr(env, "unwrapped", env)
    if not (hasattr(face, "index_digest") and hasattr(face, "num_envs")):
        raise ValueError(
            f"as_vec_env takes a native vector environment of recgym, this one is {type(face).__name__}: make it by "
            "gymnasium.make_vec(id, n, vectorization_mode='vector_entry_point')"
        )
    if env.spec is not None and env.spec.kwargs.get("output") == "torch":
        raise ValueError(
            "as_vec_env takes arrays, this environment gives tensors: make it with output='numpy'"
        )
    return NativeVecEnv(env, masks)


class NativeVecEnv(VecEnv):
    """Equivalent to DummyVecEnv of B monitored environments, at the speed of the native environment.

    A row's info is what the single environment's step gives, as callbacks read it, and `TimeLimit.truncated` (the
    horizon, and not the user, ended the episode). Where its episode ended it holds `terminal_observation` (of that
    visit) and Monitor's `episode` (r, l, t) too; what the next begins with is in `reset_infos`.
    """

    def __init__(self, env: Any, masks: Callable[[], Any] | None = None) -> None:
        self.env = env
        self.masks = env.unwrapped.action_masks if masks is None else masks
        self.actions: Any = None
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)
        self.render_mode = env.render_mode
        self._begin(time.time())

    def _begin(self, now: float) -> None:
        self._returns, self._lengths, self._start = np.zeros(self.num_envs), np.zeros(self.num_envs, int), now

    def reset(self) -> Any:
        """Begin every episode anew, with the seeds given by `seed` if there are any."""
        seeds = None if all(seed is None for seed in self._seeds) else list(self._seeds)
        observation, info = self.env.reset(seed=seeds)
        self.reset_infos = _by_row(info)
        self._reset_seeds()
        self._reset_options()
        self._returns, self._lengths = np.zeros(self.num_envs), np.zeros(self.num_envs, int)
        return observation

    def step_async(self, actions: Any) -> None:
        """Keep the actions for `step_wait`."""
        self.actions = actions

    def step_wait(self) -> Any:
        """One step of all rows; those that ended are reset, and their infos say how they ended."""
        observation, reward, terminated, truncated, info = self.env.step(self.actions)
        over = terminated | truncated
        self._returns += reward
        self._lengths += 1
        last, last_info, begun = observation, info, {}
        if over.any():
            if self.env.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP:
                last, last_info = info["final_obs"], info["final_info"]
                begun = {name: info[name] for name in last_info}
            else:
                observation, begun = self.env.reset(options={"reset_mask": over})
        infos = _by_row({**last_info, "TimeLimit.truncated": (truncated & ~terminated).tolist()})
        if over.any():
            begun_infos = _by_row(begun)
            for i in np.flatnonzero(over):
                infos[i] |= self._ending(last, i)
                self.reset_infos[i] = begun_infos[i]
            self._returns[over], self._lengths[over] = 0.0, 0
        return observation, reward.astype(np.float32), over, infos

    def _ending(self, last: Any, i: Any) -> dict[str, Any]:
        elapsed = round(time.time() - self._start, 6)
        episode = {"r": round(float(self._returns[i]), 6), "l": int(self._lengths[i]), "t": elapsed}
        return {"terminal_observation": take(last, i), "episode": episode}

    def close(self) -> None:
        """Close the native environment."""
        self.env.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """The native environment's attribute, once for each row asked for."""
        value = getattr(self.env.unwrapped, attr_name)
        return [value for _ in self._rows(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """AttributeError: rows of a native environment have no attributes of their own."""
        raise AttributeError(
            f"cannot set {attr_name!r}: the rows of a native vector environment share one object"
        )

    def env_method(
        self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any
    ) -> list[Any]:
        """`action_masks` by row, as sb3-contrib's MaskablePPO asks; AttributeError for any other method."""
        if method_name != "action_masks":
            raise AttributeError(
                f"rows of a native vector environment have no method {method_name!r}: call it on .env"
            )
        masks = self.masks()
        return [masks[i] for i in self._rows(indices)]

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """True for Monitor, whose `episode` infos this adapter gives; no other wrapper is there."""
        return [wrapper_class is Monitor for _ in self._rows(indices)]

    def get_images(self) -> Sequence[Any]:
        """Pictures of all rows."""
        return list(self.env.render() or [])

    def _rows(self, indices: Any) -> Iterable[int]:
        return self._get_indices(indices)


def _by_row(info: dict[str, Any]) -> list[dict[str, Any]]:
    """A vector's info as one dict for each row."""
    return [dict(zip(info, row, strict=True)) for row in zip(*info.values(), strict=True)]
