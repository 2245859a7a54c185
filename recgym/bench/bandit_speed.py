"""Decisions per second of the bandits, with 1,000 arms and 32 features; one thread if OMP_NUM_THREADS=1.

A decision with an update is `act(explore=True)` and `learn`. Rewards are drawn before the clock starts. The best of
three windows counts, as in `recgym.bench.speed`.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces

from recgym.bench.speed import best_rate

NUM_ARMS, NUM_FEATURES, HISTORY_LENGTH = 1_000, 32, 20
BATCH_SIZE = 256  # decisions
WARMUP_BATCHES = 40  # learned from before the clock starts
BANDITS: dict[str, dict[str, Any]] = {
    "linucb": {"mode": "disjoint"},
    "lints": {"mode": "disjoint"},
    "epsilon-greedy": {},
    "ucb1": {},
    "thompson": {},
}


class BanditSpeed(NamedTuple):
    """Decisions per second of a bandit."""

    name: str
    batch: float  # BATCH_SIZE at a time, without updates
    batch_updates: float  # BATCH_SIZE at a time, with updates
    single_updates: float  # one at a time, with updates


def _problem(space: spaces.Space[Any]) -> Any:
    from agents import Problem

    zeros = np.zeros(NUM_ARMS)
    indices = zeros.astype(np.int64)
    return Problem(
        env_id="",
        num_items=NUM_ARMS,
        num_users=1,
        slate_size=1,
        horizon=50,
        event_names=("click",),
        items={"category": indices, "page": indices, "price": zeros, "price_ratio": zeros, "seconds": zeros},
        observation_space=space,
        reward_range=(0.0, 1.0),
        reward_weights={"click": 1.0},
    )


def _observations(name: str, num: int, rng: np.random.Generator) -> tuple[spaces.Space[Any], Any]:
    """Contexts of NUM_FEATURES numbers, a constant included; histories for bandits without contexts."""
    if name in ("linucb", "lints"):
        space = spaces.Box(-1.0, 1.0, (NUM_FEATURES - 1,), np.float32)
        return space, rng.uniform(-1.0, 1.0, (num, NUM_FEATURES - 1)).astype(np.float32)
    shown = rng.integers(0, NUM_ARMS + 1, (num, HISTORY_LENGTH)).astype(np.int32)
    events = np.zeros((num, HISTORY_LENGTH), np.float32)
    parts: dict[str, Any] = {"shown": shown, "events": events}
    boxes: dict[str, spaces.Space[Any]] = {
        "shown": spaces.Box(0, NUM_ARMS, (HISTORY_LENGTH,), np.int32),
        "events": spaces.Box(0.0, 1.0, (HISTORY_LENGTH,), np.float32),
    }
    return spaces.Dict(boxes), parts


def measure_bandits(seconds: float = 0.5) -> Iterator[BanditSpeed]:
    """One row for each bandit."""
    from agents import Transition, make_agent

    rng = np.random.default_rng(0)
    probability = rng.uniform(0.05, 0.5, NUM_ARMS)
    for name, params in BANDITS.items():
        rates = []
        for num in (BATCH_SIZE, 1):
            space, observation = _observations(name, num, rng)
            agent = make_agent(name, _problem(space), 0, **params)
            not_ended, uniforms = np.zeros(num, np.bool_), rng.random((64, num))

            def decide(
                call: int,
                agent: Any = agent,
                observation: Any = observation,
                not_ended: Any = not_ended,
                uniforms: Any = uniforms,
            ) -> None:
                action = agent.act(observation, explore=True)
                reward = (uniforms[call % 64] < probability[action]).astype(np.float64)
                agent.learn(Transition(observation, action, reward, observation, not_ended, not_ended))

            for call in range(WARMUP_BATCHES):
                decide(call)
            rates.append(best_rate(decide, num, seconds))
            if num == BATCH_SIZE:

                def only_act(call: int, agent: Any = agent, observation: Any = observation) -> None:
                    agent.act(observation, explore=True)

                rates.insert(0, best_rate(only_act, num, seconds))
        yield BanditSpeed(name, *rates)
