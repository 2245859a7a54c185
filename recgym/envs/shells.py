"""The Gymnasium face: one environment, and a native vector of them. No dynamics stand here.

A row of the vector, reset with seed s + i, is bit-identical to the single environment reset with that seed.
`terminated`: the user left. `truncated`: the horizon. The last observation belongs to the user who left.
"""

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from recgym.envs import tasks
from recgym.envs.inputs import MODULUS, check_slates, entropy, refuse_options, spread
from recgym.envs.render import describe, draw
from recgym.envs.tasks import Arguments, Observation
from recgym.sim.engine import Engine
from recgym.sim.schema import FRIENDS
from recgym.sim.state import Feedback, Sessions

Info = dict[str, Any]


class _Face:
    """What the single environment and the vector share: the engine, observations, infos, masks."""

    def __init__(self, num: int, threads: int, arguments: Mapping[str, Any]) -> None:
        self.arguments = Arguments.parse(arguments)
        self._engine, self._paid = tasks.make_engine(self.arguments, num, threads)
        self._names = [event.name for event in self._engine.world.events]
        self._assumed = int(bool(self._engine.world.assumed_events.intersection(self._paid)))
        self._masked = self.arguments.action_mask

    def _tick(
        self, slate: NDArray[np.int64], steps: NDArray[np.bool_] | None, resets: NDArray[np.bool_] | None
    ) -> tuple[Observation, Feedback]:
        """One tick of the engine and the observation after it, all arrays fresh."""
        engine, kind = self._engine, self.arguments.observation
        features = None
        if kind.startswith("features"):
            features = np.empty((engine.num, engine.features_width), np.float32)
        feedback = engine.step(slate, steps, resets, features)
        return tasks.observation_of(engine, kind, features), feedback

    def _reset_info(self) -> Info:
        engine = self._engine
        info = {
            "user": engine.sessions.user.astype(np.int64),
            "context": engine.sessions.context.astype(np.int64),
            "reward_is_assumed": np.full(engine.num, self._assumed),
        }
        if self._masked:
            info["action_mask"] = self.action_masks()
        return info

    def _step_info(self, feedback: Feedback) -> Info:
        """Counts of each event over the slate, repeated positions, minutes watched."""
        events = feedback.events
        info: Info = {name: ((events >> e) & 1).sum(axis=1) for e, name in enumerate(self._names)}
        info["repeats"] = feedback.repeats
        if self._engine.world.arrays.watch[0]:
            info["watch_minutes"] = feedback.watch.sum(axis=1) / 60_000.0
        if self._masked:
            info["action_mask"] = self.action_masks()
        return info

    def action_masks(self) -> NDArray[np.bool_]:
        """Which items may be shown, for each position in turn, shape (B, K N): all but a friend won already."""
        if self._engine.world.arrays.choice[0] == FRIENDS:
            return np.tile(self._engine.sessions.tie >= 0, (1, self._engine.slate_size))
        return np.ones((self._engine.num, self._engine.slate_size * self._engine.world.num_items), np.bool_)

    def privileged(self) -> Engine:
        """The simulator itself, hidden intent and all. For oracles and tests alone: an agent that asks, cheats."""
        return self._engine

    @property
    def items(self) -> dict[str, NDArray[Any]]:
        """The public item table, arrays (N,): category, page, price, price_ratio, seconds."""
        return tasks.item_table(self._engine.world)

    @property
    def num_users(self) -> int:
        """Users of the world; the observation "history" names one by its index."""
        return self._engine.world.num_users

    @property
    def num_contexts(self) -> int:
        """Contexts that a visit may have; observations show them on a circle."""
        return len(self._engine.world.contexts)

    @property
    def reward_weights(self) -> dict[str, float]:
        """What the task pays for each event (for "revenue": at the catalogue's mean price); watch time is apart."""
        reward = self._engine.reward
        return {name: float(reward.weight[e] + reward.price_weight[e]) for e, name in enumerate(self._names)}

    @property
    def event_names(self) -> tuple[str, ...]:
        """Events in the order of the observation's bits; the first is the response."""
        return tuple(self._names)


