"""The step of the batch as a kernel of a CUDA device: the same scalar functions as on the CPU, one session a thread.

It takes the addresses on the device of a `Simulation` and of a `DeviceStep`, see `recgym.sim.struct_memory`. Types of
arrays are those of every world, so that one kernel serves all of them.

Axes: B sessions, K slate positions, N items, E events, H history.
"""

from typing import Any, NamedTuple

import numba.cuda
import numpy as np

from recgym.arrays import Doubles, Floats, Ints
from recgym.jit import njit
from recgym.sim.friend_items import friends_by_item
from recgym.sim.observations import HistoryRows, history, tabular
from recgym.sim.state import Slates
from recgym.sim.step_kernels import SIMULATION, Step, empty_step, info_rows, observe, take_step
from recgym.sim.struct_memory import kind_of, load

cuda: Any = numba.cuda
BLOCK = 128  # threads of a block


class DeviceStep(NamedTuple):
    """Input and results of one step. Arrays that are not wanted have no columns."""

    i: Step
    refused: Ints  # (1,) 1 + number of a row whose slate holds something that is no item; 0: none
    features: Floats  # (B, width)
    history: HistoryRows
    friends: Floats  # (B, N)
    states: Ints  # (B,)
    counts: Ints  # (E + 4, B) as from `fill_info`
    minutes: Doubles  # (B,)


def _example() -> DeviceStep:
    ints, floats, one = np.zeros(1, np.int64), np.zeros((1, 1), np.float32), np.zeros((1, 1), np.int32)
    return DeviceStep(
        empty_step(1, 1),
        ints,
        floats,
        HistoryRows(ints, one, floats, floats),
        floats,
        ints,
        np.zeros((1, 1), np.int64),
        np.zeros(1),
    )


DEVICE_STEP = kind_of(_example())


@njit()
def _is_slate(slate: Slates, b: int, num_items: int) -> bool:
    for k in range(slate.shape[1]):  # noqa: SIM110 - a generator does not compile
        if not 0 <= slate[b, k] < num_items:
            return False
    return True


@njit()
def _take_step(b: int, simulation: int, step: int) -> None:
    d, m = load(DEVICE_STEP, step), load(SIMULATION, simulation)
    if d.i.steps[b] and not d.i.resets[b] and not _is_slate(d.i.slate, b, m.w.category.shape[0]):
        d.refused[0] = b + 1
        d.i.steps[b] = False
    take_step(m, b, d.i)


@njit()
def _observe(b: int, simulation: int, step: int) -> None:
    d, m = load(DEVICE_STEP, step), load(SIMULATION, simulation)
    observe(m, b, d.features[b])
    if d.history.shown.shape[1] > 0:
        history(m.w, m.s, b, b + 1, m.public, d.history)
    if d.friends.shape[1] > 0:
        friends_by_item(m.w, m.s, b, b + 1, d.friends)
    if d.states.shape[0] > 0:
        tabular(m.s, b, b + 1, d.states)


@njit()
def _inform(b: int, simulation: int, step: int, is_assumed: int) -> None:
    d = load(DEVICE_STEP, step)
    info_rows(load(SIMULATION, simulation), b, b + 1, d.i.f, is_assumed, d.counts, d.minutes)


@njit()
def device_row(b: int, simulation: int, step: int, is_assumed: int) -> None:
    """The step of session b, its observations, and what its info holds. A slate that is none is not shown.

    Each part loads the tuples again: addresses of all arrays at once do not fit into the registers of a thread.
    """
    if b < load(DEVICE_STEP, step).i.steps.shape[0]:
        _take_step(b, simulation, step)
        _observe(b, simulation, step)
        _inform(b, simulation, step, is_assumed)


def is_available() -> bool:
    """Whether numba has a CUDA device, its driver, and the compiler for it."""
    return bool(cuda.is_available())


def step_kernel(simulation: int, step: int, is_assumed: int) -> None:
    """The kernel, one session a thread."""
    device_row(cuda.grid(1), simulation, step, is_assumed)


on_device: Any = cuda.jit(step_kernel)
"""Launches the kernel: `on_device[blocks, BLOCK, stream](simulation, step, is_assumed)`."""
