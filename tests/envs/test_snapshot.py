"""A copy of an environment's state: going on from it, and damage."""

import gymnasium
import numpy as np
import pytest
from env_helpers import world_for

from recgym.envs import ENVIRONMENTS
from recgym.sim.synthetic import synthetic


@pytest.mark.parametrize("row", ENVIRONMENTS, ids=lambda row: row.id)
def test_an_environment_goes_on_from_a_copy_of_its_state(row):
    def make(num_envs=5):
        return gymnasium.make_vec(row.id, num_envs=num_envs, world=world_for(row.id), horizon=4)

    def steps(env, seed):
        rng = np.random.default_rng(seed)
        many = [env.step(rng.integers(30, size=env.action_space.shape))[:4] for _ in range(6)]
        return [np.concatenate([array.ravel() for array in step]) for step in many]

    first = make()
    first.reset(seed=3)
    while not (state := first.unwrapped.snapshot())["over"].any():  # so that rows begin anew in the next step
        first.step(np.zeros(first.action_space.shape, int))
    expected = steps(first, 1)
    again = make()
    again.unwrapped.restore(state)
    np.testing.assert_array_equal(steps(again, 1), expected)
    with pytest.raises(ValueError, match="of another environment: seed, episode"):
        make(4).unwrapped.restore(state)


def changed(state, **changes):
    """The state with one number of some arrays replaced."""
    state = {name: array.copy() for name, array in state.items()}
    for name, value in changes.items():
        state[name].flat[-1] = value
    return state


@pytest.mark.parametrize("row", [ENVIRONMENTS[1], ENVIRONMENTS[5]], ids=lambda row: row.id)
def test_a_damaged_state_of_an_environment_is_refused(row):
    world = synthetic(5, domain="social" if row.domain == "friends" else row.domain)
    env = gymnasium.make_vec(row.id, num_envs=3, world=world, horizon=6)
    env.reset(seed=1)
    env.step(env.action_space.sample())
    state = env.unwrapped.snapshot()
    env.unwrapped.restore(state)
    num = env.unwrapped.privileged().world.num_items
    for name, values in {
        "user": (-1, 50, 2**31 - 1),
        "context": (-1, 24, 10**6),
        "step": (-1, 7, 2**31 - 1),
        "run": (-1, 7),
        "memory": (-2, num),
        "engaged": (-1, 10**6),
        "items": (-2, num),
        "events": (-1, 8),
        "lead": (-2, num),
        "lead_events": (-1, 8),
        "liked_category": (-2, 9),
        "candidate": (-1, 50),
        "tie": (-2,),
        "shared": (-1,),
        "refused": (-1,),
        "intent": (np.nan, np.inf),
        "shown": (1.5, np.nan),
        "episode": (-2,),
    }.items():
        for value in values:
            with pytest.raises(ValueError, match=f"sessions: {name} holds"):
                env.unwrapped.restore(changed(state, **{name: value}))
    with pytest.raises(ValueError, match="sessions: user is int64"):
        env.unwrapped.restore({**state, "user": state["user"].astype(np.int64)})
    with pytest.raises(ValueError, match="over is of int8"):
        env.unwrapped.restore({**state, "over": state["over"].astype(np.int8)})
    with pytest.raises(ValueError, match="of another environment: key differ"):
        env.unwrapped.restore({name: array for name, array in state.items() if name != "key"})
