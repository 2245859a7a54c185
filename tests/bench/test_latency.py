"""Times of decisions."""

import numpy as np

from recgym.bench.latency import CALLS, act_times, least_seconds


def ticking(times):
    """A call that takes the given times in turn, its clock, and the list of calls."""
    now, calls = [0.0], []

    def call():
        now[0] += times[len(calls)]
        calls.append(now[0])

    return call, lambda: now[0], calls


def test_the_least_time_counts_and_slow_calls_are_few():
    call, clock, calls = ticking([9e-3, 3e-3, 2e-3, 4e-3, 5e-3, 6e-3])
    assert abs(least_seconds(call, clock) - 2e-3) < 1e-12
    assert len(calls) == 1 + CALLS
    call, clock, calls = ticking([1.0, 0.7])
    assert abs(least_seconds(call, clock) - 0.7) < 1e-12
    assert len(calls) == 2


def test_an_agent_decides_for_batches_of_1_and_256(worlds):
    from agents.references.oracle import Oracle

    class Rows:
        def __init__(self):
            self.seen = set()

        def bind(self, env):
            assert env.num_envs in (1, 256)

        def act(self, observation, explore):
            self.seen.add((len(observation), explore))
            return np.zeros(len(observation), np.int64)

    agent, kwargs = Rows(), {"world": str(worlds["content"]), "observation": "tabular"}
    found = act_times(agent, "recgym/Content-v1", kwargs)
    assert list(found) == ["act_1_ms", "act_256_ms"]
    assert agent.seen == {(1, False), (256, False)}
    assert act_times(Oracle.__new__(Oracle), "recgym/Content-v1", kwargs) == {}
