"""The batch: B sessions over one world, advanced by compiled loops over the scalar functions of `session.py`.

Axes: B sessions, K slate positions, N items, E events. Rows never meet: row b depends on its key and its slates alone.
"""

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from recgym.arrays import Bools, Doubles, Floats
from recgym.jit import MAX_THREADS, njit
from recgym.observation import HISTORY_LENGTH
from recgym.sim.expectations import expected
from recgym.sim.friend_requests import CANDIDATE_FEATURES, candidate_features
from recgym.sim.observations import features
from recgym.sim.schema import FRIENDS, WorldArrays
from recgym.sim.session import advance, affinity, begin, least, start, watch_time
from recgym.sim.state import MEMORY, WATCH_CAP_MINUTES, Feedback, Reward, Sessions, Slates
from recgym.sim.world import World


@njit()
def score(w: WorldArrays, r: Reward, slate: Slates, b: int, f: Feedback) -> float:
    """Reward of one row's feedback."""
    total = 0.0
    for k in range(slate.shape[1]):
        item = slate[b, k]
        for e in range(w.event_bias.shape[0]):
            if (f.events[b, k] >> e) & 1:
                total += r.weight[e] + r.price_weight[e] * w.price_ratio[item]
        if r.watch_weight[0] != 0.0:
            total += r.watch_weight[0] * least(f.watch[b, k] / 60_000.0, WATCH_CAP_MINUTES)
    return total


class View(NamedTuple):
    """Where the observation "features" is written at the end of a tick; no columns: nowhere."""

    user_features: Floats  # (U, F)
    num_pages: int
    out: Floats  # (B, width)


@njit()
def _tick_rows(
    low: int,
    high: int,
    w: WorldArrays,
    r: Reward,
    s: Sessions,
    slate: Slates,
    steps: Bools,
    resets: Bools,
    horizon: int,
    f: Feedback,
    view: View,
) -> None:
    for b in range(low, high):
        if steps[b] and not resets[b]:
            advance(w, s, b, slate, horizon, f)
            f.reward[b] = score(w, r, slate, b, f)
        else:
            if resets[b]:
                start(w, s, b)
            f.events[b, :] = 0
            f.watch[b, :] = 0.0
            f.repeats[b] = 0
            f.reward[b] = 0.0
            f.left[b] = False
            f.horizon[b] = False
        if view.out.shape[1] > 0:
            features(w, s, b, view.user_features, view.num_pages, horizon, view.out)
            if w.choice[0] == FRIENDS:
                candidate_features(w, s, b, view.out)


@njit()
def _tick(
    w: WorldArrays,
    r: Reward,
    s: Sessions,
    slate: Slates,
    steps: Bools,
    resets: Bools,
    horizon: int,
    f: Feedback,
    view: View,
) -> None:
    _tick_rows(0, steps.shape[0], w, r, s, slate, steps, resets, horizon, f, view)


@njit(parallel=True)
def _tick_threads(
    chunks: int,
    w: WorldArrays,
    r: Reward,
    s: Sessions,
    slate: Slates,
    steps: Bools,
    resets: Bools,
    horizon: int,
    f: Feedback,
    view: View,
) -> None:
    size = (steps.shape[0] + chunks - 1) // chunks
    for c in numba.prange(chunks):
        high = min((c + 1) * size, steps.shape[0])
        _tick_rows(c * size, high, w, r, s, slate, steps, resets, horizon, f, view)


@njit()
def _begin_as(w: WorldArrays, s: Sessions, users: NDArray[np.int64], rows: Bools) -> None:
    for b in range(rows.shape[0]):
        if rows[b]:
            begin(w, s, b, users[b], s.context[b])


@njit()
def _expected_all(w: WorldArrays, r: Reward, s: Sessions, out: NDArray[np.float64]) -> None:
    for b in range(out.shape[0]):
        for item in range(out.shape[1]):
            out[b, item] = expected(w, r, s.user[b], item, affinity(w, s, b, item))


