"""What a picture says is what the environment returned."""

import gymnasium as gym
import numpy as np
import pytest
from env_helpers import IDS, content

from agents import make_agent
from recgym.envs.session_view import view_of, word


def shown_items(env, action):
    """Items of the slate; of a whole page the one clicked, else the one named."""
    if env.arguments.pages:
        return [int(env._engine.last_slate[0, 0])]
    return np.atleast_1d(action).tolist()


@pytest.mark.parametrize("env_id", IDS)
def test_a_view_says_what_step_returned(env_id):
    env = gym.make(env_id, render_mode="ansi").unwrapped
    env.action_space.seed(5)
    for seed in range(4):
        env.reset(seed=seed)
        total = 0.0
        for step in range(1, 8):
            action = env.action_space.sample()
            _, reward, terminated, truncated, info = env.step(action)
            total += reward
            view = view_of(env._record, 0, env.arguments)
            assert [card.item for card in view.cards] == shown_items(env, action)
            for name in env.event_names:
                assert sum(word(name) in card.events for card in view.cards) == info[name]
            assert sum(card.is_repeat for card in view.cards) == info["repeats"]
            assert (view.step, view.rewards[-1], view.left) == (step, reward, terminated)
            assert sum(view.rewards) == pytest.approx(total)
            assert view.user == str(info["user"])
            assert len(view.earlier) == (step - 1 if env.action_space.shape == () else 0)
            if terminated or truncated:
                assert view.end
                break


def test_a_view_names_environment_world_reward_and_the_agent_of_the_step():
    env = gym.make("recgym/ContentSlate-v1", render_mode="ansi", observation="history", reward="clicks")
    agent = make_agent("random", env)
    assert agent.env is env
    face = env.unwrapped
    observation, _ = env.reset(seed=1)
    view = view_of(face._record, 0, face.arguments)
    assert (view.title, view.agent, view.reward) == ("ContentSlate-v1, world content-2", "", "clicks")
    env.step(agent.act(observation))
    view = view_of(face._record, 0, face.arguments)
    assert view.agent == "random"
    assert env.render().startswith("ContentSlate-v1, world content-2, agent random ")
    assert "rewards (clicks) " in env.render()
    env.step(env.action_space.sample())  # by no agent
    assert view_of(face._record, 0, face.arguments).agent == ""


def test_a_vector_names_the_agent_and_weights_of_ones_own():
    envs = gym.make_vec(
        "recgym/Ecommerce-v1",
        2,
        render_mode="ansi",
        observation="tabular",
        reward={"click": 1.0, "cart": 2.0},
    )
    agent = make_agent("ucb1", envs)
    observation, _ = agent.env.reset(seed=1)
    agent.env.step(agent.act(observation, explore=True))
    for text in agent.env.render():
        assert text.startswith("Ecommerce-v1, world ecommerce-2, agent ucb1 ")
        assert "rewards (own weights) " in text


def test_the_features_of_a_user_are_words_and_values():
    env = gym.make("recgym/Content-v1", render_mode="ansi").unwrapped
    _, info = env.reset(seed=1)
    names = env.privileged().world.user_feature_names
    row = dict(zip(names, env.user_features[info["user"]].tolist(), strict=True))
    shown = dict(view_of(env._record, 0, env.arguments).features)
    (degree,) = [name for name in row if name.startswith("user_active_degree=") and row[name] > 0]
    assert shown["active degree"] == degree.partition("=")[2].replace("_", " ")
    assert shown["is video author"] == {1: "yes", -1: "no"}[row["is_video_author"]]
    assert shown["register days"] == row["register_days"]


def test_hours_are_a_clock_and_other_contexts_a_word():
    env = content(render_mode="ansi").unwrapped
    _, info = env.reset(seed=2)
    view = view_of(env._record, 0, env.arguments)
    assert (view.hour, view.clock) == (info["context_index"], f"{info['context_index']:02d}:00")


def test_unwanted_events_are_marked():
    env = content(render_mode="ansi").unwrapped
    env.reset(seed=2)
    env.step(0)
    feedback = env._record.steps(0)[-1].feedback
    feedback.events[0, 0] = 1 << env.event_names.index("hate")
    (card,) = view_of(env._record, 0, env.arguments).cards
    assert card.events == card.unwanted == ("hate",)


def test_a_page_is_a_card_with_the_item_that_was_clicked():
    env = gym.make("recgym/Ecommerce-v1", world="ecommerce-2", pages=True, render_mode="ansi").unwrapped
    table = env.items
    clicks = 0
    for seed in range(12):
        env.reset(seed=seed)
        _, _, _, _, info = env.step(seed)
        (card,) = view_of(env._record, 0, env.arguments).cards
        on_page = (table["category"] == table["category"][seed]) & (table["page"] == table["page"][seed])
        assert card.name == f"page {table['page'][seed]}, {on_page.sum()} items"
        assert bool(card.events) == bool(info["click"]) == bool(card.details)
        if card.events:
            clicks += 1
            assert on_page[card.item]
            assert card.details[0] == f"item {card.item}"
    assert clicks
