"""The CUDA engine against the CPU's: on numba's simulator in plain Python, and with `-m gpu` on a card."""

import os
import subprocess
import sys

import device_trajectories
import gymnasium as gym
import numpy as np
import pytest
import torch
from device_trajectories import IDS, trajectory

ALONE = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1", "NUMBA_DISABLE_JIT": "1"}


def assert_equal(found, expected):
    """Integers and flags to the bit, floats to 1e-6."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert (found[name].dtype, found[name].shape) == (value.dtype, value.shape), name
        if value.dtype.kind == "f":
            np.testing.assert_allclose(found[name], value, rtol=1e-6, atol=1e-6, err_msg=name)
        else:
            np.testing.assert_array_equal(found[name], value, err_msg=name)


@pytest.fixture
def card():
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    out = tmp_path_factory.mktemp("simulated") / "played.npz"
    subprocess.run([sys.executable, device_trajectories.__file__, str(out)], check=True, env=ALONE)
    return dict(np.load(out))


@pytest.mark.slow
@pytest.mark.parametrize("env_id", IDS)
def test_a_simulated_device_plays_the_trajectories_of_the_cpu(simulated, env_id):
    begin = f"{env_id} "
    found = {name.removeprefix(begin): value for name, value in simulated.items() if name.startswith(begin)}
    assert_equal(found, trajectory(env_id, "cpu"))
    np.testing.assert_array_equal(found["1/cut"], ~found["0/left"])  # max_episode_steps


@pytest.mark.gpu
@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
@pytest.mark.parametrize("output", ["numpy", "torch"])
@pytest.mark.parametrize("env_id", IDS)
def test_a_card_plays_the_trajectories_of_the_cpu(card, env_id, output, mode):
    found, expected = trajectory(env_id, "cuda", output, mode), trajectory(env_id, "cpu", "numpy", mode)
    assert_equal({name: found[name] for name in expected}, expected)  # there is final_obs at every step


@pytest.mark.gpu
def test_tensors_stay_on_the_card(card):
    vector = gym.make_vec("recgym/Content-v1", num_envs=1024, device="cuda", output="torch")
    vector.reset(seed=0)
    seen, reward, *_ = vector.step(torch.zeros(1024, dtype=torch.int64, device="cuda"))
    assert seen.is_cuda
    assert reward.is_cuda


def test_tensors_of_the_cpu_are_the_arrays():
    vector = gym.make_vec("recgym/Content-v1", num_envs=3, output="torch", n_items=9)
    arrays = gym.make_vec("recgym/Content-v1", num_envs=3, n_items=9)
    assert isinstance(vector.reset(seed=1)[0], torch.Tensor)
    arrays.reset(seed=1)
    mine, theirs = vector.step(torch.arange(3)), arrays.step(np.arange(3))
    np.testing.assert_array_equal(mine[0].numpy(), theirs[0])
    np.testing.assert_array_equal(mine[4]["user"].numpy(), theirs[4]["user"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"device": "tpu"}, "device is 'tpu', allowed: 'auto', 'cpu', 'cuda'"),
        ({"device": "mps"}, "device is 'mps', an environment can use only 'auto', 'cpu', 'cuda'"),
        ({"device": "cuda:99"}, "device 'cuda:99' is not available here"),
        ({"output": "jax"}, "output is 'jax', allowed: 'numpy', 'torch'"),
    ],
)
def test_a_device_that_is_not_there_is_one_error(arguments, message):
    with pytest.raises(ValueError, match=message):
        gym.make_vec("recgym/Content-v1", num_envs=2, **arguments)


_REFUSALS = """
import gymnasium as gym, recgym, torch
import numpy as np
np.seterr(over="ignore")
small = dict(num_envs=2, n_items=5, device="cuda")
for wrong in (dict(threads=2), dict(render_mode="ansi"), dict(arrival=(0.5, 9))):
    try:
        gym.make_vec("recgym/Content-v1", **small, **wrong)
    except ValueError as error:
        print(error)
env = gym.make_vec("recgym/Content-v1", output="torch", **small)
env.reset(seed=0)
before = env.snapshot()
env.step(torch.tensor([5, 1]))
try:
    env.step(torch.tensor([0, 1]))
except ValueError as error:
    print(error)
print(int(env.snapshot()["step"][0]), int(env.snapshot()["step"][1]))
env.step(torch.tensor([0, 1]))
for actions in (np.array([0, 5]), torch.tensor([0.5, 1.0])):
    try:
        env.step(actions)
    except ValueError as error:
        print(error)
env.restore(before)
print(env.privileged().sessions.step.tolist(), env.action_masks().shape)
"""


@pytest.mark.slow
def test_what_a_device_refuses():
    done = subprocess.run(
        [sys.executable, "-c", _REFUSALS], capture_output=True, text=True, check=True, env=ALONE
    )
    assert done.stdout.splitlines() == [
        "threads is 2, which needs device 'cpu', not 'cuda'",
        "render_mode is 'ansi', which needs device 'cpu', not 'cuda'",
        "arrival is (0.5, 9), which needs device 'cpu', not 'cuda'",
        "action of the step before is out of range in row 0, whose session was not advanced: items are numbered 0 to 4",
        "0 1",
        "action [0, 5] is out of range: items are numbered 0 to 4",
        "action [0.5, 1. ] is not a whole number of the items 0 to 4",
        "[0, 0] torch.Size([2, 5])",
    ]
