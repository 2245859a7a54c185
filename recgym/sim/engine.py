"""The batch engine: B sessions over one world, advanced by compiled loops over the scalar functions of `session.py`.

Rows are independent: row b depends only on its key and its slates.

Axes: B sessions, K slate positions, N items, U users, F public user features.
"""

from collections.abc import Collection

import numba
import numpy as np
from numpy.typing import NDArray

from recgym.arrays import Arrays, Bools, Doubles, Floats, Ints
from recgym.jit import MAX_THREADS
from recgym.observation import HISTORY_LENGTH
from recgym.one_thread import start_numba_threads
from recgym.sim import step_kernels
from recgym.sim.friend_items import friend_tables, no_friend_tables
from recgym.sim.friend_requests import CANDIDATE_FEATURES
from recgym.sim.observations import HistoryRows, Public
from recgym.sim.schema import FRIENDS
from recgym.sim.session_arrays import check_sessions, empty_sessions, session_limits
from recgym.sim.state import Feedback, Reward, Sessions, Slates
from recgym.sim.step_kernels import SIMULATION, STEP, Simulation, Step, empty_step
from recgym.sim.struct_memory import StructMemory
from recgym.sim.user_pairs import no_pairs, pairs_of
from recgym.sim.world import World


class Engine:
    """B sessions over one world, whose users are drawn from their posterior (`World.drawn`).

    `sessions` is their whole state; `snapshot` and `restore` copy it.

    Args:
        world: users and items.
        num: B, at least 1.
        slate_size: K, from 1 to the length of the world's `examine`.
        horizon: steps after which an episode is truncated, at least 1.
        reward: weights of the feedback, see `make_reward`.
        threads: threads that share the rows, at least 1. Only with 1 may the process fork later.
        observes: what observations hold beside the columns of the first versions, of `recgym.envs.OBSERVED`;
            `self.observes` has those of them that the world has.

    Raises:
        ValueError: slate_size, horizon or threads is out of range.
    """

    def __init__(
        self,
        world: World,
        num: int,
        *,
        slate_size: int,
        horizon: int,
        reward: Reward,
        threads: int = 1,
        observes: Collection[str] = (),
    ) -> None:
        world = world.drawn()
        longest = min(len(world.arrays.examine), world.num_items)
        if not 1 <= slate_size <= longest:
            raise ValueError(f"slate_size is {slate_size}, world {world.name} allows 1 to {longest}")
        if world.arrays.whole_pages[0] and slate_size != 1:
            raise ValueError(
                f"slate_size is {slate_size}, an item that stands for its page is shown alone: 1"
            )
        if horizon < 1:
            raise ValueError(f"horizon is {horizon}, expected at least 1")
        if isinstance(threads, bool) or not isinstance(threads, int) or not 1 <= threads <= MAX_THREADS:
            raise ValueError(f"threads is {threads!r}, this machine allows 1 to {MAX_THREADS}")
        if threads > 1:
            start_numba_threads()
        self.world, self.reward, self.num = world, reward, num
        self.slate_size, self.horizon, self.threads = slate_size, horizon, threads
        self.sessions = empty_sessions(world, num)
        self.num_pages = int(world.arrays.page.max()) + 1
        self.all_rows, self.no_rows = np.ones(num, np.bool_), np.zeros(num, np.bool_)
        self.no_slate = np.zeros((num, slate_size), np.int64)
        public = int(world.user_features.shape[1])
        self.features_width = (
            public + 3 * len(world.categories) + len(world.events) + 6
        )  # of that observation
        if world.arrays.choice[0] == FRIENDS:
            self.features_width += CANDIDATE_FEATURES * world.num_items
        has_friends = world.has_graph and world.arrays.choice[0] != FRIENDS
        there = {
            "user_features": public > 0,
            "friends": has_friends,
            "candidates": world.arrays.choice[0] == FRIENDS,
        }
        self.observes = frozenset(name for name in observes if there[name])
        if "friends" in self.observes:
            self.features_width += len(world.categories) + 1
        self._no_view = np.empty((num, 0), np.float32)
        self._population = world.arrays.user_cdf
        self._held = StructMemory(self._simulation(), SIMULATION)
        self._step = StructMemory(empty_step(1, slate_size), STEP)
        self._single = StructMemory(empty_step(1, slate_size), STEP)
        self.last_slate, self.last_feedback = self._single.value.slate, self._single.value.f
        self.last_counts = np.zeros(len(world.events) + 1, np.int64)

    def _simulation(self) -> Simulation:
        """The arrays that the compiled functions read and write. The population is a copy, for `draw_from`."""
        world = self.world
        return Simulation(
            world.arrays._replace(user_cdf=world.arrays.user_cdf.copy()),
            self.reward,
            self.sessions,
            Public(
                world.user_features,
                step_kernels.circle(len(world.contexts)),
                np.array([self.horizon, self.num_pages, self.horizon]),
                friend_tables(world) if "friends" in self.observes else no_friend_tables(),
            ),
            pairs_of(world) if world.arrays.choice[0] == FRIENDS else no_pairs(),
        )

    @property
    def simulation(self) -> Simulation:
        """The arrays that a step reads and writes."""
        return self._held.value

    def seed(self, seeds: NDArray[np.uint64], rows: Bools | None = None) -> None:
        """Set the seeds of rows, of all by default; `seeds` has shape (B,). Their next episode is number 0."""
        rows = self.all_rows if rows is None else rows
        self.sessions.seed[rows] = seeds[rows]
        self.sessions.episode[rows] = -1

    def population(self, users: NDArray[np.int64] | None) -> Doubles:
        """Cumulative weights (U,) of the population of these distinct users, each with its weight; None: all users.

        Raises:
            ValueError: a user has weight 0, so that no episode would have this user.
        """
        cdf = self.world.arrays.user_cdf
        if users is None:
            return cdf
        weight = np.zeros(len(cdf))
        weight[users] = np.diff(cdf, prepend=0.0)[users]
        if (never := users[weight[users] <= 0.0]).size:
            raise ValueError(f"user {never[0]} has weight 0 in {self.world.name} and would never be drawn")
        chosen: Doubles = np.cumsum(weight) / weight.sum()
        chosen[users.max() :] = 1.0
        return chosen

    def draw_from(self, user_cdf: Doubles) -> None:
        """Set the population, as from `population`, from which the users of later episodes are drawn."""
        if user_cdf is not self._population:
            self._population = user_cdf
            self._held.value.w.user_cdf[:] = user_cdf

    def set_clock(self, steps: int) -> None:
        """Set the steps at which the clock of observations is 1, at first the horizon."""
        self.simulation.public.settings[0] = steps

    def begin_as(self, users: NDArray[np.int64], rows: Bools) -> None:
        """Begin the current episode of `rows` again with the given users, shape (B,); the other draws are the same."""
        step_kernels.begin_as(self._held.address, users, rows)

    def reset(self, rows: Bools | None = None, features: Floats | None = None) -> None:
        """Begin the next episode of `rows`, of all by default; `features` as in `step`."""
        self.step(self.no_slate, self.no_rows, self.all_rows if rows is None else rows, features)

    def step(
        self,
        slate: Slates,
        steps: Bools | None = None,
        resets: Bools | None = None,
        features: Floats | None = None,
    ) -> Feedback:
        """Show slates to the rows of `steps`, and begin the next episode of the rows of `resets`.

        Args:
            slate: (B, K) int64, items in [0, N); the range is not checked.
            steps: (B,) rows that see their slate, all by default.
            resets: (B,) rows that begin their next episode, none by default; they see no slate.
            features: (B, width) float32; the observation "features" of every row after the step is written to it.

        Returns:
            New arrays; 0 for rows that saw no slate.
        """
        num, slots, new = self.num, self.slate_size, np.empty
        feedback = Feedback(
            new((num, slots), np.int32),
            new((num, slots), np.float32),
            new((num,), np.int32),
            new((num,), np.float64),
            new((num,), np.bool_),
            new((num,), np.bool_),
        )
        taken = Step(
            np.array(slate, np.int64, copy=True if self.world.arrays.whole_pages[0] else None, order="C"),
            np.ascontiguousarray(self.all_rows if steps is None else steps, np.bool_),
            np.ascontiguousarray(self.no_rows if resets is None else resets, np.bool_),
            feedback,
        )
        self._step.set(taken)
        out = self._no_view if features is None else features
        if self.threads == 1:
            step_kernels.step_all(self._held.address, self._step.address, out)
        else:
            numba.set_num_threads(self.threads)
            step_kernels.step_threads(self.threads, self._held.address, self._step.address, out)
        return feedback

    def begin_one(self, features: Floats, user: int = -1) -> None:
        """Begin the next episode of the only session with a user, drawn if negative.

        `features` (1, width) or (1, 0) gets the observation.
        """
        self._step_one(features, begins=True)
        if user >= 0:
            self.begin_as(np.array([user]), self.all_rows)
            self._step_one(features, begins=False)
        self._single.value.steps[0] = True

    def _step_one(self, features: Floats, *, begins: bool) -> None:
        """Begin the next episode, or write the observation alone."""
        step = self._single.value
        step.steps[0], step.resets[0] = False, begins
        step_kernels.step_all(self._held.address, self._single.address, features)
        step.resets[0] = False
        self.last_counts[:] = 0

    def step_one(self, shown: int | Ints, features: Floats) -> tuple[float, bool, bool, float]:
        """Show an item, or a slate (K,), to the only session, without new arrays.

        Args:
            shown: items in [0, N); the range is not checked.
            features: (1, width) or (1, 0) float32; gets the observation.

        Returns:
            Reward, whether the user left, whether the horizon was reached, and minutes watched. The events are in
            `last_slate`, `last_feedback` and `last_counts`, which the next call overwrites.
        """
        if isinstance(shown, int):  # twice as fast as a row of one item
            self.last_slate[0, 0] = shown
        else:
            self.last_slate[0] = shown
        step_kernels.step_all(self._held.address, self._single.address, features)
        result: tuple[float, bool, bool, float] = step_kernels.summary(self._single.address, self.last_counts)
        return result

    def info(self, feedback: Feedback, is_assumed: int) -> tuple[Ints, Doubles]:
        """Users, contexts, `is_assumed`, number of each event and repeats, (E + 4, B); minutes watched (B,)."""
        out, minutes = np.empty((len(self.world.events) + 4, self.num), np.int64), np.empty(self.num)
        step_kernels.fill_info(self._held.address, feedback, is_assumed, out, minutes)
        return out, minutes

    def history(self) -> Arrays:
        """Parts of the observation "history" of every session, in new arrays."""
        num, length, new = self.num, HISTORY_LENGTH, np.empty
        batch: Arrays = {
            "user": new((num,), np.int64),
            "shown": new((num, length), np.int32),
            "events": new((num, length * len(self.world.events)), np.float32),
            "context": new((num, 3), np.float32),
        }
        step_kernels.fill_history(self._held.address, HistoryRows(**batch))
        if "user_features" in self.observes:
            batch["user_features"] = self.world.user_features[self.sessions.user]
        if "friends" in self.observes:
            batch["friends"] = new((num, self.world.num_items), np.float32)
            step_kernels.fill_friends(self._held.address, batch["friends"])
        if "candidates" in self.observes:
            batch["candidates"] = new((num, CANDIDATE_FEATURES * self.world.num_items), np.float32)
            step_kernels.fill_candidates(self._held.address, batch["candidates"])
        return batch

    def tabular(self) -> Ints:
        """States of the observation "tabular" of every session, (B,), in a new array."""
        states = np.empty(self.num, np.int64)
        step_kernels.fill_tabular(self._held.address, states)
        return states

    def expected_reward(self) -> NDArray[np.float64]:
        """Expected reward of each item, shown alone or as its page, shape (B, N); it reads hidden variables."""
        out = np.empty((self.num, self.world.num_items))
        step_kernels.fill_expected(self._held.address, out)
        return out

    def snapshot(self) -> Sessions:
        """A copy of the state."""
        return Sessions(**{name: array.copy() for name, array in self.sessions._asdict().items()})

    def restore(self, state: Sessions) -> None:
        """Set the state to a snapshot; ValueError names the first field of wrong shape, type or range."""
        limits = session_limits(self.world, self.slate_size, self.horizon)
        check_sessions(state, self.sessions, limits)
        for name, array in self.sessions._asdict().items():
            array[...] = getattr(state, name)
