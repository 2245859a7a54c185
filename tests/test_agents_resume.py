"""Killed and resumed, a run equals the one that nobody disturbed: the environment's state, and every learner's."""

import gymnasium
import numpy as np
import pytest

from recgym.envs import ENVIRONMENTS, row_of
from recgym.sim.synthetic import synthetic


@pytest.mark.parametrize("row", ENVIRONMENTS, ids=lambda row: row.id)
def test_an_environment_goes_on_from_a_copy_of_its_state(row):
    def make(num_envs=5):
        world = synthetic(5, domain=row_of(row.id).domain)
        return gymnasium.make_vec(row.id, num_envs=num_envs, world=world, horizon=4)

    def steps(env, seed):
        rng = np.random.default_rng(seed)
        many = [env.step(rng.integers(30, size=env.action_space.shape))[:4] for _ in range(6)]
        return [np.concatenate([array.ravel() for array in step]) for step in many]

    first = make()
    first.reset(seed=3)
    while not (state := first.unwrapped.snapshot())[
        "over"
    ].any():  # so that rows begin anew in the next step
        first.step(np.zeros(first.action_space.shape, int))
    expected = steps(first, 1)
    again = make()
    again.unwrapped.restore(state)
    np.testing.assert_array_equal(steps(again, 1), expected)
    with pytest.raises(ValueError, match="of another environment: seed, episode"):
        make(4).unwrapped.restore(state)
