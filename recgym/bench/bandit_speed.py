"""Decisions per second of the bandits: 1,000 arms, 32 features, one thread if OMP_NUM_THREADS=1.

A decision with its update is `act(explore=True)` and `learn`; rewards are drawn before the clock starts. The best of
three windows counts, as in `recgym.bench.speed`.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces

from recgym.bench.speed import best_rate

ARMS, FEATURES, BATCH, HISTORY = 1_000, 32, 256, 20
WARM = 40  # batches learnt from before the clock starts
BANDITS: dict[str, dict[str, Any]] = {
    "linucb": {"mode": "disjoint"},
    "lints": {"mode": "disjoint"},
    "epsilon-greedy": {},
    "ucb1": {},
    "thompson": {},
}


class BanditSpeed(NamedTuple):
    """Decisions a second of one bandit."""

    name: str
    batch: float  # BATCH at a time, without updates
    batch_updates: float  # with updates
    single_updates: float  # one at a time, with updates


def _problem(space: spaces.Space[Any]) -> Any:
    from agents import Problem

    zeros = np.zeros(ARMS)
    indices = zeros.astype(np.int64)
    return Problem(
        env_id="",
        env_kwargs={},
        num_items=ARMS,
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
    """Contexts of FEATURES numbers, the constant among them, or histories, for those that read no context."""
    if name in ("linucb", "lints"):
        space = spaces.Box(-1.0, 1.0, (FEATURES - 1,), np.float32)
        return space, rng.uniform(-1.0, 1.0, (num, FEATURES - 1)).astype(np.float32)
    shown = rng.integers(0, ARMS + 1, (num, HISTORY)).astype(np.int32)
    events = np.zeros((num, HISTORY), np.float32)
    parts: dict[str, Any] = {"shown": shown, "events": events}
    boxes: dict[str, spaces.Space[Any]] = {
        "shown": spaces.Box(0, ARMS, (HISTORY,), np.int32),
        "events": spaces.Box(0.0, 1.0, (HISTORY,), np.float32),
    }
    return spaces.Dict(boxes), parts


def measure_bandits(seconds: float = 0.5) -> Iterator[BanditSpeed]:
    """One row a bandit."""
    from agents import Transition, make_agent

    rng = np.random.default_rng(0)
    chance = rng.uniform(0.05, 0.5, ARMS)
    for name, params in BANDITS.items():
        rates = []
        for num in (BATCH, 1):
            space, observation = _observations(name, num, rng)
            agent = make_agent(name, _problem(space), 0, **params)
            never, luck = np.zeros(num, np.bool_), rng.random((64, num))

            def decide(
                call: int,
                agent: Any = agent,
                observation: Any = observation,
                never: Any = never,
                luck: Any = luck,
            ) -> None:
                action = agent.act(observation, explore=True)
                reward = (luck[call % 64] < chance[action]).astype(np.float64)
                agent.learn(Transition(observation, action, reward, observation, never, never))

            for call in range(WARM):
                decide(call)
            rates.append(best_rate(decide, num, seconds))
            if num == BATCH:

                def only_act(call: int, agent: Any = agent, observation: Any = observation) -> None:
                    agent.act(observation, explore=True)

                rates.insert(0, best_rate(only_act, num, seconds))
        yield BanditSpeed(name, *rates)
