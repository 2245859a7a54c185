"""Time of an agent's decisions: CPU milliseconds of one call of `act`, without exploration."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from recgym.bench.perturbations import perturbed_vector

BATCHES = (1, 256)  # observations of a call
CALLS, ENOUGH_S = 5, 0.3  # the least of so many calls counts; no further call after so much time


def act_times(agent: Any, env_id: str, kwargs: Mapping[str, Any]) -> dict[str, float]:
    """Milliseconds by name, `act_1_ms` and `act_256_ms`; none for an agent that reads the simulator.

    The agent is attached to other environments, of `BATCHES` sessions at their first step.

    Args:
        agent: trained.
        env_id: of its environment.
        kwargs: arguments of it.
    """
    from agents.references.oracle import Privileged

    if isinstance(agent, Privileged):
        return {}
    found = {}
    for num in BATCHES:
        env = perturbed_vector(env_id, num, **kwargs)
        agent.bind(env)
        observation, _ = env.reset(seed=0)
        found[f"act_{num}_ms"] = 1e3 * least_seconds(partial(agent.act, observation, explore=False))
        env.close()
    return found


def least_seconds(call: Callable[[], Any], clock: Callable[[], float] = time.process_time) -> float:
    """The least time of `CALLS` calls after one that does not count, or of fewer calls after `ENOUGH_S`."""
    begun = clock()
    call()
    times: list[float] = []
    while len(times) < CALLS and (not times or clock() - begun < ENOUGH_S):
        started = clock()
        call()
        times.append(clock() - started)
    return min(times)
