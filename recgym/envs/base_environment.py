"""Shared part of the single environment and the vector environment. It holds no dynamics.

Axes: B sessions, N items, K slate positions, U users.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from gymnasium.envs.registration import EnvSpec
from numpy.typing import NDArray

from recgym.arrays import Bools, Doubles, Ints
from recgym.envs.arguments import Arguments
from recgym.envs.input_checks import check_user_rows, check_users
from recgym.envs.observation_columns import observation_columns
from recgym.envs.open_items import OpenItems, Rules, parse_arrival
from recgym.envs.other_tasks import on_fitted_numbers
from recgym.envs.rewards import RewardSpec, task_reward
from recgym.envs.session_record import SessionRecord
from recgym.envs.spaces import Observation, observation_of
from recgym.envs.step_info import InfoBuilder
from recgym.envs.task_engine import make_engine, task_world
from recgym.memory import require_memory
from recgym.sim.engine import Engine
from recgym.sim.session_arrays import session_bytes
from recgym.sim.state import Feedback

FRAMES_PER_SECOND = 2  # of videos


class EpisodeUsers(NamedTuple):
    """Users of the episodes that begin."""

    population: Doubles  # (U,) cumulative weights of the users that are drawn from
    user: Ints | None  # (B,) given users; None: drawn


class BaseEnvironment:
    """Shared part of the single environment and the vector: engine, observations, infos, masks, public facts."""

    def __init__(self, num: int, threads: int, arguments: Mapping[str, Any]) -> None:
        parsed = Arguments.parse(arguments)
        world = task_world(parsed)
        self.arguments = replace(parsed, reward=task_reward(parsed, world))
        self._spec: EnvSpec | None = None
        require_memory(num * session_bytes(world, parsed.slate_size), "num_envs", num)
        self._engine, self._reward_spec = make_engine(self.arguments, world, num, threads)
        self._names = [event.name for event in world.events]
        self._open = self.open_items(self._engine)
        self._infos = InfoBuilder(
            self._engine,
            is_assumed=not world.assumed_events.isdisjoint(self._reward_spec.paid),
            masks=self._masks if self.arguments.action_mask or self._open.is_limited else None,
        )
        users = self.arguments.users
        self._population = self._engine.population(
            None if users is None else check_users(users, world.num_users, "users")
        )
        self._engine.draw_from(self._population)
        self._record = None
        if parsed.render_mode is not None:
            self._record = SessionRecord(self._engine, hidden=parsed.render_hidden)

    def _users_of_options(self, options: Mapping[str, Any], rows: Bools) -> EpisodeUsers:
        """Population and users that the options of `reset` name, checked before any state changes."""
        if {"user", "users"} <= options.keys():
            raise ValueError(
                "reset options user and users exclude each other: one user, or a set to draw from"
            )
        population, user = self._population, None
        if "users" in options:
            users = check_users(options["users"], self.num_users, "reset option users")
            population = self._engine.population(users)
        if "user" in options:
            user = check_user_rows(options["user"], self.num_users, rows)
        return EpisodeUsers(population, user)

    def _begin(self, rows: Bools, users: EpisodeUsers) -> tuple[Observation, Feedback]:
        """Begin the next episode of those rows with users drawn from a population, or with given users."""
        engine = self._engine
        engine.draw_from(users.population)
        result = self._engine_step(engine.no_slate, engine.no_rows, rows)
        engine.draw_from(self._population)
        if users.user is None:
            return result
        engine.begin_as(users.user, rows)
        return self._engine_step(engine.no_slate, engine.no_rows, engine.no_rows)

    def _engine_step(
        self, slate: Ints, steps: Bools | None, resets: Bools | None
    ) -> tuple[Observation, Feedback]:
        """One step of the engine and the observation after it, all in new arrays."""
        engine, kind = self._engine, self.arguments.observation
        features = None
        if kind.startswith("features"):
            features = np.empty((engine.num, engine.features_width), np.float32)
        feedback = engine.step(slate, steps, resets, features)
        return observation_of(engine, kind, features), feedback

    def _pictured(self, slate: Ints) -> Ints:
        """The slate (B, K) that pictures show: of a page the clicked item, if any."""
        if not self.arguments.pages:
            return slate
        last = self._engine.sessions.items[:, -1:]
        return np.where(last >= 0, last, slate).astype(np.int64)

    def note_agent(self, name: str) -> None:
        """Name the agent that has chosen the next slates: pictures of that step name it."""
        if self._record:
            self._record.agent = name

    def open_items(self, engine: Engine, *, rules: bool = True) -> OpenItems:
        """What may be shown in the sessions of an engine of the environment's world, with its rules or without them."""
        asked = self.arguments
        return OpenItems(engine, parse_arrival(asked.arrival), Rules.parse(asked.rules if rules else None))

    def _masks(self) -> Bools:
        """Mask of the items allowed at each position, shape (B, K N): see `OpenItems`."""
        return self._open.masks().reshape(self._engine.num, -1)

    @property
    def rules(self) -> Rules:
        """Rules on what is shown."""
        return self._open.rules

    @property
    def arrival(self) -> Ints:
        """(N,) number of the first episode of a row in which each item may be shown; 0: from the start."""
        return self._open.arrival.copy()

    def privileged(self) -> Engine:
        """The simulator with its hidden variables, for oracles and tests only."""
        return self._engine

    @property
    def items(self) -> dict[str, NDArray[Any]]:
        """Public item table, arrays (N,): category, page, price (standardised log), price_ratio, seconds.

        An unknown price counts as the mean (price 0, price_ratio 1), an unknown duration as the median: the card says
        of how many items. In a world with public vectors of items also `vector`, (N, m).
        """
        arrays, vectors = self._engine.world.arrays, self._engine.world.item_vectors
        return {
            "category": arrays.category.copy(),
            "page": arrays.page.copy(),
            "price": arrays.price.copy(),
            "price_ratio": arrays.price_ratio.copy(),
            "seconds": (arrays.duration / 1000.0).astype(np.float32),
            **({} if vectors is None else {"vector": vectors.copy()}),
        }

    @property
    def observation_columns(self) -> tuple[str, ...]:
        """Name of each column of the observation "features", whichever observation this environment has."""
        return observation_columns(self._engine)

    @property
    def user_features(self) -> NDArray[np.float32]:
        """Public features of the users, (U, F) in [-1, 1]."""
        return self._engine.world.user_features.copy()

    @property
    def horizon(self) -> int:
        """Steps after which an episode is truncated, where no TimeLimit wrapper ends it before."""
        return self._engine.horizon

    @property
    def spec(self) -> EnvSpec | None:
        """The spec that Gymnasium made the environment from, with the horizon as `max_episode_steps`.

        The registered spec has None there, because with a number `gymnasium.make` adds a TimeLimit wrapper. An
        environment that is made from this spec has the wrapper, and is truncated at the same step, or at a
        smaller horizon.
        """
        return self._spec

    @spec.setter
    def spec(self, made: EnvSpec | None) -> None:
        self._spec = None if made is None else replace(made, max_episode_steps=self.horizon)

    @property
    def item_ids(self) -> NDArray[np.object_] | None:
        """(N,) ids of the items in the fitted log: action i shows `item_ids[i]`; None if the world has none."""
        ids = self._engine.world.item_ids
        return None if ids is None else np.array(ids, object)

    @property
    def user_ids(self) -> NDArray[np.object_] | None:
        """(U,) ids of the users in the fitted log, indexed as `info["user"]`; None if the world has none."""
        ids = self._engine.world.user_ids
        return None if ids is None else np.array(ids, object)

    @property
    def index_digest(self) -> str:
        """Digest of the meaning of user and item indices (`World.index_digest`); logs on these indices carry it."""
        return self._engine.world.index_digest

    def index_log(self, log: Any) -> Any:
        """The log on the indices of this environment, see `World.index_log`; one of another id of its world, too.

        Raises:
            ValueError: the log is of other items.
        """
        world = self._engine.world
        return world.index_log(on_fitted_numbers(world, self.arguments.domain, log))

    @property
    def world_sha256(self) -> str:
        """Digest of the world, cut to the environment's items; tasks of different worlds differ in it."""
        return self._engine.world.sha256

    @property
    def num_users(self) -> int:
        """Number of users of the world, U."""
        return self._engine.world.num_users

    @property
    def num_contexts(self) -> int:
        """Number of contexts; observations map them to the unit circle."""
        return len(self._engine.world.contexts)

    @property
    def reward_spec(self) -> RewardSpec:
        """The task's reward: weights by event, whether by price, reward per minute watched and its limit."""
        return self._reward_spec._replace(weights=dict(self._reward_spec.weights))

    @property
    def reward_weights(self) -> dict[str, float]:
        """Weight of each event in the reward; "revenue": at the mean price of the world's items. None of watch time."""
        return self.reward_spec.weights

    @property
    def event_names(self) -> tuple[str, ...]:
        """Names of the events, in the order of the observation's columns; the first is the response."""
        return tuple(self._names)
