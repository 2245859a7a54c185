"""GenRec on an accelerator: no operation mixes devices, a decision copies its items to the host, an update nothing.

Without a GPU the test uses the fake device of `tests/agents/test_device.py`.
"""

import sys

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

CASES = [{}, {"slate_size": 3, "mask": True}, {"slate_size": 3, "look_ahead": True}]
BATCH = 8


def make(device, *, slate_size=1, mask=False, look_ahead=False):
    world = synthetic(domain="social", num_items=12)
    env = gymnasium.make_vec(
        "recgym/Social-v2", num_envs=BATCH, world=world, observation="history", slate_size=slate_size
    )
    agent = make_agent(
        "genrec", Problem.of(env), 0, device, width=8, layers=1, candidates=4, look_ahead=look_ahead
    )
    return agent, env, np.ones((BATCH, 12), bool) if mask else None


def round_of(agent, env, allowed):
    """Decisions of both kinds, and one update; copies from the device of each."""
    observation, _ = env.reset(seed=0)
    slots, agent.is_learnt = agent.problem.slate_size, True
    with Copies(agent.torch_device.type) as acting:
        agent.act(observation, allowed)
        action = agent.act(observation, allowed, explore=True)
    after, reward, terminated, truncated, _ = env.step(action)
    step = Transition(observation, action, reward, after, terminated, truncated, allowed, allowed)
    decisions, n = agent._decisions(step), np.zeros(BATCH, np.int64)
    zeros = np.zeros((BATCH, slots), np.float32)
    acted = Acted(decisions, zeros, zeros[:, 0], n, n, n)
    agent.memory = decisions
    with Copies(agent.torch_device.type) as updating:
        loss, _ = agent._loss(acted, zeros, zeros[:, 0], zeros)
        descend(agent.model, agent.optimizer, loss, 1.0)
    return acting, updating


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
@pytest.mark.parametrize("case", CASES)
def test_act_and_update_on_cuda(case):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    acting, updating = round_of(*make("cuda", **case))
    assert acting.down == 2
    assert updating.down == 0


if __name__ == "__main__":
    on_fake_device(CASES[int(sys.argv[1])])
