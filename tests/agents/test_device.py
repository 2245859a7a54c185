"""DCF-DQN on an accelerator: no operation mixes devices, and only the items of a decision are copied to the host.

Without a GPU the tests use a fake device: PyTorch's Python backend with fake tensors, which raises if an operation
mixes devices or reads a number. A dispatch mode counts the copies between devices.
"""

import sys

import gymnasium
import numpy as np
import pytest
import torch
from pretend_device import Copies, run_alone
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

import agents.base as base
import agents.deep.deep_q as deep_q
from agents import Problem, Transition, make_agent
from recgym.sim.synthetic import synthetic

SMALL = {"width": 8, "hidden": 16, "warmup": 8, "batch_size": 16, "steps_per_update": 8}
CASES = [
    {"encoder": "recurrent"},
    {"encoder": "attention", "priority_exponent": 0.6},
    {"encoder": "convolutional", "slate_size": 3, "mask": True},
]


def round_of(agent, env, mask):
    """One decision and what it teaches, twice; copies up and down of each part."""
    observation, _ = env.reset(seed=0)
    batch, num_items = env.num_envs, agent.problem.num_items
    allowed = np.ones((batch, num_items), bool) if mask else None
    counts = []
    for _ in range(4):
        with Copies(agent.torch_device.type) as acting:
            action = agent.act(observation, allowed, explore=True)
        after, reward, terminated, truncated, _ = env.step(action)
        live = ~(terminated | truncated)
        step = Transition(observation, action, reward, after, live & False, live & False, allowed, allowed)
        with Copies(agent.torch_device.type) as storing:
            agent._add_to_replay(step)
        with Copies(agent.torch_device.type) as updating:
            if agent.ring.ready(agent.steps):
                agent._update(agent.ring)
        counts.append((acting, storing, updating))
        observation = after
    return counts


def make(device, *, encoder, slate_size=1, mask=False, **params):
    world = synthetic(domain="social", num_items=12)
    env = gymnasium.make_vec(
        "recgym/Social-v2", num_envs=8, world=world, observation="history", slate_size=slate_size
    )
    agent = make_agent("dcf-dqn", Problem.of(env), 0, device, encoder=encoder, **SMALL, **params)
    return agent, env, mask


def gru_without_contents():
    """Shapes of the fused GRU cell of accelerators, which PyTorch has for no fake device."""
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


def on_fake_device(case):
    """The round on the fake accelerator, in a process of its own: the backend cannot be unregistered."""
    _setup_privateuseone_for_python_backend("pretend")
    host = torch.Generator("cpu")  # the fake device has none; fake tensors do not use it
    deep_q.pick_device = torch.device
    base.resolve = lambda device, able, who: device  # the fake device is in no list
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
    )  # fake weights cannot move: they are built on the device
    library = gru_without_contents()
    with FakeTensorMode():
        with torch.device("pretend"):
            made = make("pretend", **case)
        assert {weight.device.type for weight in made[0].online.state_dict().values()} == {"pretend"}
        counts = round_of(*made)
    assert len(copied) == 4
    for acting, storing, updating in counts:
        assert (acting.down, storing.down) == (0, 0)
        assert (updating.up, updating.down) == (0, 0)
        assert acting.up > 0
        assert storing.up > 0
    del library  # in use until here


@pytest.mark.parametrize("case", range(len(CASES)))
@pytest.mark.slow
def test_act_store_and_update_on_a_fake_accelerator(case):
    run_alone(__file__, case)


@pytest.mark.gpu
@pytest.mark.parametrize("extra", [{}, {"mixed_precision": True}, {"compile": True, "encoder": "attention"}])
def test_act_store_and_update_on_cuda(extra):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    for case in CASES:
        for _, _, updating in round_of(*make("cuda", **{**case, **extra})):
            assert (updating.up, updating.down) == (0, 0)


if __name__ == "__main__":
    on_fake_device(CASES[int(sys.argv[1])])
