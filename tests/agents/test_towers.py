"""Networks of DCF-DQN: one item or all, stored names, sizes."""

import numpy as np
import pytest
import torch
from dcf_networks import history_env, random_towers, visited

from agents import Problem, make_agent
from agents.deep.encoders import ENCODERS
from agents.deep.states import to_states
from agents.deep.towers import Towers
from agents.torch_utils import seeded
from recgym.sim.synthetic import synthetic


@pytest.mark.parametrize("encoder", sorted(ENCODERS))
def test_towers_score_one_item_as_all_items(encoder):
    env = history_env(synthetic(domain="content", num_items=9), 5, "recgym/Content-v1")
    problem = Problem.of(env)
    with seeded(0):
        towers = Towers(problem, width=8, hidden=16, encoder=encoder)
    observation, _ = env.reset(seed=0)
    empty = towers.logits(to_states(observation, torch.device("cpu")))[0]
    for item in range(6):
        observation, *_ = env.step(np.full(5, item))
    torch.nn.init.normal_(towers.repeat_head.weight)
    states = to_states(observation, torch.device("cpu"))
    logits, outlook = towers.logits(states)
    assert logits.shape == (5, 9)
    for item in range(9):
        torch.testing.assert_close(
            towers.logit_of(states, torch.full((5, 1), item))[0][:, 0], logits[:, item]
        )
    assert not torch.allclose(logits, empty)
    flipped = states._replace(events=1 - states.events)
    assert not torch.allclose(towers.logits(flipped)[0], logits)
    torch.nn.init.normal_(towers.users.weight)
    logits, outlook = towers.logits(states)
    other = states._replace(user=(states.user + 1) % problem.num_users)
    assert not torch.allclose(towers.logits(other)[0], logits)
    torch.nn.init.normal_(towers.continuation_head.weight)
    torch.nn.init.normal_(towers.items.continuation_bias)
    values = towers.values(states)
    assert not torch.allclose(values, towers.shift + towers.scale * logits + towers.spread * outlook[:, None])
    for item in range(9):
        torch.testing.assert_close(towers.values_of(states, torch.full((5, 1), item))[:, 0], values[:, item])
    terms = towers.terms_of(states, torch.zeros((5, 1), dtype=torch.int64))
    (logits.sum() + values.sum() + terms.after_response.sum() + terms.after_none.sum()).backward()
    for name, weight in towers.named_parameters():
        assert weight.grad is not None
        assert weight.grad.abs().sum() > 0, name
    widest = max(
        weight.shape[0]
        for name, weight in towers.named_parameters()
        if not name.startswith("items.ids") and "bias" not in name and name != "items.continuation_bias"
    )
    assert widest <= max(problem.num_users, 3 * 16)  # no layer as wide as the catalogue


def test_the_code_of_a_history_is_the_encoders():
    """By a table of the items' part of the gates, in a small catalogue, and item by item."""
    problem, observation = visited(history_env(synthetic(domain="social", num_items=9), 24), 5)
    towers = random_towers(problem)
    states = to_states(observation, torch.device("cpu"))
    states = states._replace(items=torch.where(torch.arange(24)[:, None] == 3, 9, states.items))
    wanted = towers.encoder(*towers.history(states, towers.past(states)))
    assert not wanted[3].any()
    weights = [towers.encoder.gru.weight_ih_l0, towers.items.ids.weight, towers.items.deep[0].weight]
    of_wanted = torch.autograd.grad(wanted.square().sum(), weights)
    for catalogue in (towers.items(), None):
        found = towers.code(states, towers.past(states, catalogue), catalogue)
        torch.testing.assert_close(found, wanted)
        torch.testing.assert_close(torch.autograd.grad(found.square().sum(), weights), of_wanted)


def test_saved_networks_keep_the_names_of_their_parts():
    """The keys of agent.safetensors are a file format: agents that were saved earlier still load."""
    problem = Problem.of(history_env(synthetic(domain="social", num_items=6), 1))
    towers = random_towers(problem)
    state = towers.state_dict()
    heads = [f"{name}.{part}" for name in ("head", "recall", "outlook", "ahead", "follow", "idle")
             for part in ("weight", "bias")]  # fmt: skip
    items = [f"items.{name}" for name in ("ids.weight", "bias", "ahead", "follow", "deep.0.weight")]
    assert {*heads, *items, "tastes.weight", "deep.0.weight", "users.weight", "scale"} <= set(state)
    assert len(state) == len(list(towers.named_parameters())) + 3
    other = random_towers(problem)
    torch.nn.init.zeros_(other.repeat_head.weight)
    other.load_state_dict(state)
    torch.testing.assert_close(other.repeat_head.weight, towers.repeat_head.weight)
    with pytest.raises(RuntimeError, match="Missing key"):
        other.load_state_dict({name: value for name, value in state.items() if name != "outlook.bias"})


def test_no_layer_is_as_wide_as_the_catalogue():
    num_items = 100_000
    problem = Problem.of(history_env(synthetic(domain="social", num_items=num_items), 1, n_items="all"))
    agent = make_agent("dcf-dqn", problem)
    wide = {name for name, weight in agent.online.named_parameters() if num_items in weight.shape}
    assert wide == {
        "items.ids.weight",
        "items.bias",
        "items.continuation_bias",
        "items.after_response_bias",
    }  # an embedding of vectors and three of numbers


@pytest.fixture
def two_threads():
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)


def test_gradients_are_the_same_in_every_run_on_two_threads(two_threads):
    """Rows of a large batch share items, whose gradients must not be added in the order of the threads."""
    problem, observation = visited(history_env(synthetic(domain="social", num_items=9), 2_048), 5)
    towers = random_towers(problem)
    states = to_states(observation, torch.device("cpu"))
    items = states.items[:, -2:].clamp(max=8)
    runs = []
    for _ in range(10):
        towers.zero_grad(set_to_none=True)
        terms = towers.terms_of(states, items)
        loss = towers.values(states).sum() + terms.reward_logit.sum() + terms.after_response.square().sum()
        loss.backward()
        runs.append(
            {name: weight.grad for name, weight in towers.named_parameters() if weight.grad is not None}
        )
    for name, first in runs[0].items():
        assert all(torch.equal(run[name], first) for run in runs[1:]), name
