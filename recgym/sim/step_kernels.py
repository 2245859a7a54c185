"""The compiled loops of the batch engine: one step of each session, its observation, and what infos hold.

They take the address of a `Simulation`, see `recgym.sim.struct_memory`.

Axes: B sessions, K slate positions, U users, N items, E events, X contexts, F public user features.
"""

import math
from typing import NamedTuple

import numba
import numpy as np

from recgym.arrays import Bools, Doubles, Floats, Ints
from recgym.jit import njit
from recgym.sim.expectations import expected, page_expectation
from recgym.sim.friend_items import FriendTables, friend_features, friends_by_item
from recgym.sim.friend_requests import candidate_features, draw_candidates
from recgym.sim.observations import HistoryRows, Public, features, history, tabular
from recgym.sim.prefetch import prefetch
from recgym.sim.reward_arrays import score
from recgym.sim.schema import FRIENDS, LAYOUT, WorldArrays
from recgym.sim.session import advance, affinity
from recgym.sim.session_arrays import empty_feedback, session_arrays
from recgym.sim.session_start import begin_session, next_user, start_episode
from recgym.sim.state import Feedback, Reward, Sessions, Slates
from recgym.sim.struct_memory import kind_of, load
from recgym.sim.user_pairs import UserPairs
from recgym.sim.whole_pages import first_on_page, shows_pages

MS_PER_MINUTE = 60_000.0
AHEAD = 4  # sessions between the one that takes its step and the one whose rows are prefetched


class Simulation(NamedTuple):
    """All that a step reads and writes, except its input and its results."""

    w: WorldArrays
    r: Reward
    s: Sessions
    public: Public
    pairs: UserPairs


class Step(NamedTuple):
    """Input and result of one step of the batch."""

    slate: Slates  # (B, K)
    steps: Bools  # (B,) rows that see their slate
    resets: Bools  # (B,) rows that begin their next episode instead
    f: Feedback


def _example() -> Simulation:
    """Arrays of the types of every simulation."""
    world = WorldArrays(**{n: np.zeros((1,) * len(row.axes), row.dtype) for n, row in LAYOUT.items()})
    numbers, one = np.zeros(1), np.zeros((1, 1), np.float32)
    reward = Reward(numbers, numbers, numbers, np.zeros((1, 3)))
    public = Public(one, one, np.zeros(3, np.int64), FriendTables(one, np.zeros((1, 1), np.uint8)))
    pairs = UserPairs(*(np.zeros((1, 1), np.uint16) for _ in UserPairs._fields))
    return Simulation(world, reward, session_arrays(1, 1, 1, 1), public, pairs)


def empty_step(num: int, slots: int) -> Step:
    """A step of no row."""
    slate, rows = np.zeros((num, slots), np.int64), np.zeros(num, np.bool_)
    return Step(slate, rows, rows.copy(), empty_feedback(num, slots))


SIMULATION, STEP = kind_of(_example()), kind_of(empty_step(1, 1))


@njit()
def _clear(f: Feedback, b: int) -> None:
    for k in range(f.events.shape[1]):
        f.events[b, k] = 0
        f.watch[b, k] = 0.0
    f.repeats[b] = 0
    f.reward[b] = 0.0
    f.left[b] = False
    f.horizon[b] = False


@njit()
def observe(m: Simulation, b: int, row: Floats) -> None:
    """Fill the observation "features" of session b; without columns it is not computed."""
    if row.shape[0] == 0:
        return
    features(m.w, m.s, b, m.public, row)
    if m.w.choice[0] == FRIENDS:
        candidate_features(m.w, m.s, b, row)
    if m.public.friends.shares.shape[1] > 0:
        friend_features(m.w, m.s, b, m.public.friends, row)


@njit()
def take_step(m: Simulation, b: int, i: Step) -> None:
    """The step of session b, or the beginning of its next episode."""
    if i.steps[b] and not i.resets[b]:
        advance(m.w, m.s, b, i.slate, m.public.settings[2], i.f)
        i.f.reward[b] = score(m.w, m.r, i.slate, b, i.f)
    else:
        if i.resets[b]:
            start_episode(m.w, m.s, b)
            draw_candidates(m.w, m.pairs, m.s, b)
        _clear(i.f, b)


@njit()
def _prefetch(m: Simulation, b: int, i: Step) -> None:
    """Load the rows of the tables of pairs that the next episode of session b reads, if it begins in this step."""
    if i.resets[b] and m.pairs.friends.shape[0] > 0:
        user = next_user(m.w, m.s, b)
        prefetch(m.pairs.friends[user])
        prefetch(m.pairs.items[user])


@njit()
def step_all(simulation: int, step: int, out: Floats) -> None:
    """One step of every session, given addresses; `out` (B, width) or (B, 0) gets the observations."""
    m, i = load(SIMULATION, simulation), load(STEP, step)
    num = i.steps.shape[0]
    for b in range(num):
        if b + AHEAD < num:
            _prefetch(m, b + AHEAD, i)
        take_step(m, b, i)
        observe(m, b, out[b])


