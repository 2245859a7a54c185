"""The Gymnasium face: one environment, and a native vector of them. No dynamics stand here.

A row of the vector, reset with seed s + i, is bit-identical to the single environment reset with that seed.
`terminated`: the user left. `truncated`: the horizon. The last observation belongs to the user who left.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from recgym.checks import said, seed_of, whole
from recgym.envs import tasks
from recgym.envs.arguments import RENDER_MODES, Arguments
from recgym.envs.infos import Info, Infos
from recgym.envs.inputs import (
    MODULUS,
    check_slates,
    entropy,
    refuse_options,
    seeds_of,
    spread,
    user_of_rows,
    users_of,
)
from recgym.envs.render import describe, draw
from recgym.envs.rewards import RewardSpec, task_reward
from recgym.envs.tasks import Observation
from recgym.sim.engine import Engine
from recgym.sim.schema import FRIENDS
from recgym.sim.state import Feedback, Sessions

FRAMES_A_SECOND = 2  # of videos
_Chosen = tuple[
    NDArray[np.float64], NDArray[np.int64] | None
]  # population as cumulative weights; users by row


class _Face:
    """What the single environment and the vector share: the engine, observations, infos, masks."""

    def __init__(self, num: int, threads: int, arguments: Mapping[str, Any]) -> None:
        asked = Arguments.parse(arguments)
        world = tasks.task_world(asked)
        self.arguments = replace(asked, reward=task_reward(asked, world))
        self._spec: EnvSpec | None = None
        self._engine, self._reward_spec = tasks.make_engine(self.arguments, world, num, threads)
        self._names = [event.name for event in world.events]
        self._infos = Infos(
            self._engine,
            is_assumed=not world.assumed_events.isdisjoint(self._reward_spec.paid),
            masks=self._masks if self.arguments.action_mask else None,
        )
        users = self.arguments.users
        self._population = self._engine.population(
            None if users is None else users_of(users, world.num_users, "users")
        )
        self._engine.draw_from(self._population)

    def _chosen(self, options: Mapping[str, Any], rows: NDArray[np.bool_]) -> _Chosen:
        """The users that the options of `reset` ask for, checked before anything moves."""
        if {"user", "users"} <= options.keys():
            raise ValueError(
                "reset options user and users exclude each other: one user, or a set to draw from"
            )
        population, user = self._population, None
        if "users" in options:
            users = users_of(options["users"], self.num_users, "reset option users")
            population = self._engine.population(users)
        if "user" in options:
            user = user_of_rows(options["user"], self.num_users, rows)
        return population, user

    def _begin(self, rows: NDArray[np.bool_], chosen: _Chosen) -> tuple[Observation, Feedback]:
        """Begin the next episode of those rows, with users from a population, or with those named."""
        engine, (population, user) = self._engine, chosen
        engine.draw_from(population)
        result = self._tick(engine.no_slate, engine.no_rows, rows)
        engine.draw_from(self._population)
        if user is None:
            return result
        engine.begin_as(user, rows)
        return self._tick(engine.no_slate, engine.no_rows, engine.no_rows)

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

    def _masks(self) -> NDArray[np.bool_]:
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
    def horizon(self) -> int:
        """Slates after which an episode is truncated."""
        return self._engine.horizon

    @property
    def spec(self) -> EnvSpec | None:
        """What Gymnasium made it from. `max_episode_steps` is the horizon, where clients look for it.

        The registry has None there, for with a number `gymnasium.make` wraps a TimeLimit round the environment; one
        that is made anew from this spec has it, and is truncated at the same step.
        """
        return self._spec

    @spec.setter
    def spec(self, made: EnvSpec | None) -> None:
        self._spec = None if made is None else replace(made, max_episode_steps=self.horizon)

    @property
    def item_ids(self) -> NDArray[np.object_] | None:
        """(N,) the fitted log's id of every item, so that `item_ids[action]` names it; None where nobody knows."""
        ids = self._engine.world.item_ids
        return None if ids is None else np.array(ids, object)

    @property
    def user_ids(self) -> NDArray[np.object_] | None:
        """(U,) the fitted log's id of every user, indexed as `info["user"]`; None where nobody knows."""
        ids = self._engine.world.user_ids
        return None if ids is None else np.array(ids, object)

    @property
    def index_digest(self) -> str:
        """What user and item indices stand for: a log that agents learn from is marked with it."""
        return self._engine.world.index_digest

    def index_log(self, log: Any) -> Any:
        """A log of this environment's users and items, on its indices (`World.index_log`); ValueError if another's."""
        return self._engine.world.index_log(log)

    @property
    def world_sha256(self) -> str:
        """Digest of the world that is played, cut to the environment's items: what tells tasks apart."""
        return self._engine.world.sha256

    @property
    def num_users(self) -> int:
        """Users of the world; the observation "history" names one by its index."""
        return self._engine.world.num_users

    @property
    def num_contexts(self) -> int:
        """Contexts that a visit may have; observations show them on a circle."""
        return len(self._engine.world.contexts)

    @property
    def reward_spec(self) -> RewardSpec:
        """The task's reward: weights by event, whether by price, reward per minute watched and its limit."""
        return self._reward_spec._replace(weights=dict(self._reward_spec.weights))

    @property
    def reward_weights(self) -> dict[str, float]:
        """Weight of each event in the reward; for "revenue" at the catalogue's mean price. Watch time has no weight."""
        return self.reward_spec.weights

    @property
    def event_names(self) -> tuple[str, ...]:
        """Events in the order of the observation's bits; the first is the response."""
        return tuple(self._names)