class RecEnv(_Face, gymnasium.Env[Any, Any]):
    """One session after another; see `Arguments` for what it takes and the README for its spaces."""

    metadata: dict[str, Any] = {"render_modes": list(tasks.RENDER_MODES), "render_fps": 2}  # noqa: RUF012 - as Env's

    def __init__(self, **arguments: Any) -> None:
        super().__init__(1, 1, arguments)
        self.observation_space = tasks.observation_space(self._engine, self.arguments.observation)
        self.action_space = tasks.action_space(self._engine)
        self.render_mode = self.arguments.render_mode
        self._num_items, self._slots = self._engine.world.num_items, self._engine.slate_size
        self._over, self._begun = False, False
        self._last: tuple[NDArray[np.int64], Feedback] | None = None

    def reset(self, *, seed: int | None = None, options: Mapping[str, Any] | None = None) -> tuple[Any, Info]:
        """Begin the next episode: number 0 of a new seed, else the next of the old one; never seeded: entropy."""
        super().reset(seed=seed)
        refuse_options(options, ())
        if seed is not None:
            self._engine.seed(np.array([seed % MODULUS], np.uint64))
        elif not self._begun:
            self._engine.seed(np.array([entropy()], np.uint64))
        self._begun, self._over, self._last = True, False, None
        observation, _ = self._tick(self._engine.no_slate, self._engine.no_rows, self._engine.all_rows)
        return _row(observation, 0), {name: value[0] for name, value in self._reset_info().items()}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, Info]:
        """Show an item or a slate; ValueError for one outside the space, ResetNeeded after the last step."""
        if not self._begun or self._over:
            raise gymnasium.error.ResetNeeded(
                "call reset() before the first step and after the last of an episode"
            )
        slate = check_slates(action, 1, self._slots, self._num_items)
        observation, feedback = self._tick(slate, None, None)
        terminated, truncated = bool(feedback.left[0]), bool(feedback.horizon[0])
        self._over = terminated or truncated
        self._last = (slate, feedback)
        return (
            _row(observation, 0),
            float(feedback.reward[0]),
            terminated,
            truncated,
            self._single_info(feedback),
        )

    def _single_info(self, feedback: Feedback) -> Info:
        if self._slots > 1:
            return {name: value[0] for name, value in self._step_info(feedback).items()}
        bits = int(feedback.events[0, 0])  # the usual case, ten times as fast
        info: Info = {name: (bits >> e) & 1 for e, name in enumerate(self._names)}
        info["repeats"] = 0
        if self._engine.world.arrays.watch[0]:
            info["watch_minutes"] = float(feedback.watch[0, 0]) / 60_000.0
        if self._masked:
            info["action_mask"] = self.action_masks()
        return info

    def action_masks(self) -> NDArray[np.bool_]:
        """Which items may be shown, for each position in turn, shape (K N,), as sb3-contrib's MaskablePPO reads it."""
        mask: NDArray[np.bool_] = super().action_masks()[0]
        return mask

    def render(self) -> Any:
        """Who the user is, what was shown, what happened; text ("ansi") or pixels ("rgb_array")."""
        if self.render_mode is None:
            gymnasium.logger.warn(
                "render() without a render_mode: give gym.make render_mode='ansi' or 'rgb_array'"
            )
            return None
        text = describe(self._engine, 0, self._last, hidden=self.arguments.render_hidden)
        if self.render_mode == "ansi":
            return text
        return draw(self._engine, 0, self._last, hidden=self.arguments.render_hidden)


