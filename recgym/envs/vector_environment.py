"""The vector environment.

Row i after a reset with seed s is bit-identical to the single environment after a reset with seed s + i.

Axes: B sessions, N items, K slate positions.
"""

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from recgym.arrays import Bools, Doubles
from recgym.checks import MAX_COUNT, quoted, whole_number
from recgym.envs.arguments import RENDER_MODES
from recgym.envs.base_environment import FRAMES_PER_SECOND, BaseEnvironment
from recgym.envs.input_checks import check_options, check_slates
from recgym.envs.rendering import picture
from recgym.envs.seeding import MODULUS, consecutive_seeds, entropy_seed, parse_seeds
from recgym.envs.spaces import Observation, action_space, observation_space, row_bytes
from recgym.envs.step_info import Info
from recgym.memory import require_memory
from recgym.sim.state import Feedback, Sessions


def _mode(mode: Any) -> AutoresetMode:
    """The autoreset mode of a member of AutoresetMode, its value or its name; ValueError for another."""
    by_name = AutoresetMode.__members__.get(mode) if isinstance(mode, str) else None
    try:
        return by_name or AutoresetMode(mode)
    except ValueError:
        allowed = ", ".join(repr(each.value) for each in AutoresetMode)
        raise ValueError(f"autoreset_mode is {quoted(mode)}, allowed: {allowed}") from None


