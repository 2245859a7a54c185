"""Shares of items and categories sum to Q."""

import re

import numpy as np
import pytest
import torch
from dcf_networks import SMALL, history_env, random_towers, visited

from agents import make_agent
from agents.deep.encoders import ENCODERS
from agents.deep.states import to_states
from agents.deep.towers import CATEGORY_SHARE_SCALE
from agents.features import Contexts
from recgym.logs.sample import sample_log
from recgym.sim.synthetic import synthetic


@pytest.mark.parametrize(("task", "slots"), [("recgym/Content-v1", 1), ("recgym/ContentSlate-v1", 3)])
def test_category_shares_are_those_of_the_linear_agents(task, slots):
    env = history_env(synthetic(domain="content", num_items=9), 30, task, slate_size=slots)
    problem, observation = visited(env, 4)
    counted = Contexts(problem)(observation)[:, 1 : 1 + 2 * problem.num_categories]
    shares = random_towers(problem).category_shares(to_states(observation, torch.device("cpu")))
    assert (counted[:, problem.num_categories :] > 0).any()
    np.testing.assert_allclose(shares, CATEGORY_SHARE_SCALE * counted, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("encoder", sorted(ENCODERS))
def test_encoder_shares_sum_to_the_code(encoder):
    """They sum to the code but for its last bias; for convolutions they are gradient times input."""
    problem, observation = visited(history_env(synthetic(domain="social", num_items=9), 5), 7)
    towers = random_towers(problem, encoder).double()
    states = to_states(observation, torch.device("cpu"))
    states = states._replace(events=states.events.double(), context=states.context.double())
    history, present = (each.detach() for each in towers.history(states, towers.past(states)))
    history.requires_grad_()
    code, shares = towers.encoder(history, present), towers.encoder.shares(history, present)
    if encoder == "recurrent":
        torch.testing.assert_close(shares.sum(dim=1), code)
    elif encoder == "attention":
        torch.testing.assert_close(shares.sum(dim=1) + towers.encoder.out.bias, code)
        assert shares[~present].abs().max() < 1e-12
    else:
        for k in range(8):
            slope = torch.autograd.grad(code[:, k].sum(), history, retain_graph=True)[0]
            torch.testing.assert_close(shares[:, :, k], (slope * history).sum(dim=2))
    assert (shares[present].abs().sum(dim=1) > 0).float().mean() > 0.6


@pytest.mark.parametrize("encoder", sorted(ENCODERS))
@pytest.mark.parametrize(("task", "slots"), [("recgym/Content-v1", 1), ("recgym/ContentSlate-v1", 3)])
@pytest.mark.parametrize("rank", [0, 3])
def test_explanation_sums_to_q(encoder, task, slots, rank):
    env = history_env(synthetic(domain="content", num_items=9), 30, task, slate_size=slots)
    problem, observation = visited(env, 4)
    agent = make_agent("dcf-dqn", problem, encoder=encoder, epochs=1, rank=rank, **SMALL)
    agent.prepare(sample_log(env, sessions=30, seed=1), 2)
    agent.target.load_state_dict(random_towers(problem, encoder, rank).state_dict())
    action = agent.act(observation)
    why = agent.explain(observation, action)
    scores = np.take_along_axis(agent.scores(observation), action.reshape(30, slots), axis=1).sum(axis=1)
    rounding = 5e-6 * np.abs(scores).max()  # scores are float32, of terms as large as the largest
    np.testing.assert_allclose([sum(each.values()) for each in why], scores, rtol=1e-5, atol=rounding)
    for b, each in enumerate(why):
        past = [item for item in observation["shown"][b] if item < 9]
        found = dict(
            re.match(r"(\d+) back: item (\d+) ", name).groups() for name in each if " back: " in name
        )
        there = {str(k): str(item) for k, item in enumerate(reversed(past), 1)}
        assert found.items() <= there.items()
        assert (
            found == there or encoder == "convolutional"
        )  # there closed rectifiers can leave a share of nothing
    responded = observation["events"].reshape(30, 20, -1)[:, -1, 0] > 0
    assert responded.any()
    for b in np.flatnonzero(responded):
        assert any(name.startswith("1 back") and "click" in name for name in why[b])
