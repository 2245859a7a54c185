"""Steps per second of the environments, beside Gymnasium's CartPole in the same process.

A step shows one slate to one session. Actions are drawn before the clock starts; the best of three windows counts,
because other work of the machine can only slow a window down. On one thread it is CPU time that counts.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import gymnasium
import numpy as np

from recgym.envs import ENVIRONMENTS, EnvRow
from recgym.envs.world_lookup import world_of
from recgym.jit import MAX_THREADS
from recgym.observation import HISTORY_LENGTH
from recgym.rollout.play import make_vector
from recgym.sim.schema import LAYOUT
from recgym.sim.world import World

NUM_ENVS = 1024  # of the vector environment
DEVICE_ENVS = 65_536  # of the vector environment on a GPU
NUM_WINDOWS = 3


class Speed(NamedTuple):
    """Size of an environment, and its steps per second."""

    name: str
    items: int  # N
    factors: int  # d
    categories: int  # C
    history: int  # H
    width: int  # columns of the observation "features"
    slate: int  # K
    single: float  # gym.make, unwrapped, one thread
    vector: float  # native vector of NUM_ENVS sessions, one thread
    threaded: float | None  # the same on all threads; None for CartPole
    on_device: float | None = None  # vector of DEVICE_ENVS sessions on the GPU that was asked for


def best_rate(
    step: Callable[[int], None], per_call: int, seconds: float, clock: Callable[[], float] = time.process_time
) -> float:
    """Steps per second: the best of three windows of `seconds` each, of CPU time unless another clock is given."""
    step(0)
    best = 0.0
    for _ in range(NUM_WINDOWS):
        calls, started = 0, clock()
        while (spent := clock() - started) < seconds:
            step(calls)
            calls += 1
        best = max(best, calls * per_call / spent)
    return best


def _single(env: Any, actions: Any, seconds: float) -> float:
    env.reset(seed=0)

    def step(call: int) -> None:
        for action in actions:
            _, _, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                env.reset()

    return best_rate(step, len(actions), seconds)


def _vector(env: Any, actions: Any, seconds: float, clock: Callable[[], float] = time.process_time) -> float:
    env.reset(seed=0)

    def step(call: int) -> None:
        env.step(actions[call % len(actions)])

    return best_rate(step, env.num_envs, seconds, clock)


def _on_device(row: EnvRow, device: str, seconds: float, **kwargs: Any) -> float:
    import torch

    env = make_vector(row.id, DEVICE_ENVS, device=device, output="torch", **kwargs)
    items = env.unwrapped.privileged().world.num_items
    actions = torch.randint(
        items, (16, *env.action_space.shape), device=device
    )  # a step waits for the one before
    return _vector(env, actions, seconds, time.perf_counter)


def _measure(row: EnvRow, seconds: float, threads: int, device: str, name: str, **changes: Any) -> Speed:
    kwargs = {"world": world_of(row), **changes}
    rng = np.random.default_rng(0)
    env: Any = gymnasium.make(row.id, **kwargs).unwrapped
    engine = env.privileged()
    num, slots = engine.world.num_items, engine.slate_size
    shape: tuple[int, ...] = (256,) if slots == 1 else (256, slots)
    singles = rng.integers(0, num, shape)
    single = _single(env, [int(a) for a in singles] if slots == 1 else list(singles), seconds)
    batches = rng.integers(0, num, (16, NUM_ENVS, *shape[1:]))
    vector = make_vector(row.id, NUM_ENVS, **kwargs)
    rate = _vector(vector, batches, seconds)
    threaded = rate
    if threads > 1:
        shared = make_vector(row.id, NUM_ENVS, threads=threads, **kwargs)
        threaded = _vector(shared, batches, seconds, time.perf_counter)
    world = engine.world
    sizes = (num, world.num_factors, len(world.categories), HISTORY_LENGTH, engine.features_width, slots)
    on_device = None if device == "cpu" else _on_device(row, device, seconds, **kwargs)
    return Speed(name, *sizes, single, rate, threaded, on_device)


def _resized(world: World, num_items: int) -> World:
    """The world with `num_items` items: the first ones, or all of them repeated."""
    index = np.sort(np.arange(num_items) % world.num_items)
    arrays = {n: getattr(world.arrays, n)[index] for n, layout in LAYOUT.items() if layout.axes[0] == "N"}
    arrays["exposure"] = arrays["exposure"] / arrays["exposure"].sum()
    return world.with_arrays(**arrays)


def _cartpole(seconds: float) -> Speed:
    rng = np.random.default_rng(0)
    env: Any = gymnasium.make("CartPole-v1").unwrapped
    single = _single(env, [int(a) for a in rng.integers(0, 2, 256)], seconds)
    vector: Any = gymnasium.make_vec("CartPole-v1", NUM_ENVS, vectorization_mode="vector_entry_point")
    rate = _vector(vector, rng.integers(0, 2, (16, NUM_ENVS)), seconds)
    return Speed("Gymnasium CartPole-v1", 2, 0, 0, 0, 4, 1, single, rate, None)


def measure(seconds: float = 0.5, device: str = "cpu") -> Iterator[Speed]:
    """One row for each environment, for Content with 200 and with 6,000 items, and for CartPole."""
    threads = MAX_THREADS
    for row in ENVIRONMENTS:
        yield _measure(row, seconds, threads, device, row.id)
    content = next(row for row in ENVIRONMENTS if row.id == "recgym/Content-v1")
    for num_items in (200, 6_000):
        world = _resized(world_of(content), num_items)
        yield _measure(
            content, seconds, threads, device, f"{content.id}, {num_items} items", world=world, n_items="all"
        )
    yield _cartpole(seconds)