@njit(parallel=True)
def step_threads(chunks: int, simulation: int, step: int, out: Floats) -> None:
    """The same on several threads."""
    size = (out.shape[0] + chunks - 1) // chunks
    for c in numba.prange(chunks):
        m, i, high = load(SIMULATION, simulation), load(STEP, step), min((c + 1) * size, out.shape[0])
        for b in range(c * size, high):
            if b + AHEAD < high:
                _prefetch(m, b + AHEAD, i)
            take_step(m, b, i)
            observe(m, b, out[b])


@njit()
def _minutes(f: Feedback, b: int) -> float:
    """Minutes watched of row b. The sum is in float64, so that it does not depend on the batch."""
    total = 0.0
    for k in range(f.watch.shape[1]):
        total += f.watch[b, k]
    return total / MS_PER_MINUTE


@njit()
def summary(step: int, counts: Ints) -> tuple[float, bool, bool, float]:
    """Reward of the only session, whether the user left, the horizon, minutes; `counts` gets its events and repeats."""
    f = load(STEP, step).f
    num_events = counts.shape[0] - 1
    for e in range(num_events):
        counts[e] = 0
        for k in range(f.events.shape[1]):
            counts[e] += (f.events[0, k] >> e) & 1
    counts[num_events] = f.repeats[0]
    return f.reward[0], f.left[0], f.horizon[0], _minutes(f, 0)


@njit()
def begin_as(address: int, users: Ints, rows: Bools) -> None:
    """Begin the current episode of `rows` again with given users."""
    m = load(SIMULATION, address)
    for b in range(rows.shape[0]):
        if rows[b]:
            begin_session(m.w, m.s, b, users[b], m.s.context[b])
            draw_candidates(m.w, m.pairs, m.s, b)


@njit()
def info_rows(
    m: Simulation, low: int, high: int, f: Feedback, is_assumed: int, out: Ints, minutes: Doubles
) -> None:
    """Fill rows [low, high) of `out` (E + 4, B) and `minutes` (B,), see `fill_info`."""
    num_events = m.w.event_bias.shape[0]
    for b in range(low, high):
        out[0, b] = m.s.user[b]
        out[1, b] = m.s.context[b]
        out[2, b] = is_assumed
        out[3 + num_events, b] = f.repeats[b]
        minutes[b] = _minutes(f, b)
    for e in range(num_events):
        for b in range(low, high):
            out[3 + e, b] = 0
        for k in range(f.events.shape[1]):
            for b in range(low, high):
                out[3 + e, b] += (f.events[b, k] >> e) & 1


@njit()
def fill_info(address: int, f: Feedback, is_assumed: int, out: Ints, minutes: Doubles) -> None:
    """Fill `out` (E + 4, B): users, contexts, is_assumed, number of each event, repeats; and the minutes (B,)."""
    info_rows(load(SIMULATION, address), 0, out.shape[1], f, is_assumed, out, minutes)


@njit()
def fill_history(address: int, out: HistoryRows) -> None:
    """Fill the parts of the observation "history", see `recgym.sim.observations.history`."""
    m = load(SIMULATION, address)
    history(m.w, m.s, 0, out.user.shape[0], m.public, out)


@njit()
def fill_tabular(address: int, out: Ints) -> None:
    """Fill `out` (B,) with the states of the observation "tabular"."""
    m = load(SIMULATION, address)
    tabular(m.s, 0, out.shape[0], out)


@njit()
def fill_friends(address: int, out: Floats) -> None:
    """Fill `out` (B, N), see `recgym.sim.friend_items.friends_by_item`."""
    m = load(SIMULATION, address)
    friends_by_item(m.w, m.s, 0, out.shape[0], out)


@njit()
def fill_candidates(address: int, out: Floats) -> None:
    """Fill `out` (B, 5 M), see `recgym.sim.friend_requests.candidate_features`."""
    m = load(SIMULATION, address)
    for b in range(out.shape[0]):
        candidate_features(m.w, m.s, b, out[b])


@njit()
def fill_expected(address: int, out: Doubles) -> None:
    """Fill `out` (B, N) with the expected reward of each item, shown alone or as its page, to each session."""
    m = load(SIMULATION, address)
    for b in range(out.shape[0]):
        for item in range(out.shape[1]):
            first = first_on_page(m.w, item) if shows_pages(m.w) else item
            if first < item:
                out[b, item] = out[b, first]
            elif shows_pages(m.w):
                out[b, item] = page_expectation(m.w, m.r, m.s, b, item)[0]
            else:
                out[b, item] = expected(m.w, m.r, m.s.user[b], item, affinity(m.w, m.s, b, item))


@njit()
def are_items(slates: Slates, num_items: int) -> bool:
    """Whether all of the slates are items in [0, N)."""
    for b in range(slates.shape[0]):
        for k in range(slates.shape[1]):
            if not 0 <= slates[b, k] < num_items:
                return False
    return True


def circle(num_contexts: int) -> Floats:
    """Sine and cosine of each context, (X, 2); 0 where there is one context."""
    angles = [2.0 * math.pi * context / num_contexts for context in range(num_contexts)]
    points = [(math.sin(a), math.cos(a)) if num_contexts > 1 else (0.0, 0.0) for a in angles]
    return np.array(points, np.float32)
