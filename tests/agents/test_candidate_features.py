"""Agents that read candidate features, in friend suggestions."""

import numpy as np
import pytest
import torch
from env_helpers import world_for
from zoo import LIGHT

from agents import Problem, load_agent, make_agent
from agents.deep.states import to_states
from agents.deep.top_k_search import TopKSearch
from agents.deep.towers import Towers
from recgym.logs import sample_log
from recgym.rollout.play import make_vector

NOW, BEFORE = "recgym/SocialFriends-v3", "recgym/SocialFriends-v2"
READERS = {
    "friends": {},
    "linucb": {"mode": "shared"},
    "lints": {"mode": "shared"},
    "logistic": {},
    "deep-cf": LIGHT["deep-cf"],
    "dcf-dqn": LIGHT["dcf-dqn"],
}


def env_for(num=16, env_id=NOW):
    return make_vector(env_id, num, world=world_for(NOW), n_items=12, observation="history")


def after_steps(env, steps=4, seed=1):
    """The observation after some random steps; some candidates have refused, some have accepted."""
    observation, _ = env.reset(seed=seed)
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        observation = env.step(rng.integers(0, 12, env.num_envs))[0]
    return observation


def trained(name, env, budget=600):
    agent = make_agent(name, Problem.of(env), 3, **READERS[name])
    agent.bind(env)
    agent.prepare(sample_log(env, sessions=60, seed=5), 4)
    agent.train(env, budget, 6)
    return agent


@pytest.mark.filterwarnings("ignore:.*is out of date")
def test_history_holds_the_candidates_of_the_features():
    env = make_vector(NOW, 8, world=world_for(NOW), n_items=12, observation="features+history")
    observation = after_steps(env)
    found = observation["candidates"]
    np.testing.assert_array_equal(found, observation["features"][:, -60:])
    assert found.reshape(8, 5, 12).max(axis=(0, 2)).min() > 0.0, "every feature is somewhere above 0"
    assert "candidates" not in after_steps(env_for(env_id=BEFORE))


def test_towers_value_all_candidates_as_one_at_a_time():
    env = env_for()
    torch.manual_seed(0)
    towers = Towers(Problem.of(env), width=8, hidden=16, encoder="recurrent")
    for weights in towers.parameters():
        torch.nn.init.normal_(weights, std=0.3)
    observation = after_steps(env)
    states = to_states(observation, torch.device("cpu"))
    with torch.no_grad():
        values = towers.values(states)
        one_by_one = torch.cat(
            [towers.values_of(states, torch.full((16, 1), item)) for item in range(12)], dim=1
        )
        blind = towers.values(states._replace(candidates=states.context.new_zeros((16, 0, 0))))
    torch.testing.assert_close(values, one_by_one)
    assert (values - blind).abs().max() > 0.1
    best = TopKSearch(towers).best(states, 3)
    torch.testing.assert_close(values.gather(1, best), values.topk(3, dim=1).values)


@pytest.mark.parametrize("name", sorted(set(READERS) - {"friends"}))
def test_explanations_sum_to_scores(name):
    env = env_for()
    agent = trained(name, env)
    observation = after_steps(env)
    action = agent.act(observation)
    parts = agent.explain(observation, action)
    expected = agent.scores(observation)[np.arange(16), action]
    assert [sum(each.values()) for each in parts] == pytest.approx(expected, abs=1e-4)
    if name != "deep-cf":  # it learns from a log, which has no candidate features
        assert any("friends in common" in key for key in parts[0])


@pytest.mark.parametrize("name", sorted(READERS))
def test_a_saved_agent_acts_as_before(name, tmp_path):
    env = env_for()
    agent = trained(name, env)
    agent.save(tmp_path / "agent")
    again = load_agent(tmp_path / "agent", env)
    observation = after_steps(env)
    np.testing.assert_array_equal(again.act(observation), agent.act(observation))


def test_a_restored_replay_holds_the_candidates():
    env = env_for()
    agent = trained("dcf-dqn", env)
    state = agent.training_state()
    again = make_agent("dcf-dqn", Problem.of(env), 3, **READERS["dcf-dqn"])
    again.restore(agent.state())
    again.restore_training(state, 16)
    draws = [each.ring.sample(9, 1, 0.8, torch.Generator().manual_seed(1)) for each in (agent, again)]
    assert draws[0].states.candidates.shape == (9, 5, 12)
    assert draws[0].states.candidates.abs().sum() > 0
    torch.testing.assert_close(draws[0].states.candidates, draws[1].states.candidates)
    state["ring.candidates"] = state["ring.candidates"][..., :-1]
    with pytest.raises(ValueError, match="replay: candidates is float32"):
        again.restore_training(state, 16)


def test_friends_suggests_whom_most_friends_know():
    env = env_for()
    agent = make_agent("friends", Problem.of(env), 0, fresh=False)
    agent.prepare(sample_log(env, sessions=20, seed=5), 4)
    observation = after_steps(env, steps=0)
    in_common = observation["candidates"].reshape(16, 5, 12)[:, 0]
    shown = agent.act(observation)
    np.testing.assert_array_equal(in_common[np.arange(16), shown], in_common.max(axis=1))


@pytest.mark.filterwarnings("ignore:.*is out of date")
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("linucb", {"mode": "shared"}),
        ("lints", {"mode": "shared"}),
        ("logistic", {}),
        ("dcf-dqn", {"epochs": 0, "warmup": 100, "steps_per_update": 16, "online_rate": 5e-3}),
    ],
)
def test_scores_follow_the_true_rates(name, settings):
    """Rank correlation with the true probabilities of acceptance, within sessions; blind agents know the kind alone."""

    def correlation(env_id):
        env = make_vector(env_id, 64, observation="history")
        agent = make_agent(name, Problem.of(env), 3, **settings)
        agent.bind(env)
        agent.prepare(sample_log(env, sessions=60, seed=5), 4)
        agent.train(env, 8_000, 6)
        observation, _ = env.reset(seed=99)
        truth, scores = env.unwrapped.privileged().expected_reward(), agent.scores(observation)
        ranks = (np.argsort(np.argsort(each, axis=1), axis=1) for each in (truth, scores))
        return np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(*ranks, strict=True)])

    assert correlation(NOW) > correlation(BEFORE) + 0.15