class RecEnv(_Face, gymnasium.Env[Any, Any]):
    """One session after another; see `Arguments` for what it takes and the README for its spaces."""

    metadata: dict[str, Any] = {"render_modes": list(RENDER_MODES), "render_fps": FRAMES_A_SECOND}  # noqa: RUF012 - as Env's

    def __init__(self, **arguments: Any) -> None:
        super().__init__(1, 1, arguments)
        self.observation_space = tasks.observation_space(self._engine, self.arguments.observation)
        self.action_space = tasks.action_space(self._engine)
        self.render_mode = self.arguments.render_mode
        self._num_items, self._slots = self._engine.world.num_items, self._engine.slate_size
        self._over, self._begun = False, False
        self._last: tuple[NDArray[np.int64], Feedback] | None = None

    def reset(self, *, seed: int | None = None, options: Mapping[str, Any] | None = None) -> tuple[Any, Info]:
        """Begin the next episode: number 0 of a new seed, else the next of the old one; never seeded: entropy.

        Options: `user`, the index of the user to meet; or `users`, indices to draw one from, for this episode. All
        other draws of the episode stay what its seed makes them.
        """
        engine = self._engine
        chosen = self._chosen(refuse_options(options, ("user", "users")), engine.all_rows)
        if seed is not None:
            seed = seed_of(seed)
        super().reset(seed=seed)
        if seed is not None:
            self._engine.seed(np.array([seed % MODULUS], np.uint64))
        elif not self._begun:
            self._engine.seed(np.array([entropy()], np.uint64))
        self._begun, self._over, self._last = True, False, None
        observation, feedback = self._begin(engine.all_rows, chosen)
        return _row(observation, 0), self._infos.single(feedback)

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
            self._infos.single(feedback),
        )

    def action_masks(self) -> NDArray[np.bool_]:
        """Which items may be shown, for each position in turn, shape (K N,), as sb3-contrib's MaskablePPO reads it."""
        mask: NDArray[np.bool_] = self._masks()[0]
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
        num_envs = whole(num_envs, "num_envs", 1)
        super().__init__(num_envs, threads, arguments)
        try:
            self.autoreset_mode = AutoresetMode(autoreset_mode)
        except ValueError:
            allowed = ", ".join(repr(mode.value) for mode in AutoresetMode)
            raise ValueError(f"autoreset_mode is {said(autoreset_mode)}, allowed: {allowed}") from None
        self.metadata = {
            "render_modes": list(RENDER_MODES),
            "render_fps": FRAMES_A_SECOND,
            "autoreset_mode": self.autoreset_mode,
        }
        self.num_envs = num_envs
        self.render_mode = self.arguments.render_mode
        self.single_observation_space = tasks.observation_space(self._engine, self.arguments.observation)
        self.single_action_space = tasks.action_space(self._engine)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._over = np.ones(self.num_envs, np.bool_)
        self._begun = False
        self._last: tuple[NDArray[np.int64], Feedback] | None = None

    def reset(self, *, seed: Any = None, options: Mapping[str, Any] | None = None) -> tuple[Any, Info]:
        """Begin anew, all rows or those of options["reset_mask"].

        `seed`: row i of seed s has s + i; or one for each row, in a list or an array, None where a row goes on.
        Options `user` (one index, or one for each row) and `users` as in the single environment; episodes that begin
        within a step draw from the argument `users` again.
        """
        asked = refuse_options(options, ("reset_mask", "user", "users"))
        rows = self._rows(asked.get("reset_mask"))
        chosen = self._chosen(asked, rows)
        self._seed(seed, rows)
        self._begun, self._last = True, None
        self._over[rows] = False
        observation, feedback = self._begin(rows, chosen)
        return observation, self._infos.batch(feedback)

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
        info = self._infos.batch(feedback)
        over = feedback.left | feedback.horizon
        self._last = (slates, feedback)
        if mode == AutoresetMode.SAME_STEP and over.any():
            return self._restarted(observation, feedback, info, over)
        self._over = over if mode != AutoresetMode.SAME_STEP else np.zeros_like(over)
        return observation, feedback.reward, feedback.left, feedback.horizon, info

    def _restarted(
        self, last: Observation, feedback: Feedback, last_info: Info, over: NDArray[np.bool_]
    ) -> tuple[Any, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], Info]:
        """A SAME_STEP step that ended episodes: `over` begin anew, and what they ended with is in `final_...`."""
        engine = self._engine
        observation, begun = self._tick(engine.no_slate, engine.no_rows, over)
        now = feedback._replace(
            events=np.where(over[:, None], begun.events, feedback.events),
            watch=np.where(over[:, None], begun.watch, feedback.watch),
            repeats=np.where(over, begun.repeats, feedback.repeats),
        )
        info = self._infos.batch(now)
        info |= {"final_obs": last, "_final_obs": over.copy()}
        info |= {"final_info": last_info, "_final_info": over.copy()}
        self._over = np.zeros_like(over)
        return observation, feedback.reward, feedback.left, feedback.horizon, info

    def action_masks(self) -> NDArray[np.bool_]:
        """Which items may be shown, for each position in turn, shape (B, K N): all but a friend won already."""
        return self._masks()

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

    def _seed(self, seed: Any, rows: NDArray[np.bool_]) -> None:
        if seed is None:
            if not self._begun:
                self._engine.seed(spread(entropy(), self.num_envs))
            return
        seeds = seeds_of(seed, self.num_envs)
        if isinstance(seeds, int):
            super().reset(seed=seeds)
            self._engine.seed(spread(seeds, self.num_envs), rows)
            return
        named = np.array([value is not None or not self._begun for value in seeds])
        numbers = [entropy() if value is None else value % MODULUS for value in seeds]
        self._engine.seed(np.array(numbers, np.uint64), rows & named)

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """A copy of all that moves, hidden intent included: for checkpoints. An agent that asks, cheats."""
        return {**self._engine.snapshot()._asdict(), "over": self._over.copy()}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from where `snapshot` was asked, of an environment made alike; ValueError where it was not."""
        own = self.snapshot()
        if strange := [name for name in own if name not in state or state[name].shape != own[name].shape]:
            raise ValueError(f"the state is of another environment: {', '.join(strange)} differ")
        if state["over"].dtype != np.bool_:
            raise ValueError(f"the state is damaged: over is of {state['over'].dtype}, not bool")
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
