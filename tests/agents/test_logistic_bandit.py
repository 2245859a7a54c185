"""The logistic bandit: places of its weights, draws, user features, and what it saves."""

from dataclasses import replace

import gymnasium
import numpy as np
import pytest
from worlds import LIKED, OWN, lopsided_log, two_tastes
from zoo import log_for, make_env

from agents import Problem, load_agent, make_agent
from agents.bandits.logistic_bandit import Crosses


def agent_of(task="recgym/Ecommerce-v1", num_envs=8, **params):
    """A prepared agent and its environment."""
    env = make_env(task, "logistic", num_envs)
    agent = make_agent("logistic", Problem.of(env), 0, user_features=True, **params)
    agent.prepare(log_for(task), 0)
    return agent, env


@pytest.mark.parametrize("bits", [20, 8])
def test_every_feature_has_its_place(bits):
    """Pairs may share places where there are fewer than pairs; all others have one of their own."""
    category = np.array([0, 1, 1, 2] * 8)
    crosses = Crosses(category, bits, 3, 2)
    last, item = (grid.ravel() for grid in np.meshgrid(np.arange(33), np.arange(32), indexing="ij"))
    places, values = crosses.rows(
        last, item, np.tile([2.0, 3.0, 4.0], (len(item), 1)), np.tile([5.0, 6.0], (len(item), 1))
    )
    assert places.shape == values.shape == (33 * 32, 14)
    assert (np.diff(np.sort(places, axis=1), axis=1) > 0).all()  # none twice in a row
    assert (places.min(), places.max()) == (0, crosses.size - 1)
    np.testing.assert_array_equal(values, np.tile([1, 1, 1, 1, 1, 1, 2, 3, 4, 2, 3, 4, 5, 6], (len(item), 1)))
    group = np.append(category, 3)[last]
    keys = [0 * item, item, category[item], group * 32 + item, group * 3 + category[item], last * 32 + item]
    keys += [category[item]] * 3 + [item] * 3 + [0 * item] * 2
    seen = set()
    for column, key in enumerate(keys):
        mine = {(int(place), int(k)) for place, k in zip(places[:, column], key, strict=True)}
        if column != 5 or bits == 20:
            assert len({place for place, _ in mine}) == len(mine) == len(np.unique(key))
        else:
            assert 200 < len({place for place, _ in mine}) <= 256
        assert not seen & {place for place, _ in mine}
        seen |= {place for place, _ in mine}
    own = crosses.item_places(np.array([5, 32]))
    rows = (last == 5) | (last == 32)
    for part, column in zip(own, (1, 3, 5), strict=True):
        np.testing.assert_array_equal(np.broadcast_to(part, (2, 32)).ravel(), places[rows, column])


@pytest.mark.parametrize("task", ["recgym/Ecommerce-v1", "recgym/ContentSlate-v1"])
def test_scores_are_the_weights_of_the_features(task, tmp_path):
    agent, env = agent_of(task)
    observation, _ = env.reset(seed=0)
    for _ in range(4):
        observation, *_ = env.step(agent.act(observation))
    last = np.repeat(last_of(observation, 30), 30)
    item, users = np.tile(np.arange(30), 8), np.repeat(agent.users[observation["user"]], 30, axis=0)
    places, values = agent.crosses.rows(last, item, users, np.zeros((len(item), 0)))
    logits = (agent.model.weights[places] * values).sum(axis=1)
    np.testing.assert_allclose(agent.scores(observation).ravel(), logits, atol=1e-8)
    assert len(np.unique(last)) > 1
    assert agent.users.shape[1] == 2
    agent.save(tmp_path / "agent")
    again = load_agent(tmp_path / "agent", agent.problem)
    np.testing.assert_array_equal(again.scores(observation), agent.scores(observation))


def last_of(observation, num_items):
    """The last item with a response, one history after the other."""
    found = []
    for shown, events in zip(observation["shown"], observation["events"], strict=True):
        responded = events.reshape(20, -1)[:, 0]
        items = [
            item for item, response in zip(shown, responded, strict=True) if response and item < num_items
        ]
        found.append(items[-1] if items else num_items)
    return np.array(found)


