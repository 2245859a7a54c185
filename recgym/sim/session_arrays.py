"""Arrays of sessions and feedback: allocation, copies and decay of a row, and checks of a restored state.

Axes: B sessions, K slate positions.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recgym.jit import njit
from recgym.observation import HISTOGRAM_DECAY, HISTORY_LENGTH
from recgym.sim.schema import FRIENDS
from recgym.sim.state import MEMORY, Feedback, Sessions
from recgym.sim.world import World


def empty_sessions(world: World, num: int) -> Sessions:
    """Arrays for `num` sessions; none of them has begun."""
    candidates = world.num_items if world.arrays.choice[0] == FRIENDS else 1
    return session_arrays(num, world.num_factors, len(world.categories), candidates)


def session_arrays(num: int, factors: int, categories: int, candidates: int) -> Sessions:
    """The same by sizes: d, C, and the number of candidates for friend requests."""

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
        memory=ints(MEMORY) - 1,
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


def session_bytes(world: World, slots: int) -> int:
    """Bytes of the arrays of one session: its state, a slate of `slots` items and the feedback to it."""
    arrays = (*empty_sessions(world, 1), *empty_feedback(1, 1), np.empty(1, np.int64))
    return sum(array.nbytes for array in arrays) + 16 * min(slots, world.num_items)


def empty_feedback(num: int, slots: int) -> Feedback:
    """Arrays for the feedback to `num` slates of `slots` items, all zero."""
    return Feedback(
        events=np.zeros((num, slots), np.int32),
        watch=np.zeros((num, slots), np.float32),
        repeats=np.zeros(num, np.int32),
        reward=np.zeros(num),
        left=np.zeros(num, np.bool_),
        horizon=np.zeros(num, np.bool_),
    )


@njit()
def _copy(source: NDArray[Any], b: int, target: NDArray[Any]) -> None:
    for j in range(target.shape[1]):  # a slice allocates
        target[0, j] = source[b, j]


@njit()
def copy_row(source: Sessions, b: int, target: Sessions) -> None:
    """Copy row b of one batch to row 0 of another."""
    target.seed[0], target.episode[0], target.key[0] = source.seed[b], source.episode[b], source.key[b]
    target.user[0], target.context[0], target.step[0] = source.user[b], source.context[b], source.step[b]
    target.patience[0], target.mood[0] = source.patience[b], source.mood[b]
    target.engaged[0] = source.engaged[b]
    target.liked_category[0], target.lead[0] = source.liked_category[b], source.lead[b]
    target.lead_events[0], target.run[0] = source.lead_events[b], source.run[b]
    _copy(source.intent, b, target.intent)
    _copy(source.satiation, b, target.satiation)
    _copy(source.memory, b, target.memory)
    _copy(source.items, b, target.items)
    _copy(source.events, b, target.events)
    _copy(source.shown, b, target.shown)
    _copy(source.liked, b, target.liked)
    _copy(source.candidate, b, target.candidate)
    _copy(source.shared, b, target.shared)
    _copy(source.tie, b, target.tie)
    _copy(source.refused, b, target.refused)


@njit()
def decay_record(s: Sessions, b: int, kept: float) -> None:
    """Decay satiation, of which the share `kept` stays, and the histograms. Each loop becomes vector instructions."""
    num_categories = s.shown.shape[1]
    for c in range(num_categories):
        s.satiation[b, c] *= kept
    for c in range(num_categories):
        s.shown[b, c] *= HISTOGRAM_DECAY
    for c in range(num_categories):
        s.liked[b, c] *= HISTOGRAM_DECAY


@njit()
def make_room(s: Sessions, b: int, count: int) -> int:
    """Move the history of session b to make room for `count` items; the place of the first."""
    first, items, events = HISTORY_LENGTH - count, s.items[b], s.events[b]
    if count == 1:  # a constant distance becomes vector instructions
        for j in range(HISTORY_LENGTH - 1):
            items[j] = items[j + 1]
        for j in range(HISTORY_LENGTH - 1):
            events[j] = events[j + 1]
        return first
    for j in range(first):
        items[j] = items[j + count]
    for j in range(first):
        events[j] = events[j + count]
    return first


def session_limits(world: World, slate_size: int, horizon: int) -> dict[str, tuple[float, float]]:
    """Smallest and largest valid value of each integer field of `Sessions`, and of those that are shares."""
    num = world.num_items
    bits, longest = (1 << len(world.events)) - 1, np.iinfo(np.int32).max
    is_friends = world.arrays.choice[0] == FRIENDS
    return {
        "episode": (-1, np.iinfo(np.int64).max),
        "user": (0, world.num_users - 1),
        "context": (0, len(world.contexts) - 1),
        "step": (0, horizon),
        "memory": (-1, num - 1),
        "engaged": (0, horizon * slate_size),
        "items": (-1, num - 1),
        "events": (0, bits),
        "shown": (0, 1),
        "liked": (0, 1),
        "liked_category": (-1, len(world.categories) - 1),
        "lead": (-1, num - 1),
        "lead_events": (0, bits),
        "run": (0, horizon),
        "candidate": (0, world.num_users - 1),
        "shared": (0, longest),
        "tie": (-1 if is_friends else 0, longest),
        "refused": (0, longest),
    }


def check_sessions(state: Sessions, template: Sessions, limits: dict[str, tuple[float, float]]) -> None:
    """ValueError names the first field of wrong shape or type, outside its limits, or not finite."""
    for name, array in template._asdict().items():
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
