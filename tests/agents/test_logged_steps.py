"""Double DQN on the steps of a log: its transitions by hand, and a world where it plans before its first own step."""

import gymnasium
import numpy as np
import pytest
import torch
from dcf_networks import SMALL, history_env
from worlds import two_intents, two_intents_optimum

from agents import Problem, judge, make_agent
from agents.deep.logged_steps import LoggedSteps, steps_of
from agents.deep.states import to_states
from agents.log_histories import read_histories
from agents.loop import run
from agents.torch_utils import pick_device
from recgym.logs.sample import sample_log
from recgym.sim.synthetic import synthetic

STAY = 0.95  # of the world's users


def by_hand(log, slots, horizon):
    """Rows of each kept step, rows of the next one, and whether the session ended."""
    session, step = log.column("session"), log.column("step")
    kept = []
    for name in dict.fromkeys(session.tolist()):
        steps = [np.flatnonzero((session == name) & (step == t)) for t in sorted(set(step[session == name]))]
        for t, rows in enumerate(steps):
            ends = t == len(steps) - 1
            if len(rows) == slots and not (ends and len(steps) == horizon):
                kept.append((rows, rows if ends else steps[t + 1], ends))
    return kept


@pytest.mark.parametrize("slots", [1, 3])
def test_steps_by_hand(slots):
    world = synthetic(domain="content", num_items=9)
    problem = Problem.of(history_env(world, 2, "recgym/ContentSlate-v1", slate_size=slots))
    log = sample_log(world, "random", 40, 3, slate_size=slots, horizon=4)
    histories = read_histories(problem, log)
    expected = by_hand(log, slots, log.horizon)
    begins, after, ended = steps_of(histories, slots, log.horizon, 10**6)
    assert begins.tolist() == [rows[0] for rows, _, _ in expected]
    assert after.tolist() == [rows[0] for _, rows, _ in expected]
    assert ended.tolist() == [ends for _, _, ends in expected]
    assert 0 < ended.sum() < 40  # some sessions were cut at the horizon
    assert len(steps_of(histories, slots, None, 10**6)[0]) == len(expected) + 40 - ended.sum()
    assert steps_of(histories, slots, log.horizon, 5)[0].tolist() == begins[-5:].tolist()


def test_slates_of_another_size_are_left_out():
    world = synthetic(domain="content", num_items=9)
    problem = Problem.of(history_env(world, 2, "recgym/ContentSlate-v1", slate_size=3))
    log = sample_log(world, "random", 10, 3, slate_size=2)
    histories = read_histories(problem, log)
    assert not len(steps_of(histories, 3, 50, 10**6)[0])
    agent = make_agent("dcf-dqn", problem, 0, epochs=1, offline_updates=5, **SMALL)
    assert agent.prepare(log, 2)["offline_rows"] == len(log)  # the reward is learnt, and no more


def test_a_sample_has_what_happened_and_the_state_after_it():
    world = synthetic(domain="content", num_items=9)
    problem = Problem.of(history_env(world, 2, "recgym/ContentSlate-v1", slate_size=3))
    log = sample_log(world, "random", 40, 3, slate_size=3, horizon=4)
    histories = read_histories(problem, log)
    steps = LoggedSteps.of_log(problem, histories, log.horizon, 10**6, pick_device("cpu"))
    expected = by_hand(log, 3, log.horizon)
    sample = steps.sample(200, 5, 0.9, torch.Generator().manual_seed(0))
    for i, place in enumerate(sample.place[0].tolist()):
        rows, following, ends = expected[place]
        assert sample.action[i].tolist() == histories.item[rows].tolist()
        np.testing.assert_allclose(sample.credit[i], histories.reward[rows], rtol=1e-6)
        assert sample.response[i].tolist() == (histories.events[rows, 0] > 0).tolist()
        assert float(sample.bootstrap[i]) == pytest.approx(0.0 if ends else 0.9)
        for states, row in ((sample.states, rows[:1]), (sample.after, following[:1])):
            own = to_states(histories.observation(row, problem.num_items), pick_device("cpu"))
            for name, value in own._asdict().items():
                torch.testing.assert_close(getattr(states, name)[i : i + 1], value, msg=name)
    assert not sample.later.any()
    assert sample.weight.all()


def test_each_update_on_the_replay_is_followed_by_one_on_the_log(monkeypatch):
    """Also after training was saved and restored."""
    world = synthetic(domain="content", num_items=9)
    env = history_env(world, 8, "recgym/ContentSlate-v1", slate_size=3)
    log = sample_log(world, "random", 40, 3, slate_size=3, horizon=4)
    sizes = {"epochs": 1, "offline_updates": 2, "warmup": 8, "steps_per_update": 8, **SMALL}
    agent, other = (make_agent("dcf-dqn", Problem.of(env), 0, **sizes) for _ in range(2))
    agent.prepare(log, 0)
    sources = []
    kept = type(agent)._update
    monkeypatch.setattr(
        type(agent), "_update", lambda self, from_: sources.append(from_) or kept(self, from_)
    )
    run(agent, env, 24, seed=1)
    assert [id(each) for each in sources] == [id(each) for each in (agent.ring, agent.logged_steps)] * 3
    assert agent.counts[1] == 3
    state = agent.training_state()
    other.restore(agent.state())
    other.restore_training(state, 8)
    for name, value in other.training_state().items():
        np.testing.assert_array_equal(value, state[name], err_msg=name)
    drawn = (
        each.logged_steps.sample(50, 1, 0.9, torch.Generator().manual_seed(0)) for each in (agent, other)
    )
    for own, again in zip(*drawn, strict=True):
        torch.testing.assert_close(own, again)
    wrong = {**state, "steps.after": state["steps.after"] + len(state["steps.user"])}
    with pytest.raises(ValueError, match="steps of the log: after"):
        other.restore_training(wrong, 8)


@pytest.mark.slow
def test_it_plans_from_a_log_alone():
    """Item 8 pays less than item 3 now, and leads to where item 4 pays twice as much."""
    best, myopic = two_intents_optimum(STAY, 20)
    env = gymnasium.make_vec("recgym/Social-v2", 64, world=two_intents(), observation="history", horizon=20)
    log = sample_log(env, "random", 800, 1)
    found = {}
    for updates in (0, 500):
        rates = {"online_rate": 3e-3, "discount": 0.8, "offline_updates": updates, "fresh": False}
        agent = make_agent("dcf-dqn", Problem.of(env), 0, epochs=3, batch_size=128, **rates, **SMALL)
        agent.prepare(log, 2)
        found[updates] = judge(agent, env, 300, 10**6)["return"]["mean"]
    print(f"{found}, best {best:.2f}, myopic {myopic:.2f}")
    assert found[0] < 0.7 * best
    assert found[500] > 0.85 * best


def test_without_a_discount_nothing_is_planned():
    env = history_env(synthetic(domain="social", num_items=9), 8)
    log = sample_log(env, "random", 30, 1)
    scores = []
    for updates in (0, 5):
        given = {"discount": 0.0, "offline_updates": updates, "epochs": 1}
        agent = make_agent("dcf-dqn", Problem.of(env), 0, **given, **SMALL)
        agent.prepare(log, 2)
        scores.append(agent.scores(env.reset(seed=1)[0]))
    np.testing.assert_array_equal(*scores)
