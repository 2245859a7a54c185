"""The batch engine: B sessions over one world, advanced by compiled loops over the scalar functions of `session.py`.

Rows are independent: row b depends only on its key and its slates.

Axes: B sessions, K slate positions, N items, U users, F public user features.
"""

from collections.abc import Collection
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from recgym.arrays import Bools, Doubles, Floats
from recgym.jit import MAX_THREADS, njit
from recgym.sim.expectations import expected, page_expectation
from recgym.sim.friend_items import friend_features
from recgym.sim.friend_requests import CANDIDATE_FEATURES, candidate_features
from recgym.sim.observations import features
from recgym.sim.reward_arrays import score
from recgym.sim.schema import FRIENDS, WorldArrays
from recgym.sim.session import advance, affinity
from recgym.sim.session_arrays import check_sessions, empty_sessions, session_limits
from recgym.sim.session_start import begin_session, start_episode
from recgym.sim.state import Feedback, Reward, Sessions, Slates
from recgym.sim.whole_pages import first_on_page, shows_pages
from recgym.sim.world import World


class StepInput(NamedTuple):
    """Input of one step of the batch."""

    slate: Slates  # (B, K)
    steps: Bools  # (B,) rows that see their slate
    resets: Bools  # (B,) rows that begin their next episode instead
    horizon: int  # [steps]


class View(NamedTuple):
    """Destination of the observation "features" after a step; without columns it is not computed."""

    user_features: Floats  # (U, F)
    num_pages: int
    friends: bool  # whether the last columns are those of `friend_features`
    out: Floats  # (B, width)


@njit()
def _step_rows(
    low: int, high: int, w: WorldArrays, r: Reward, s: Sessions, i: StepInput, f: Feedback, view: View
) -> None:
    for b in range(low, high):
        if i.steps[b] and not i.resets[b]:
            advance(w, s, b, i.slate, i.horizon, f)
            f.reward[b] = score(w, r, i.slate, b, f)
        else:
            if i.resets[b]:
                start_episode(w, s, b)
            f.events[b, :] = 0
            f.watch[b, :] = 0.0
            f.repeats[b] = 0
            f.reward[b] = 0.0
            f.left[b] = False
            f.horizon[b] = False
        if view.out.shape[1] > 0:
            features(w, s, b, view.user_features, view.num_pages, i.horizon, view.out)
            if w.choice[0] == FRIENDS:
                candidate_features(w, s, b, view.out)
            if view.friends:
                friend_features(w, s, b, view.out)


@njit()
def _step(w: WorldArrays, r: Reward, s: Sessions, i: StepInput, f: Feedback, view: View) -> None:
    _step_rows(0, i.steps.shape[0], w, r, s, i, f, view)


@njit(parallel=True)
def _step_threads(
    chunks: int, w: WorldArrays, r: Reward, s: Sessions, i: StepInput, f: Feedback, view: View
) -> None:
    size = (i.steps.shape[0] + chunks - 1) // chunks
    for c in numba.prange(chunks):
        high = min((c + 1) * size, i.steps.shape[0])
        _step_rows(c * size, high, w, r, s, i, f, view)


@njit()
def _begin_as(w: WorldArrays, s: Sessions, users: NDArray[np.int64], rows: Bools) -> None:
    for b in range(rows.shape[0]):
        if rows[b]:
            begin_session(w, s, b, users[b], s.context[b])


@njit()
def _expected_all(w: WorldArrays, r: Reward, s: Sessions, out: NDArray[np.float64]) -> None:
    for b in range(out.shape[0]):
        for item in range(out.shape[1]):
            first = first_on_page(w, item) if shows_pages(w) else item
            if first < item:
                out[b, item] = out[b, first]
            elif shows_pages(w):
                out[b, item] = page_expectation(w, r, s, b, item)[0]
            else:
                out[b, item] = expected(w, r, s.user[b], item, affinity(w, s, b, item))


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
        there = {"user_features": public > 0, "friends": has_friends}
        self.observes = frozenset(name for name in observes if there[name])
        if "friends" in self.observes:
            self.features_width += len(world.categories) + 1
        self._no_view = np.empty((num, 0), np.float32)
        self._arrays = world.arrays  # with the population of `draw_from`

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
        self._arrays = self.world.arrays._replace(user_cdf=user_cdf)

    def begin_as(self, users: NDArray[np.int64], rows: Bools) -> None:
        """Begin the current episode of `rows` again with the given users, shape (B,); the other draws are the same."""
        _begin_as(self.world.arrays, self.sessions, users, rows)

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
        num, slots = self.num, self.slate_size
        feedback = Feedback(
            np.empty((num, slots), np.int32),
            np.empty((num, slots), np.float32),
            np.empty(num, np.int32),
            np.empty(num, np.float64),
            np.empty(num, np.bool_),
            np.empty(num, np.bool_),
        )
        step_input = StepInput(
            slate.copy() if self.world.arrays.whole_pages[0] else slate,
            self.all_rows if steps is None else steps,
            self.no_rows if resets is None else resets,
            self.horizon,
        )
        out = self._no_view if features is None else features
        view = View(self.world.user_features, self.num_pages, "friends" in self.observes, out)
        arguments = (self._arrays, self.reward, self.sessions, step_input, feedback, view)
        if self.threads == 1:
            _step(*arguments)
        else:
            numba.set_num_threads(self.threads)
            _step_threads(self.threads, *arguments)
        return feedback

    def expected_reward(self) -> NDArray[np.float64]:
        """Expected reward of each item, shown alone or as its page, shape (B, N); it reads hidden variables."""
        out = np.empty((self.num, self.world.num_items))
        _expected_all(self.world.arrays, self.reward, self.sessions, out)
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