def make_reward(
    world: World, weights: dict[str, float], *, price: bool = False, watch: float = 0.0
) -> Reward:
    """Reward as arrays: event weights by name, `price` times the price ratio, `watch` a minute watched."""
    vector = np.array([float(weights.get(event.name, 0.0)) for event in world.events])
    mean = np.zeros((world.num_items, 3))
    if world.arrays.watch[0] and watch:
        grid = (np.arange(64) + 0.5) / 64
        for item in range(world.num_items):
            for piece in range(3):
                minutes = [watch_time(world.arrays, item, piece, u) / 60_000.0 for u in grid]
                mean[item, piece] = np.minimum(minutes, WATCH_CAP_MINUTES).mean()
    zero = np.zeros_like(vector)
    return Reward(zero if price else vector, vector if price else zero, np.array([float(watch)]), mean)


def empty_sessions(world: World, num: int) -> Sessions:
    """B sessions that have not begun."""
    factors, categories = world.num_factors, len(world.categories)
    candidates = world.num_items if world.arrays.choice[0] == FRIENDS else 1

    def ints(*shape: int) -> NDArray[np.int32]:
        return np.zeros((num, *shape), np.int32)

    def floats(*shape: int) -> NDArray[np.float32]:
        return np.zeros((num, *shape), np.float32)

    return Sessions(
        seed=np.zeros(num, np.uint64),
        episode=np.full(num, -1, np.int64),
        key=np.zeros(num, np.uint64),
        user=ints(),
        context=ints(),
        step=ints(),
        intent=floats(factors),
        patience=floats(),
        mood=floats(),
        satiation=floats(categories),
        memory=ints(MEMORY),
        engaged=ints(),
        items=ints(HISTORY_LENGTH),
        events=ints(HISTORY_LENGTH),
        shown=floats(categories),
        liked=floats(categories),
        liked_category=ints(),
        lead=ints(),
        lead_events=ints(),
        run=ints(),
        candidate=ints(candidates),
        shared=ints(candidates),
        tie=ints(candidates),
        refused=ints(candidates),
    )