def test_draws_scatter_as_the_diagonal_laplace_approximation():
    """Differences of items, because a draw of the constant changes no order and is left out."""
    agent, env = agent_of(num_envs=1, scale=1.0)
    observation, _ = env.reset(seed=0)
    observation, *_ = env.step(agent.act(observation))
    draws = np.concatenate([agent.draw(observation) for _ in range(20_000)])
    places, values = agent.crosses.rows(
        np.repeat(last_of(observation, 30), 30),
        np.arange(30),
        np.repeat(agent.users[observation["user"]], 30, axis=0),
        np.zeros((30, 0)),
    )
    design = np.zeros((30, agent.crosses.size))
    np.put_along_axis(design, places, values, axis=1)
    variance = agent.model.dispersion / agent.model.precision
    differences = design[1:] - design[0]
    expected = (differences**2 * variance).sum(axis=1)
    found = draws[:, 1:] - draws[:, :1]
    np.testing.assert_allclose(found.var(axis=0), expected, rtol=0.08)
    centre = (agent.scores(observation)[:, 1:] - agent.scores(observation)[:, :1])[0]
    np.testing.assert_allclose(found.mean(axis=0), centre, atol=5 * np.sqrt(expected.max() / 20_000))


def test_epsilon_is_the_share_of_random_slates():
    agent, env = agent_of(num_envs=2_000, explore="epsilon", epsilon=0.3, fresh=False)
    observation, _ = env.reset(seed=0)
    same = agent.act(observation, explore=True) == agent.act(observation)
    assert same.mean() == pytest.approx(0.7 + 0.3 / 30, abs=4 * np.sqrt(0.21 / 2_000))


def test_features_of_the_user_choose_the_item():
    """Two groups by a public feature, in a log of some of the users"""
    world = two_tastes()
    feature = np.where(np.arange(20) < 17, 1.0, -1.0)[:, None]
    world = replace(world, user_features=feature.astype(np.float32), user_feature_names=("group",))
    log = lopsided_log(world, 4_000)
    known = np.isin(np.arange(20), [0, 1, 2, 3, 18])
    log = replace(log, rows=log.rows.filter(known[log.column("user")]))
    env = gymnasium.make_vec("recgym/Social-v2", 20, world=world, observation="history")
    observation, _ = env.reset(seed=0)
    observation["user"] = np.arange(20)
    agent = make_agent("logistic", Problem.of(env), 0, passes=5, user_features=True)
    agent.prepare(log, 0)
    np.testing.assert_array_equal(agent.act(observation), np.repeat([LIKED, OWN], [17, 3]))
    blind = make_agent("logistic", Problem.of(env), 0, passes=5)
    blind.prepare(log, 0)
    assert (blind.act(observation) == LIKED).all()


def test_bad_parameters_are_refused():
    problem = Problem.of(make_env("recgym/Ecommerce-v1", "logistic", 1))
    for params, message in (
        ({"explore": "ucb"}, "explore is 'ucb', allowed: 'thompson', 'epsilon'"),
        ({"alpha": 0.0}, r"alpha is 0\.0, expected a number from 1e-09"),
        ({"l2": 0.0}, r"l2 is 0\.0"),
        ({"l1": -1.0}, r"l1 is -1\.0, expected a number from 0"),
        ({"bits": 40}, "bits is 40, expected a number from 8 to 26"),
        ({"passes": 0}, "passes is 0, expected a number from 1"),
    ):
        with pytest.raises(ValueError, match=message):
            make_agent("logistic", problem, **params)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda agent: agent.model.precision.fill(0.0), "precision leaves"),
        (lambda agent: agent.model.squares.fill(-1.0), "squares leaves"),
        (lambda agent: setattr(agent, "users", agent.users[:, :1]), "weights for 50 users, this task needs"),
        (
            lambda agent: setattr(agent, "users", agent.users[:7]),
            "weights for 7 users, this task needs .* for 50",
        ),
    ],
)
def test_a_damaged_agent_is_refused(change, message, tmp_path):
    agent, env = agent_of()
    change(agent)
    agent.save(tmp_path / "agent")
    with pytest.raises(ValueError, match=message) as found:
        load_agent(tmp_path / "agent", Problem.of(env))
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("passes", [1, 4])
def test_rows_of_several_passes_count_once_for_the_spread_of_draws(passes):
    """A row adds p (1 - p), at most 1/4, to the precision of a weight with x = 1."""
    agent, _ = agent_of(passes=passes)
    rows = len(log_for("recgym/Ecommerce-v1"))
    assert 0.5 < agent.model.precision.max() <= 0.25 * rows + agent.model.rates.l2
    assert agent.model.misfit[1] == rows + 1