class RecVectorEnv(BaseEnvironment, VectorEnv[Any, Any, Any]):
    """`num_envs` sessions in one engine.

    Args:
        num_envs: B, at least 1.
        autoreset_mode: NEXT_STEP (default: the step after the last one of an episode begins the next and ignores its
            action), SAME_STEP (the last observation is in info["final_obs"], with a row for every session) or
            DISABLED (call `reset(options={"reset_mask": mask})`); a member of AutoresetMode, its name or its value.
        threads: threads that share the rows, at least 1; results do not depend on it. With 1 the process may fork.
        **arguments: those of the single environment.
    """

    def __init__(
        self,
        num_envs: int = 1,
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        threads: int = 1,
        **arguments: Any,
    ) -> None:
        num_envs = whole_number(num_envs, "num_envs", 1, MAX_COUNT)
        super().__init__(num_envs, threads, arguments)
        self.autoreset_mode = _mode(autoreset_mode)
        self.metadata = {
            "render_modes": list(RENDER_MODES),
            "render_fps": FRAMES_PER_SECOND,
            "autoreset_mode": self.autoreset_mode,
        }
        self.num_envs = num_envs
        self.render_mode = self.arguments.render_mode
        self.single_observation_space = observation_space(self._engine, self.arguments.observation)
        self.single_action_space = action_space(self._engine)
        size = row_bytes(self._engine, self.arguments.observation, self.arguments.action_mask)
        require_memory(num_envs * size, "num_envs", num_envs)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._is_over = np.ones(self.num_envs, np.bool_)
        self._has_begun = False

    def reset(self, *, seed: Any = None, options: Mapping[str, Any] | None = None) -> tuple[Any, Info]:
        """Begin the next episode of all rows, or of those of options["reset_mask"].

        Args:
            seed: a seed s, from which row i gets s + i; or a sequence of B seeds, None for a row that keeps its own.
            options: `reset_mask`, boolean (B,); `user`, one index or one for each row; `users`, indices that users are
                drawn from. Episodes that begin within a step draw from the argument `users` of the environment.

        Raises:
            ValueError: the seed or an option is not as above; no state has changed.
        """
        checked = check_options(options, ("reset_mask", "user", "users"))
        rows = self._rows(checked.get("reset_mask"))
        users = self._users_of_options(checked, rows)
        self._seed(seed, rows)
        self._has_begun = True
        self._is_over[rows] = False
        observation, feedback = self._begin(rows, users)
        if self._record:
            self._record.begin(rows)
        return observation, self._infos.batch(feedback)

    def step(self, actions: Any) -> tuple[Any, Doubles, Bools, Bools, Info]:
        """Show a slate to each session.

        Args:
            actions: items in [0, N), shape (B,) or (B, K). In mode NEXT_STEP the action of a row that begins an
                episode is checked and ignored.

        Returns:
            Observation, rewards (B,), terminated (B,), truncated (B,), info.

        Raises:
            ValueError: an action is outside the space, or holds an item that may not be shown; no state has changed.
            gymnasium.error.ResetNeeded: before the first reset; in mode DISABLED, an episode is over.
        """
        if not self._has_begun:
            raise gymnasium.error.ResetNeeded("call reset() before the first step")
        engine, mode = self._engine, self.autoreset_mode
        if mode == AutoresetMode.DISABLED and self._is_over.any():
            rows = np.flatnonzero(self._is_over)
            raise gymnasium.error.ResetNeeded(
                f"episodes of rows {rows[:8].tolist()} are over: reset them by reset_mask"
            )
        slates = check_slates(actions, self.num_envs, engine.slate_size, engine.world.num_items)
        resets = self._is_over if mode == AutoresetMode.NEXT_STEP else None
        self._open.refuse(slates, engine.all_rows if resets is None else ~resets)
        observation, feedback = self._engine_step(slates, None, resets)
        info = self._infos.batch(feedback)
        over = feedback.left | feedback.horizon
        if self._record:
            self._record.add(self._pictured(slates), feedback, resets)
        if mode == AutoresetMode.SAME_STEP and over.any():
            return self._restarted(observation, feedback, info, over)
        self._is_over = over if mode != AutoresetMode.SAME_STEP else np.zeros_like(over)
        return observation, feedback.reward, feedback.left, feedback.horizon, info

    def _restarted(
        self, last: Observation, feedback: Feedback, last_info: Info, over: Bools
    ) -> tuple[Any, Doubles, Bools, Bools, Info]:
        """Result of a SAME_STEP step that ended the episodes of rows `over`: their next ones begin."""
        engine = self._engine
        observation, begun = self._engine_step(engine.no_slate, engine.no_rows, over)
        if self._record:
            self._record.begin(over)
        now = feedback._replace(
            events=np.where(over[:, None], begun.events, feedback.events),
            watch=np.where(over[:, None], begun.watch, feedback.watch),
            repeats=np.where(over, begun.repeats, feedback.repeats),
        )
        info = self._infos.batch(now)
        info |= {"final_obs": last, "_final_obs": over.copy()}
        info |= {"final_info": last_info, "_final_info": over.copy()}
        self._is_over = np.zeros_like(over)
        return observation, feedback.reward, feedback.left, feedback.horizon, info

    def action_masks(self) -> Bools:
        """Mask of the items allowed at each position, shape (B, K N): see `OpenItems`."""
        return self._masks()

    def _rows(self, mask: Any) -> Bools:
        if mask is None:
            return self._engine.all_rows
        rows: Bools = np.asarray(mask)
        if rows.dtype != np.bool_ or rows.shape != (self.num_envs,) or not rows.any():
            raise ValueError(
                f"reset_mask must be a boolean array of shape ({self.num_envs},) with at least one True"
            )
        if not self._has_begun:
            raise gymnasium.error.ResetNeeded("the first reset begins every row: leave reset_mask out")
        return rows

    def _seed(self, seed: Any, rows: Bools) -> None:
        if seed is None:
            if not self._has_begun:
                self._engine.seed(consecutive_seeds(entropy_seed(), self.num_envs))
            return
        seeds = parse_seeds(seed, self.num_envs)
        if isinstance(seeds, int):
            super().reset(seed=seeds)
            self._engine.seed(consecutive_seeds(seeds, self.num_envs), rows)
            return
        named = np.array([value is not None or not self._has_begun for value in seeds])
        numbers = [entropy_seed() if value is None else value % MODULUS for value in seeds]
        self._engine.seed(np.array(numbers, np.uint64), rows & named)

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """A copy of the state with its hidden variables, for checkpoints."""
        return {**self._engine.snapshot()._asdict(), "over": self._is_over.copy()}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Continue from a snapshot of an environment with the same arguments; ValueError names a field that differs."""
        own = self.snapshot()
        if different := [name for name in own if name not in state or state[name].shape != own[name].shape]:
            raise ValueError(f"the state is of another environment: {', '.join(different)} differ")
        if state["over"].dtype != np.bool_:
            raise ValueError(f"the state is damaged: over is of {state['over'].dtype}, not bool")
        self._engine.restore(Sessions(**{name: state[name] for name in Sessions._fields}))
        self._is_over, self._has_begun = state["over"].copy(), True
        if self._record:
            self._record.clear()

    def render(self) -> Any:
        """One picture of each session, as in the single environment."""
        if self._record is None:
            return None
        return tuple(picture(self._record, b, self.arguments) for b in range(self.num_envs))
