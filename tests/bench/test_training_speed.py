"""The time of trainings."""

import gymnasium as gym
import numpy as np
import pytest

from recgym.bench import training_speed
from recgym.logs import sample_log


def test_evaluation_stops_the_clock_of_a_training(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(training_speed.time, "perf_counter", lambda: now[0])

    def judge():
        now[0] += 100.0
        return 0.1 if now[0] < 250.0 else 0.6

    clock = training_speed._StopAtScore(judge, target=0.5)
    for steps in range(0, 10_000, 128):
        now[0] += 1.0
        try:
            clock.keep(steps, None)
        except training_speed._TargetReached:
            break
    assert (clock.steps, clock.score) == (512, 0.6)
    assert clock.seconds == 5.0


@pytest.mark.slow
def test_training_is_timed_on_a_misleading_and_on_a_fitted_log():
    misled, shop = training_speed.tasks()
    kwargs = {**shop.kwargs, "horizon": 10}
    log = sample_log(gym.make(shop.env_id, **kwargs), sessions=500, seed=1)
    shop = shop._replace(kwargs=kwargs, log=lambda: log)
    rows = list(training_speed.measure_training(shop, steps=512, sessions=40))
    assert [(row.agent, row.steps) for row in rows[:2]] == [("sb3-dqn", 512)] * 2
    assert rows[2].score >= rows[0].score
    assert rows[2].steps == 0  # what its log taught is enough
    log = misled.log()
    assert np.bincount(log.column("item")[log.column("listen") > 0]).argmax() == 3
