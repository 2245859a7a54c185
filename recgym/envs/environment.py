"""The single environment.

`terminated`: the user left. `truncated`: the horizon was reached. The last observation belongs to the user who left.

Axes: N items, K slate positions.
"""

import copy
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np

from recgym.arrays import Bools, Floats, Ints
from recgym.checks import checked_seed
from recgym.envs.arguments import RENDER_MODES
from recgym.envs.base_environment import FRAMES_PER_SECOND, BaseEnvironment
from recgym.envs.input_checks import check_options, check_slate
from recgym.envs.rendering import picture
from recgym.envs.seeding import MODULUS, entropy_seed
from recgym.envs.spaces import Observation, action_space, observation_of, observation_space
from recgym.envs.step_info import Info


class RecEnv(BaseEnvironment, gymnasium.Env[Any, Any]):
    """One session at a time.

    Each id has a page in docs/environments/ with its own columns, figures and returns, in the same order.

    Description:
        A user, drawn from the population that was fitted to a log, is shown an item or a slate at each step, and
        responds or not. What the user wants, the intent, is hidden, and may change with what is shown.

    Action Space:
        `Discrete(N)`, the number of an item; for slates `MultiDiscrete([N] * K)`. A repeat within a slate is an empty
        place. `action_masks()` says which items are allowed.

    Observation Space:
        `features` (default): `Box(-1, 1, (width,), float32)`, whose columns `observation_columns` names; `history`: a
        `Dict` of the last 20 items and their events; `features+history`: both; `tabular`: `Discrete`.

    Rewards:
        A sum over the slate, by the argument `reward`: a name in `recgym.envs.rewards.REWARDS`, or weights by event.

    Starting State:
        The user, one of the contexts (the hour), and the random numbers of the session are functions of the seed and
        the number of the episode. Nothing has been shown.

    Episode End:
        Terminated: the user left. Truncated: the horizon was reached. There is no other end.

    Constructor:
        Fields of `recgym.envs.arguments.Arguments`, by keyword.

    Version History:
        An id never changes its behaviour; a change is a new id (`-v1`), and the earlier one stays.
    """

    metadata: dict[str, Any] = {"render_modes": list(RENDER_MODES), "render_fps": FRAMES_PER_SECOND}  # noqa: RUF012 - as Env's

    def __init__(self, **arguments: Any) -> None:
        super().__init__(1, 1, arguments)
        self.observation_space = observation_space(self._engine, self.arguments.observation)
        self.action_space = action_space(self._engine)
        self.render_mode = self.arguments.render_mode
        self._num_items, self._slots = self._engine.world.num_items, self._engine.slate_size
        self._is_over, self._has_begun, self._has_stepped = True, False, False
        self._shown: Any = None
        self._is_plain = self.arguments.observation == "features"
        has_features = self.arguments.observation.startswith("features")
        self._width = self._engine.features_width if has_features else 0

    def reset(self, *, seed: int | None = None, options: Mapping[str, Any] | None = None) -> tuple[Any, Info]:
        """Begin the next episode.

        Args:
            seed: the episode is number 0 of this seed; None: the next one of the seed before. An environment that was
                never seeded takes a seed from the operating system.
            options: `user`, index of the episode's user, or `users`, indices of the users that it is drawn from. The
                other draws of the episode do not depend on them.

        Raises:
            ValueError: the seed or an option is not as above; no state has changed.
        """
        checked = check_options(options, ("user", "users"))
        users = self._users_of_options(checked, self._engine.all_rows) if checked else None
        if seed is not None:
            seed = checked_seed(seed)
            super().reset(seed=seed)
            self._engine.seed(np.array([seed % MODULUS], np.uint64))
        elif not self._has_begun:
            self._engine.seed(np.array([entropy_seed()], np.uint64))
        self._has_begun, self._is_over, self._has_stepped = True, False, False
        features = self._new_features()
        if users is None:
            self._engine.begin_one(features)
        else:
            self._engine.draw_from(users.population)
            self._engine.begin_one(features, -1 if users.user is None else int(users.user[0]))
            self._engine.draw_from(self._population)
        if self._record:
            self._record.begin(self._engine.all_rows)
        return self._observed(features), self._infos.begin_single()

    def step(self, action: Any) -> tuple[Any, float, bool, bool, Info]:
        """Show an item or a slate.

        Args:
            action: an item in [0, N), or K of them.

        Returns:
            Observation, reward, terminated (the user left), truncated (the horizon), info.

        Raises:
            ValueError: the action is outside the space, or holds an item that may not be shown; no state has changed.
            gymnasium.error.ResetNeeded: the episode is over, or none has begun.
        """
        if self._is_over:
            raise gymnasium.error.ResetNeeded(
                "call reset() before the first step and after the last of an episode"
            )
        if type(action) is np.int64:  # as action spaces sample it
            action = int(action)
        shown = action
        if type(action) is not int or self._slots > 1 or not 0 <= action < self._num_items:
            slate = check_slate(action, self._slots, self._num_items)
            shown = slate if self._slots > 1 else int(slate[0])
        if self._open.is_limited:
            self._open.refuse(np.array(shown, np.int64).reshape(1, self._slots), self._engine.all_rows)
        features = self._new_features()
        reward, terminated, truncated, minutes = self._engine.step_one(shown, features)
        self._shown = shown
        self._is_over, self._has_stepped = terminated or truncated, True
        if self._record:
            slate = np.array(shown, np.int64).reshape(1, self._slots)
            self._record.add(self._pictured(slate), copy.deepcopy(self._engine.last_feedback))
        return self._observed(features), reward, terminated, truncated, self._infos.single(minutes)

    def _new_features(self) -> Floats:
        return np.empty((1, self._width), np.float32)

    def _observed(self, features: Floats) -> Any:
        """The observation, in new arrays, given that `features` was written."""
        if self._is_plain:
            return features[0]
        batch = features if self._width else None
        return _row(observation_of(self._engine, self.arguments.observation, batch), 0)

    def action_masks(self) -> Bools:
        """Mask of the items allowed at each position, shape (K N,); the format of sb3-contrib's MaskablePPO."""
        mask: Bools = self._masks()[0]
        return mask

    @property
    def last_slate(self) -> Ints:
        """The last slate that was shown, after any wrappers: (K,); empty before the first step."""
        return np.array([] if not self._has_stepped else self._shown, np.int64).reshape(-1)

    @property
    def slate_events(self) -> Bools:
        """Whether each event happened to each item of the last slate, (K, E); all False before the first step."""
        bits = self._engine.last_feedback.events[0] if self._has_stepped else np.zeros(self._slots, np.int32)
        return (bits[:, None] >> np.arange(len(self._names)) & 1).astype(np.bool_)

    def render(self) -> Any:
        """The user, the last slate and its events: text for "ansi", pixels (height, width, 3) for "rgb_array"."""
        if self._record is None:
            gymnasium.logger.warn(
                "render() without a render_mode: give gym.make render_mode='ansi' or 'rgb_array'"
            )
            return None
        return picture(self._record, 0, self.arguments)


def _row(observation: Observation, row: int) -> Any:
    """One row of a batch: an array, a number for a Discrete space, or a dict of them."""
    if isinstance(observation, dict):
        return {name: value[row] for name, value in observation.items()}
    return observation[row]
