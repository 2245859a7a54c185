"""GenRec on an accelerator: no operation mixes devices, a decision copies its items to the host, an update nothing.

Without a GPU the test uses the fake device of `tests/agents/test_device.py`.
"""

import sys
from contextlib import nullcontext

import gymnasium
import numpy as np
import pytest
import torch
import transformers.modeling_utils
from pretend_device import Copies, run_alone
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

import agents.base as base
import agents.generative.decoder_agent as decoder_agent
import agents.generative.genrec as genrec
from agents import Problem, Transition, make_agent
from agents.deep.pretraining import descend
from agents.generative.rollouts import Acted
from recgym.sim.synthetic import synthetic

CASES = [{}, {"slate_size": 3, "mask": True}, {"slate_size": 3, "look_ahead": True, "tastes": 4}]
ARITHMETICS = [{}, {"mixed_precision": True}, {"compile": True}]
BATCH = 8
BFLOAT16 = 0.03  # relative distance of its gradients: it has 8 bits


def make(device, *, slate_size=1, mask=False, **params):
    world = synthetic(domain="social", num_items=12)
    env = gymnasium.make_vec(
        "recgym/Social-v2", num_envs=BATCH, world=world, observation="history", slate_size=slate_size
    )
    agent = make_agent("genrec", Problem.of(env), 0, device, width=8, layers=1, candidates=4, **params)
    agent.is_learnt = True
    return agent, env, np.ones((BATCH, 12), bool) if mask else None


def round_of(agent, env, allowed):
    """Decisions of both kinds, and one update; copies from the device of each."""
    observation, _ = env.reset(seed=0)
    with Copies(agent.torch_device.type) as acting:
        agent.act(observation, allowed)
        action = agent.act(observation, allowed, explore=True)
    remember(agent, env, observation, action, allowed)
    with Copies(agent.torch_device.type) as updating:
        update(agent)
    return acting, updating


def remember(agent, env, observation, action, allowed):
    """A step of the environment."""
    after, reward, terminated, truncated, _ = env.step(action)
    step = Transition(observation, action, reward, after, terminated, truncated, allowed, allowed)
    agent.memory = agent._decisions(step)


def update(agent):
    """One update on what the agent remembers."""
    slots, n = agent.problem.slate_size, np.zeros(BATCH, np.int64)
    zeros = np.zeros((BATCH, slots), np.float32)
    loss, _ = agent._loss(
        Acted(agent.memory, zeros, zeros[:, 0], n, n, n, zeros[:, 0]), zeros, zeros[:, 0], zeros
    )
    descend(agent.model, agent.optimizer, loss, 1.0)


def on_fake_device(case):
    """The round on the fake accelerator, in a process of its own: the backend cannot be unregistered."""
    _setup_privateuseone_for_python_backend("pretend")
    host = torch.Generator("cpu")  # the fake device has none; fake tensors do not use it
    decoder_agent.pick_device = torch.device
    base.resolve = lambda device, able, who: device  # the fake device is in no list
    decoder_agent.generator_on = lambda device, seed: host
    slots, copied = case.get("slate_size", 1), []

    def to_host(tensor):
        assert tensor.device.type == "pretend"
        copied.append(tensor)
        return np.tile(np.arange(slots), (BATCH, 1))

    decoder_agent.to_host = genrec.to_host = to_host
    torch.nn.Module.to = lambda module, device: module  # fake weights cannot move: they are built there
    transformers.modeling_utils.get_torch_context_manager_or_global_device = lambda: (
        None
    )  # reads a real tensor
    make_tensor = torch.tensor
    torch.tensor = lambda values, **kwargs: (  # transformers' empty cache
        torch.empty(0, **kwargs) if values == [] else make_tensor(values, **kwargs)
    )
    with FakeTensorMode():
        with torch.device("pretend"):
            made = make("pretend", **case)
        assert {weight.device.type for weight in made[0].model.state_dict().values()} == {"pretend"}
        acting, updating = round_of(*made)
    assert len(copied) == 2  # the items of each decision
    assert (acting.down, updating.down) == (0, 0)
    assert acting.up > 0
    assert updating.up > 0


@pytest.mark.parametrize("case", range(len(CASES)))
@pytest.mark.slow
def test_act_and_update_on_a_fake_accelerator(case):
    run_alone(__file__, case)


@pytest.mark.gpu
@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@pytest.mark.parametrize("case", CASES)
def test_act_and_update_on_cuda(case, arithmetic):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    acting, updating = round_of(*make("cuda", **case, **arithmetic))
    assert acting.down == 2
    assert updating.down == 0


@pytest.mark.gpu
@pytest.mark.parametrize("case", CASES)
def test_an_update_on_cuda_is_that_of_the_cpu(case):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    plain = gradient("cpu", case, {})
    for arithmetic, apart in zip(ARITHMETICS, (1e-3, BFLOAT16, 1e-3), strict=True):
        assert distance(gradient("cuda", case, arithmetic), plain) < apart


@pytest.fixture
def on_the_host(monkeypatch):
    """Both ways of training on CUDA, on the CPU: its bfloat16, and what torch.compile traces, run as it is."""
    bfloat16, traced = [], []

    def mixed_precision(device, wanted):
        bfloat16.append(wanted)
        return torch.autocast("cpu", torch.bfloat16) if wanted else nullcontext()

    def backend(graph, inputs):
        traced.append(graph)
        return graph.forward

    def compiled(called, device, wanted):
        return torch.compile(called, backend=backend) if wanted else called

    for module in (decoder_agent, genrec):
        monkeypatch.setattr(module, "mixed_precision", mixed_precision)
    monkeypatch.setattr(decoder_agent, "compiled", compiled)
    return bfloat16, traced


def gradient(device, case, arithmetic):
    """The gradient of an update, float32; copies are not counted, which would keep torch from compiling."""
    agent, env, allowed = make(device, **case, **arithmetic)
    observation, _ = env.reset(seed=0)
    slots = case.get("slate_size", 1)
    shape = (BATCH, slots) if slots > 1 else BATCH
    remember(agent, env, observation, np.arange(BATCH * slots).reshape(shape) % 12, allowed)
    update(agent)
    found = [weight.grad for weight in agent.model.parameters() if weight.grad is not None]
    assert {each.dtype for each in found} == {torch.float32}
    return torch.cat([each.ravel() for each in found]).cpu()


def distance(one, other):
    """Of gradients, relative."""
    return float((one - other).norm() / other.norm())


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # torch's own, where a graph ends at a number
@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_an_update_is_the_same_compiled_and_nearly_in_bfloat16(case, on_the_host):
    bfloat16, traced = on_the_host
    plain = gradient("cpu", case, {})
    assert not any(bfloat16)
    assert not traced
    assert distance(gradient("cpu", case, {"compile": True}), plain) < 1e-5
    assert traced
    assert 1e-6 < distance(gradient("cpu", case, {"mixed_precision": True}), plain) < BFLOAT16
    assert all(bfloat16[-2:])


if __name__ == "__main__":
    on_fake_device(CASES[int(sys.argv[1])])