class Engine:
    """B sessions over one world. `sessions` is their whole state; `snapshot` and `restore` copy it.

    Args:
        world: the users and items.
        num: B, at least 1.
        slate_size: K, at least 1 and at most the world's length of `examine`.
        horizon: slates after which an episode is cut, at least 1.
        reward: weights of feedback, see `make_reward`.
        threads: 1 runs the serial kernel, which alone leaves a process free to fork; more share the rows.
    """

    def __init__(
        self, world: World, num: int, *, slate_size: int, horizon: int, reward: Reward, threads: int = 1
    ) -> None:
        longest = min(len(world.arrays.examine), world.num_items)
        if not 1 <= slate_size <= longest:
            raise ValueError(f"slate_size is {slate_size}, world {world.name} allows 1 to {longest}")
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
        self._no_view = np.empty((num, 0), np.float32)
        self._arrays = world.arrays  # with the population that `draw_from` chose

    def seed(self, seeds: NDArray[np.uint64], rows: Bools | None = None) -> None:
        """Give rows new seeds; their next episode is number 0."""
        rows = self.all_rows if rows is None else rows
        self.sessions.seed[rows] = seeds[rows]
        self.sessions.episode[rows] = -1

    def population(self, users: NDArray[np.int64] | None) -> Doubles:
        """Cumulative weights (U,) of a population of these users alone, distinct, each with its weight; None: of all.

        ValueError for a user of weight zero, whom no episode would have.
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
        """Draw the users of the episodes to come from such a population."""
        self._arrays = self.world.arrays._replace(user_cdf=user_cdf)

    def begin_as(self, users: NDArray[np.int64], rows: Bools) -> None:
        """Begin the current episode of those rows again with the users named, shape (B,); all other draws stay."""
        _begin_as(self.world.arrays, self.sessions, users, rows)

    def reset(self, rows: Bools | None = None, features: Floats | None = None) -> None:
        """Begin the next episode of the rows named, of all by default; `features` as in `step`."""
        self.step(self.no_slate, self.no_rows, self.all_rows if rows is None else rows, features)

    def step(
        self,
        slate: Slates,
        steps: Bools | None = None,
        resets: Bools | None = None,
        features: Floats | None = None,
    ) -> Feedback:
        """Show slates to the rows in `steps` (all by default) and begin anew those in `resets` (none by default).

        Args:
            slate: (B, K) int64, items in [0, N): unchecked, the kernel reads whatever lies there.
            steps: (B,) rows that see their slate.
            resets: (B,) rows that begin their next episode instead; it wins over `steps`.
            features: (B, width) float32, filled with the observation "features" of every row after the tick.

        Returns:
            Fresh arrays; zeros for rows that saw no slate.
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
        arguments = (
            self._arrays,
            self.reward,
            self.sessions,
            slate,
            self.all_rows if steps is None else steps,
            self.no_rows if resets is None else resets,
            self.horizon,
            feedback,
            View(self.world.user_features, self.num_pages, self._no_view if features is None else features),
        )
        if self.threads == 1:
            _tick(*arguments)
        else:
            numba.set_num_threads(self.threads)
            _tick_threads(self.threads, *arguments)
        return feedback

    def expected_reward(self) -> NDArray[np.float64]:
        """Expected reward of each item shown alone to each session now, shape (B, N): reads the hidden intent."""
        out = np.empty((self.num, self.world.num_items))
        _expected_all(self.world.arrays, self.reward, self.sessions, out)
        return out

    def snapshot(self) -> Sessions:
        """A copy of everything that moves."""
        return Sessions(**{name: array.copy() for name, array in self.sessions._asdict().items()})

    def restore(self, state: Sessions) -> None:
        """Put a snapshot of the same shape back; ValueError names what a kernel could not work with."""
        check_sessions(state, self.sessions, self._limits())
        for name, array in self.sessions._asdict().items():
            array[...] = getattr(state, name)

    def _limits(self) -> dict[str, tuple[float, float]]:
        """Least and largest number of every integer of a session, and of what is a share."""
        world, num = self.world, self.world.num_items
        bits, longest = (1 << len(world.events)) - 1, np.iinfo(np.int32).max
        is_friends = world.arrays.choice[0] == FRIENDS
        return {
            "episode": (-1, np.iinfo(np.int64).max),
            "user": (0, world.num_users - 1),
            "context": (0, len(world.contexts) - 1),
            "step": (0, self.horizon),
            "memory": (-1, num - 1),
            "engaged": (0, self.horizon * self.slate_size),
            "items": (-1, num - 1),
            "events": (0, bits),
            "shown": (0, 1),
            "liked": (0, 1),
            "liked_category": (-1, len(world.categories) - 1),
            "lead": (-1, num - 1),
            "lead_events": (0, bits),
            "run": (0, self.horizon),
            "candidate": (0, world.num_users - 1),
            "shared": (0, longest),
            "tie": (-1 if is_friends else 0, longest),
            "refused": (0, longest),
        }


def check_sessions(state: Sessions, own: Sessions, limits: dict[str, tuple[float, float]]) -> None:
    """ValueError that names the first field of another shape or type, out of its limits, or not finite."""
    for name, array in own._asdict().items():
        value = getattr(state, name)
        if value.shape != array.shape or value.dtype != array.dtype:
            raise ValueError(
                f"sessions: {name} is {value.dtype} {value.shape}, not {array.dtype} {array.shape}"
            )
        if array.dtype.kind == "f" and not np.isfinite(value).all():
            raise ValueError(f"sessions: {name} holds a number that is not finite")
        low, high = limits.get(name, (-np.inf, np.inf))
        if value.size and (value.min() < low or value.max() > high):
            odd = value[(value < low) | (value > high)].flat[0]
            raise ValueError(f"sessions: {name} holds {odd}, expected {low} to {high}")