class RecVectorEnv(_Face, VectorEnv[Any, Any, Any]):
    """`num_envs` sessions at once, natively.

    Args (beside those of the single environment):
        num_envs: B, at least 1.
        autoreset_mode: NEXT_STEP (default; the step after an episode's last begins the next one and ignores its
            action), SAME_STEP (the last observation is in info["final_obs"], dense) or DISABLED (call
            `reset(options={"reset_mask": mask})`).
        threads: 1 leaves the process free to fork; more share the rows, with the same results.
    """

    def __init__(
        self,
        num_envs: int = 1,
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        threads: int = 1,
        **arguments: Any,
    ) -> None:
        if isinstance(num_envs, bool) or not isinstance(num_envs, int | np.integer) or num_envs < 1:
            raise ValueError(f"num_envs is {num_envs!r}, expected a whole number of at least 1")
        super().__init__(int(num_envs), threads, arguments)
        try:
            self.autoreset_mode = AutoresetMode(autoreset_mode)
        except ValueError:
            allowed = ", ".join(repr(mode.value) for mode in AutoresetMode)
            raise ValueError(f"autoreset_mode is {autoreset_mode!r}, allowed: {allowed}") from None
        self.metadata = {"render_modes": list(tasks.RENDER_MODES), "autoreset_mode": self.autoreset_mode}
        self.num_envs = int(num_envs)
        self.render_mode = self.arguments.render_mode
        self.single_observation_space = tasks.observation_space(self._engine, self.arguments.observation)
        self.single_action_space = tasks.action_space(self._engine)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._over = np.ones(self.num_envs, np.bool_)
        self._begun = False
        self._last: tuple[NDArray[np.int64], Feedback] | None = None

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Any, Info]:
        """Begin anew, all rows or those of options["reset_mask"]; row i of seed s has s + i."""
        refuse_options(options, ("reset_mask",))
        rows = self._rows(None if options is None else options.get("reset_mask"))
        self._seed(seed, rows)
        self._begun, self._last = True, None
        self._over[rows] = False
        observation, _ = self._tick(self._engine.no_slate, self._engine.no_rows, rows)
        return observation, self._reset_info()

    def step(
        self, actions: Any
    ) -> tuple[Any, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], Info]:
        """Show a slate to each session; the action of a row that begins anew (NEXT_STEP) is checked but not used."""
        if not self._begun:
            raise gymnasium.error.ResetNeeded("call reset() before the first step")
        engine, mode = self._engine, self.autoreset_mode
        if mode == AutoresetMode.DISABLED and self._over.any():
            rows = np.flatnonzero(self._over)
            raise gymnasium.error.ResetNeeded(
                f"episodes of rows {rows[:8].tolist()} are over: reset them by reset_mask"
            )
        slates = check_slates(actions, self.num_envs, engine.slate_size, engine.world.num_items)
        resets = self._over if mode == AutoresetMode.NEXT_STEP else None
        observation, feedback = self._tick(slates, None, resets)
        info = self._step_info(feedback)
        if resets is not None and resets.any():
            info |= self._begun_info(resets)
        over = feedback.left | feedback.horizon
        self._last = (slates, feedback)
        if mode == AutoresetMode.SAME_STEP:
            if over.any():
                info = {**info, "final_obs": observation, "_final_obs": over.copy()}
                info["final_info"] = self._step_info(feedback)
                info["_final_info"] = over.copy()
                observation, _ = self._tick(engine.no_slate, engine.no_rows, over)
                info |= self._begun_info(over)
            self._over = np.zeros_like(over)
        else:
            self._over = over
        return observation, feedback.reward, feedback.left, feedback.horizon, info

    def _begun_info(self, rows: NDArray[np.bool_]) -> Info:
        """What `reset` tells, for the rows that begin anew in a step, with Gymnasium's masks."""
        info = {name: value for name, value in self._reset_info().items() if name != "action_mask"}
        return info | {f"_{name}": rows.copy() for name in info}

    def _rows(self, mask: Any) -> NDArray[np.bool_]:
        if mask is None:
            return self._engine.all_rows
        rows: NDArray[np.bool_] = np.asarray(mask)
        if rows.dtype != np.bool_ or rows.shape != (self.num_envs,) or not rows.any():
            raise ValueError(
                f"reset_mask must be a boolean array of shape ({self.num_envs},) with at least one True"
            )
        if not self._begun:
            raise gymnasium.error.ResetNeeded("the first reset begins every row: leave reset_mask out")
        return rows

    def _seed(self, seed: int | list[int | None] | None, rows: NDArray[np.bool_]) -> None:
        if seed is None:
            if not self._begun:
                self._engine.seed(spread(entropy(), self.num_envs))
            return
        if isinstance(seed, int | np.integer):
            super().reset(seed=int(seed))
            self._engine.seed(spread(int(seed), self.num_envs), rows)
            return
        seeds = list(seed)
        if len(seeds) != self.num_envs:
            raise ValueError(
                f"seed lists {len(seeds)} numbers, expected one for each of {self.num_envs} environments"
            )
        for i, value in enumerate(seeds):
            if value is not None and (
                isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 0
            ):
                raise ValueError(f"seed {i} is {value!r}, expected a whole number of at least 0 or None")
            if rows[i] and (value is not None or not self._begun):
                one = np.zeros(self.num_envs, np.bool_)
                one[i] = True
                number = entropy() if value is None else value
                self._engine.seed(np.full(self.num_envs, number % MODULUS, np.uint64), one)

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """A copy of all that moves, hidden intent included: for checkpoints. An agent that asks, cheats."""
        return {**self._engine.snapshot()._asdict(), "over": self._over.copy()}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from where `snapshot` was asked, of an environment made alike; ValueError where it was not."""
        own = self.snapshot()
        if strange := [name for name in own if name not in state or state[name].shape != own[name].shape]:
            raise ValueError(f"the state is of another environment: {', '.join(strange)} differ")
        self._engine.restore(Sessions(**{name: state[name] for name in Sessions._fields}))
        self._over, self._begun, self._last = state["over"].copy(), True, None

    def render(self) -> Any:
        """Pictures of all sessions, one an environment."""
        if self.render_mode is None:
            return None
        picture = describe if self.render_mode == "ansi" else draw
        hidden = self.arguments.render_hidden
        return tuple(picture(self._engine, b, self._last, hidden=hidden) for b in range(self.num_envs))


def _row(observation: Observation, row: int) -> Any:
    """One row of a fresh batch: an array, a number for Discrete, or a dict of them."""
    if isinstance(observation, dict):
        return {name: value[row] for name, value in observation.items()}
    return observation[row]
