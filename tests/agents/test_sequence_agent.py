"""The sequence models: what they read, attention against torch's, a chain that they learn, their saved weights."""

import gymnasium
import numpy as np
import pytest
import torch
from torch import nn
from worlds import chain_world
from zoo import LIGHT, TASKS, log_for, make_env

from agents import Problem, agent_class, load_agent, make_agent
from agents.deep.sasrec import SelfAttention
from agents.deep.sequence_agent import responses
from recgym.logs.sample import sample_log

NAMES = ("gru4rec", "sasrec")


def history_of(items, responded, num_items=30, num_events=3):
    """An observation with items at the end of its history, and where there was a response."""
    shown, events = np.full((1, 20), num_items, np.int32), np.zeros((1, 20, num_events), np.float32)
    if items:
        shown[0, -len(items) :], events[0, -len(items) :, 0] = items, responded
    zeros = np.zeros((1, 3), np.float32)
    return {"user": np.zeros(1, int), "shown": shown, "events": events.reshape(1, -1), "context": zeros}


def prepared(name, task="recgym/Ecommerce-v1", **params):
    env = make_env(task, name, 8)
    agent = make_agent(name, Problem.of(env), 0, **{**LIGHT[name], **params})
    agent.prepare(log_for(task), 0)
    return agent, env


def test_responses_are_in_order_and_padded_on_the_left():
    found = responses(history_of([4, 7, 7, 2, 9], [1, 0, 1, 0, 1]), 30)
    assert found.tolist() == [[30] * 17 + [4, 7, 9]]
    assert responses(history_of([], []), 30).tolist() == [[30] * 20]


@pytest.mark.parametrize("name", NAMES)
def test_scores_depend_on_responses_alone_and_on_their_order(name):
    agent, _ = prepared(name)
    with torch.no_grad():
        agent.model.items.weight[:-1].normal_(generator=torch.Generator().manual_seed(0))
    one = agent.scores(history_of([4, 7, 2], [1, 0, 1]))
    np.testing.assert_allclose(agent.scores(history_of([9, 4, 2, 5], [0, 1, 1, 0])), one, atol=1e-6)
    assert np.abs(agent.scores(history_of([2, 4], [1, 1])) - one).max() > 1e-3
    np.testing.assert_allclose(
        agent.scores(history_of([3, 5], [0, 0]))[0], agent.model.bias.detach().numpy(), atol=1e-6
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("count", [1, 3, 20])
def test_a_sequence_has_the_same_code_beside_longer_ones(name, count):
    """Padding does not matter: alone, and in a batch whose longest sequence is full."""
    agent, _ = prepared(name)
    items = torch.arange(20)[None].repeat(2, 1)
    short = items.clone()
    short[0, : 20 - count] = 30
    with torch.no_grad():
        together, alone = agent.model.code(short), agent.model.code(short[:1])
    np.testing.assert_allclose(together[0].numpy(), alone[0].numpy(), atol=1e-6)


def test_self_attention_is_torchs_own():
    """One block against `nn.MultiheadAttention` with the same weights, norms and network around it."""
    torch.manual_seed(0)
    ours = SelfAttention(8, 1, 0.0).eval()
    block, theirs = ours.blocks[0], nn.MultiheadAttention(8, 1, batch_first=True).eval()
    parts = (block.query, block.key, block.value)
    x, present = torch.randn(3, 5, 8), torch.ones(3, 5, dtype=torch.bool)
    present[1, :3] = False
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
        theirs.in_proj_bias.copy_(torch.cat([part.bias for part in parts]))
        theirs.out_proj.weight.copy_(torch.eye(8))
        theirs.out_proj.bias.zero_()
        tokens = x * 8**0.5 + ours.places[-5:]
        asked = block.before_attention(tokens)
        found, _ = theirs(
            asked[:, -1:], tokens, tokens, key_padding_mask=~present, need_weights=False
        )  # the last place sees all
        last = block.before_network(asked[:, -1] + found[:, 0])
        expected = ours.last(last + block.network(last))
        np.testing.assert_allclose(ours(x, present).numpy(), expected.numpy(), atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.slow
def test_it_learns_what_follows_each_response(name):
    """In a chain of five states, of which a random log knows three: item s and stone s pay in state s alone."""
    world = chain_world()
    env = gymnasium.make_vec("recgym/Social-v2", 1, world=world, observation="history", horizon=20)
    agent = make_agent(name, Problem.of(env), 0, epochs=15, rate=0.01, dropout=0.0)
    agent.prepare(sample_log(env, "random", sessions=1_500), 0)
    for state, pays in enumerate((0.45, 0.1, 0.1)):
        logits = agent.scores(history_of(list(range(5, 5 + state)), [1] * state, 9))[0]
        expected = np.zeros(9)
        expected[[state, 5 + state]] = pays, 0.4
        np.testing.assert_allclose(1.0 / (1.0 + np.exp(-logits)), expected, atol=0.1)


@pytest.mark.parametrize("task", sorted(TASKS))
@pytest.mark.parametrize("name", NAMES)
def test_a_seed_fixes_the_weights_and_they_are_saved(name, task, tmp_path):
    before = torch.get_rng_state()
    (one, env), (two, _) = prepared(name, task), prepared(name, task)
    assert torch.equal(torch.get_rng_state(), before)
    for key, value in one.state().items():
        np.testing.assert_array_equal(two.state()[key], value)
    one.save(tmp_path / "agent")
    again = load_agent(tmp_path / "agent", Problem.of(env))
    observation, _ = env.reset(seed=1)
    np.testing.assert_array_equal(again.scores(observation), one.scores(observation))


def test_bad_parameters_are_refused():
    problem = Problem.of(make_env("recgym/Ecommerce-v1", "sasrec", 1))
    for name, params, message in (
        ("gru4rec", {"width": 0}, "width is 0, expected a number from 1"),
        ("gru4rec", {"dropout": 1.0}, r"dropout is 1\.0, expected a number from 0 to 0\.99"),
        ("gru4rec", {"blocks": 2}, "agent gru4rec has no parameter 'blocks'"),
        ("sasrec", {"blocks": 0}, "blocks is 0, expected a number from 1 to 8"),
        ("sasrec", {"rate": 0.0}, r"rate is 0\.0"),
    ):
        with pytest.raises(ValueError, match=message):
            make_agent(name, problem, **params)
    assert agent_class("sasrec").devices == ("cpu", "cuda", "mps")
