"""Explanations of the decoder where it is known what the answer depends on."""

import gymnasium
import numpy as np
import pytest
import torch
from worlds import two_intents

from agents import Problem, make_agent
from agents.generative.decisions import Decisions
from agents.generative.decoder_shares import input_shares, mean_tokens, place_names

ANSWER = 17  # place of the history, 3 back, whose click decides
LENGTH = 20


def vector(world, num_envs):
    return gymnasium.make_vec("recgym/Social-v2", num_envs, world=world, observation="history", horizon=20)


def asking(problem, count, rng):
    """Decisions with random histories, and the reward that follows the rule."""
    num_items, events = problem.num_items, len(problem.event_names)
    happened = rng.integers(2, size=(count, LENGTH, events)).astype(np.uint8)
    answer = happened[:, ANSWER, :1]
    return Decisions(
        user=np.zeros(count, np.int32),
        items=rng.integers(num_items, size=(count, LENGTH)).astype(np.int32),
        events=happened,
        context=np.zeros((count, 3), np.float32),
        slate=rng.integers(num_items, size=(count, 1)),
        credit=(0.15 + 0.7 * answer).astype(np.float32),
        happened=np.repeat(answer[:, None], events, axis=2),
        weight=np.ones((count, 1), np.float32),
        later=np.zeros(count, np.float32),
        known=np.zeros(count, np.uint8),
        allowed=np.zeros((count, 0), np.uint8),
    )


@pytest.fixture(scope="module")
def asked():
    """An agent after rewards of .85 if the third item back was clicked and of .15 if not, and what it was asked."""
    env = vector(two_intents(), 64)
    agent = make_agent("genrec", Problem.of(env), 0, width=16, layers=1, candidates=4, fresh=False)
    rng = np.random.default_rng(0)
    optimizer = torch.optim.AdamW(agent.model.parameters(), lr=1e-2)
    for _ in range(120):
        decisions = asking(agent.problem, 128, rng)
        optimizer.zero_grad()
        agent.loss_of(decisions, rewarded=False).backward()
        optimizer.step()
    agent.is_learnt = True
    return agent, asking(agent.problem, 64, rng)


@pytest.mark.slow
def test_the_place_that_decides_has_the_largest_share(asked):
    """A clicked place is worth the difference of the two logits, up to what the mean item is worth; others nothing."""
    agent, decisions = asked
    states, items = decisions.states(torch.device("cpu")), torch.as_tensor(decisions.slate)
    inputs = agent.model.inputs(states, items, agent.trie)

    def score(inputs):
        return agent._score_of(states, items, inputs)

    gains = score(inputs)[:, 0].detach().numpy()
    clicked = decisions.events[:, ANSWER, 0] > 0
    assert gains[clicked].min() > gains[~clicked].max()  # it has learnt the rule
    mean = mean_tokens(agent.model, states, items, agent.trie)
    shares = input_shares(inputs, mean, score).numpy()
    own, others = shares[:, 1 + ANSWER], np.delete(shares[:, 1 : inputs.past], ANSWER, axis=1)
    assert np.abs(others).max() < 0.2 * np.median(own[clicked])
    assert own[clicked].min() > own[~clicked].max()
    np.testing.assert_allclose(
        np.median(own[clicked]) - np.median(own[~clicked]),
        gains[clicked].mean() - gains[~clicked].mean(),
        rtol=0.1,
    )


@pytest.mark.slow
def test_explanations_name_the_place(asked):
    agent, decisions = asked
    seen = {
        "user": decisions.user,
        "shown": decisions.items,
        "events": decisions.events.reshape(64, -1).astype(np.float32),
        "context": decisions.context,
    }
    why = agent.explain(seen, decisions.slate[:, 0])
    total = np.take_along_axis(agent.scores(seen), decisions.slate, axis=1)[:, 0]
    np.testing.assert_allclose([sum(each.values()) for each in why], total, atol=1e-5)
    clicked = np.flatnonzero(decisions.events[:, ANSWER, 0])
    for b in clicked:
        past = {name: value for name, value in why[b].items() if " back: " in name}
        item, what = decisions.items[b, ANSWER], agent.problem.event_names[0]
        assert max(past, key=past.get).startswith(f"3 back: item {item} ({what}")
    assert len(clicked) > 20


def test_padding_has_no_share_and_the_session_its_name():
    env = vector(two_intents(), 8)
    agent = make_agent("genrec", Problem.of(env), 0, width=16, layers=1)
    decisions = asking(agent.problem, 3, np.random.default_rng(0))
    decisions.items[1, :18] = agent.problem.num_items
    decisions.items[2] = agent.problem.num_items
    states, items = decisions.states(torch.device("cpu")), torch.as_tensor(decisions.slate)
    inputs = agent.model.inputs(states, items, agent.trie)

    def score(inputs):
        return agent._score_of(states, items, inputs)

    mean = mean_tokens(agent.model, states, items, agent.trie)
    assert mean.shape == inputs.tokens.shape
    shares = input_shares(inputs, mean, score)
    found = [place_names(agent.problem, states, items, agent.trie, inputs.past, b) for b in range(3)]
    assert found[0][0] == found[1][18] == found[2][20] == "session"
    assert found[1][19].startswith(f"2 back: item {decisions.items[1, 18]}")
    assert not shares[1, :18].any()
    assert not shares[2, :20].any()
    assert all(len(each) == shares.shape[1] for each in found)
