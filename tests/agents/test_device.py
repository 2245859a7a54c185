"""DCF-DQN on a device that is not the host: nothing is mixed, nothing is copied back but a decision's items.

Without a GPU a pretend one serves: PyTorch's backend for Python and tensors without contents raise wherever an
operation mixes devices or asks for a number; a dispatch mode of our own counts the copies between devices.
"""

import os
import subprocess
import sys

import gymnasium
import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

import agents.deep.deep_q as deep_q
import agents.interface as base
from agents import Problem, Transition, make_agent
from recgym.sim.synthetic import synthetic

SMALL = {"width": 8, "hidden": 16, "warmup": 8, "batch_size": 16, "steps_per_update": 8}
CASES = [
    {"encoder": "recurrent"},
    {"encoder": "attention", "priority_exponent": 0.6},
    {"encoder": "convolutional", "slate_size": 3, "mask": True},
]


class Copies(TorchDispatchMode):
    """Counts what moves between the host and the device, and refuses operations that mix them."""

    def __init__(self, device):
        super().__init__()
        self.device, self.up, self.down = device, 0, 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        out = operation(*args, **(kwargs or {}))
        before, after = kinds_of((args, kwargs)), kinds_of(out)
        name = str(operation)
        if "copy" in name and len(before | after) > 1:
            self.up += after == {self.device}
            self.down += after == {"cpu"}
        elif len(kinds_of((args, kwargs), least=1)) > 1:  # a number of the host may join in
            raise AssertionError(f"{name} mixes devices")
        return out


def kinds_of(values, least=0):
    """Device types of the tensors of at least so many dimensions."""
    tensors = [each for each in tree_leaves(values) if isinstance(each, torch.Tensor)]
    return {each.device.type for each in tensors if each.ndim >= least}


def round_of(agent, env, mask):
    """One decision and what it teaches, twice; copies up and down of each part."""
    observation, _ = env.reset(seed=0)
    batch, num_items = env.num_envs, agent.problem.num_items
    allowed = np.ones((batch, num_items), bool) if mask else None
    told = []
    for _ in range(4):
        with Copies(agent.torch_device.type) as acting:
            action = agent.act(observation, allowed, explore=True)
        after, reward, terminated, truncated, _ = env.step(action)
        live = ~(terminated | truncated)
        step = Transition(observation, action, reward, after, live & False, live & False, allowed, allowed)
        with Copies(agent.torch_device.type) as remembering:
            agent._remember(step)
        with Copies(agent.torch_device.type) as updating:
            if agent.ring.ready(agent.steps):
                agent._update(agent.ring)
        told.append((acting, remembering, updating))
        observation = after
    return told


def make(device, *, encoder, slate_size=1, mask=False, **params):
    world = synthetic(domain="social", num_items=12)
    env = gymnasium.make_vec(
        "recgym/Social-v1", num_envs=8, world=world, observation="history", slate_size=slate_size
    )
    agent = make_agent("dcf-dqn", Problem.of(env), 0, device, encoder=encoder, **SMALL, **params)
    return agent, env, mask


def gru_without_contents():
    """Shapes of the fused cell that accelerators run, which PyTorch tells for none."""
    library = torch.library.Library("aten", "IMPL", "Meta")

    def cell(to_gates, own_gates, state, bias=None, own_bias=None):
        return torch.empty_like(state), state.new_empty(len(state), 5 * state.shape[1])

    def backward(slope, workspace, has_bias):
        gates = slope.new_empty(len(slope), 3 * slope.shape[1])
        bias = gates.new_empty(gates.shape[1])
        return gates, torch.empty_like(gates), torch.empty_like(slope), bias, torch.empty_like(bias)

    library.impl("_thnn_fused_gru_cell", cell)
    library.impl("_thnn_fused_gru_cell_backward", backward)
    return library


def pretend(case):
    """The round on the pretend accelerator; only in a process of its own, which the backend changes for good."""
    _setup_privateuseone_for_python_backend("pretend")
    host = torch.Generator("cpu")  # the pretend device has none; fake tensors draw nothing from it
    deep_q.pick_device = torch.device
    base.resolve = lambda device, able, who: device  # the pretend device is in no list of real ones
    deep_q.generator_on = lambda device, seed: host
    slots = case.get("slate_size", 1)
    copied = []

    def to_host(tensor):
        assert tensor.device.type == "pretend"
        copied.append(tensor)
        return np.tile(np.arange(slots), (8, 1))

    deep_q.to_host = to_host
    torch.nn.Module.to = lambda module, device: (
        module
    )  # fake weights cannot move: they are built where they stay
    library = gru_without_contents()
    with FakeTensorMode():
        with torch.device("pretend"):
            made = make("pretend", **case)
        assert {weight.device.type for weight in made[0].online.state_dict().values()} == {"pretend"}
        told = round_of(*made)
    assert len(copied) == 4
    for acting, remembering, updating in told:
        assert (acting.down, remembering.down) == (0, 0)
        assert (updating.up, updating.down) == (0, 0)
        assert acting.up > 0
        assert remembering.up > 0
    del library  # alive until here


@pytest.mark.parametrize("case", range(len(CASES)))
def test_a_round_on_a_pretend_accelerator(case):
    done = subprocess.run(
        [sys.executable, __file__, str(case)], capture_output=True, text=True, check=False, env=os.environ
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.gpu
@pytest.mark.parametrize("extra", [{}, {"mixed_precision": True}, {"compile": True}])
def test_a_round_on_cuda(extra):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    for case in CASES:
        for _, _, updating in round_of(*make("cuda", **case, **extra)):
            assert (updating.up, updating.down) == (0, 0)


if __name__ == "__main__":
    pretend(CASES[int(sys.argv[1])])
