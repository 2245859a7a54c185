"""Tastes of genrec: the logit by hand, and items of equal codes told apart."""

import numpy as np
import pytest
import torch
from zoo import LIGHT, make_env

from agents import Problem, make_agent
from agents.deep.states import States


def agent_in(env_id, **params):
    env = make_env(env_id, "genrec", 4)
    return make_agent("genrec", Problem.of(env), 0, **{**LIGHT["genrec"], "tastes": 3, **params}), env


def test_the_logit_by_hand():
    """A session with no history and one with two items, of which one had a response."""
    agent, _ = agent_in("recgym/Ecommerce-v1")
    tastes, num_items = agent.model.tastes, agent.problem.num_items
    with torch.no_grad():
        tastes.users.weight.normal_()
        tastes.items.bias.normal_()
        tastes.of_output.bias.copy_(torch.tensor([0.1, -0.2, 0.3, 0.4]))
    shown = torch.full((2, 20), num_items)
    shown[1, -2:] = torch.tensor([4, 7])
    events = torch.zeros(2, 20, len(agent.problem.event_names))
    events[1, -1] = 1.0
    user, items = torch.tensor([2, 5]), torch.tensor([[1, 3], [0, 6]])
    states = States(user, shown, events, torch.zeros(2, 3), torch.zeros(2, 0, 0))
    with torch.no_grad():
        found = tastes(states, torch.zeros(2, 8), items).numpy()
        vectors, bias = (part.double().numpy() for part in tastes.items())
        users = tastes.users(user).double().numpy()
        credit = tastes.posterior.credit(events[1, -2:])[:, 0].double().numpy()
    z = np.column_stack([vectors[[4, 7]], np.ones(2)])
    p = 1 / (1 + np.exp(-(vectors[[4, 7]] @ users[1] + bias[[4, 7]])))
    newton = np.linalg.solve(np.eye(4) + z.T @ ((p * (1 - p))[:, None] * z), z.T @ (credit - p))
    for row, step in enumerate((np.zeros(4), newton)):
        moved = step + np.array([0.1, -0.2, 0.3, 0.4])
        expected = vectors[items[row]] @ (users[row] + moved[:3]) + bias[items[row]] + moved[3]
        np.testing.assert_allclose(found[row], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("env_id", ["recgym/Ecommerce-v1", "recgym/ContentSlate-v1"])
def test_the_beams_are_ranked_with_the_items_own_effects(env_id):
    """An item's bias moves its reward alone; without tastes codes decide."""
    agent, env = agent_in(env_id, candidates=30, look_ahead=False)
    agent.is_learnt = True
    observation, _ = env.reset(seed=0)
    states, items = agent.states_of(observation), torch.arange(30).expand(4, 30)
    with torch.no_grad():
        last, hidden = agent.model(states, items, agent.trie)
        before = agent.model.outcomes(states, last, hidden[:, :, -1], items)
        agent.model.tastes.items.bias[11] += 9.0
        moved = agent.model.outcomes(states, last, hidden[:, :, -1], items) - before
    expected = torch.zeros_like(moved)
    expected[:, 11, -1] = 9.0
    torch.testing.assert_close(moved, expected)
    assert (agent.act(observation).reshape(4, -1)[:, 0] == 11).all()
    assert agent_in(env_id, tastes=0)[0].model.tastes is None
