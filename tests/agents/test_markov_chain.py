"""The Markov chain's tables against counts by hand, over a log and online; where it stays, what it saves."""

from collections import defaultdict
from dataclasses import replace

import gymnasium
import numpy as np
import pytest
from learners import score as played
from worlds import chain_world
from zoo import log_for, make_env

from agents import Problem, Transition, load_agent, make_agent
from agents.log_histories import read_histories
from agents.loop import take
from agents.slates import credit


def agent_of(task="recgym/Ecommerce-v1", num_envs=8, **params):
    env = make_env(task, "markov", num_envs)
    return make_agent("markov", Problem.of(env), 0, **params), env


class ByHand:
    """The means of the docstring, from a list of impressions, one number after the other."""

    def __init__(self, category, smoothing):
        self.category, self.smoothing = category, smoothing
        self.rows = []

    def group(self, item):
        return "none" if item is None else self.category[item]

    def cell(self, prior, key):
        """Mean over the rows that `key` selects, with pseudo-rows at the prior."""
        values = [reward for *at, reward in self.rows if key(*at)]
        weight = len(values) + self.smoothing
        return (sum(values) + self.smoothing * prior) / weight if weight else prior

    def q0(self, a):
        mean = sum(row[2] for row in self.rows) / len(self.rows)
        return self.cell(mean, lambda j, b: b == a)

    def q1(self, j, a):
        here, there = self.group(j), self.category[a]
        found = [(b, r) for i, b, r in self.rows if self.group(i) == here and self.category[b] == there]
        residual = sum(r - self.q0(b) for b, r in found)
        return self.q0(a) + residual / max(len(found) + self.smoothing, 1e-9)

    def q2(self, j, a):
        return self.cell(self.q1(j, a), lambda i, b: self.group(i) == self.group(j) and b == a)

    def q3(self, j, a):
        return self.cell(self.q2(j, a), lambda i, b: i == j and b == a)


@pytest.mark.parametrize("smoothing", [0.0, 2.0])
def test_the_tables_are_counts_by_hand(smoothing):
    """Four items in two categories; the expected numbers of one cell are written out."""
    problem = Problem.of(make_env("recgym/Ecommerce-v1", "markov", 1))
    items = {**problem.items, "category": np.arange(30) % 2}
    agent = make_agent("markov", replace(problem, items=items), 0, smoothing=smoothing)
    reference = ByHand(np.arange(30) % 2, smoothing)
    rows = [(None, 0, 1.0), (None, 0, 0.0), (0, 2, 1.0), (0, 2, 1.0), (0, 1, 0.0), (2, 0, 1.0), (1, 3, 0.0)]
    last = np.array([30 if j is None else j for j, _, _ in rows])
    for part in (slice(0, 3), slice(3, None)):
        item, reward = (np.array([row[k] for row in rows[part]]) for k in (1, 2))
        agent.add(last[part], item, reward)
    reference.rows = rows
    for j in (None, 0, 1, 2, 5):
        found = agent.scores(after(agent, j))[0]
        np.testing.assert_allclose(found, [reference.q3(j, a) for a in range(30)], atol=1e-12)
    if smoothing:  # item 2 after item 0, by hand
        mean = 4 / 7
        q0 = (2 + 2 * mean) / (2 + 2)
        of_zero = (2 + 2 * mean) / (3 + 2)
        residual = (2 * (1 - q0) + (1 - of_zero)) / (3 + 2)  # after items 0 and 2: shown 2, 2, 0
        q2 = (2 + 2 * (q0 + residual)) / (2 + 2)
        assert agent.scores(after(agent, 0))[0, 2] == pytest.approx((2 + 2 * q2) / 4)


def after(agent, last):
    """An observation whose last response was to an item, with another item shown since."""
    problem = agent.problem
    shown, events = np.full((1, 20), problem.num_items, np.int32), np.zeros((1, 20, len(problem.event_names)))
    if last is not None:
        shown[0, -2:], events[0, -2, 0] = [last, 7], 1.0
    zeros = np.zeros((1, 3), np.float32)
    return {"user": np.zeros(1, int), "shown": shown, "events": events.reshape(1, -1), "context": zeros}


def counted(triples):
    count, total = defaultdict(float), defaultdict(float)
    for last, item, reward in triples:
        count[last, item] += 1.0
        total[last, item] += reward
    return count, total


def is_equal(agent, triples):
    for table, cells in zip((agent.count, agent.total), counted(triples), strict=True):
        assert table.sum() == pytest.approx(sum(cells.values()))
        for (last, item), value in cells.items():
            assert table[last, item] == pytest.approx(value)


@pytest.mark.parametrize("task", ["recgym/Ecommerce-v1", "recgym/ContentSlate-v1"])
@pytest.mark.parametrize("after_what", ["response", "shown"])
def test_a_log_is_counted_row_by_row(task, after_what):
    agent, _ = agent_of(task, after=after_what)
    log = log_for(task)
    agent.prepare(log, 0)
    session, step, item = (log.column(name) for name in ("session", "step", "item"))
    response, reward = log.column("click"), read_histories(agent.problem, log).reward
    triples = []
    for row in range(len(log)):
        before = [k for k in range(row) if session[k] == session[row] and step[k] < step[row]][-20:]
        answered = [k for k in before if response[k]]
        if after_what == "response":
            last = answered[-1:]
        else:  # of the last slate, the first with a response, else the top one, where there was one
            slots = agent.problem.slate_size
            in_slate = [k for k in before[-slots:] if response[k]]
            last = in_slate[:1] or before[-slots:][: len(before) >= slots]
        triples.append((item[last[0]] if last else 30, item[row], reward[row]))
    is_equal(agent, triples)


@pytest.mark.parametrize("task", ["recgym/Ecommerce-v1", "recgym/ContentSlate-v1"])
def test_own_impressions_are_counted_row_by_row(task):
    agent, env = agent_of(task)
    observation, _ = env.reset(seed=2)
    over, triples = np.zeros(8, bool), []
    for _ in range(40):
        action = agent.act(observation, explore=True)
        behind, reward, terminated, truncated, _ = env.step(action)
        rows = np.flatnonzero(~over)
        transition = Transition(
            take(observation, rows),
            action[rows],
            reward[rows],
            take(behind, rows),
            terminated[rows],
            truncated[rows],
        )
        agent.learn(transition)
        last = agent.last(transition.observation)
        for b, shares in enumerate(credit(agent.problem, transition)):
            for item, share in zip(np.atleast_1d(transition.action[b]), shares, strict=True):
                triples.append((last[b], item, share))
        observation, over = behind, terminated | truncated
    is_equal(agent, triples)
    assert len({last for last, _, _ in triples}) > 5


def test_it_walks_a_chain_where_each_item_leads_to_the_next():
    """The item that pays depends on the last response: the chain beats a mean of each item."""
    world, returns = chain_world(), {}
    env = gymnasium.make_vec("recgym/Social-v2", 64, world=world, observation="history", horizon=20)
    for name in ("markov", "epsilon-greedy"):
        agent = make_agent(name, Problem.of(env), 1, fresh=False, epsilon=0.2)
        agent.train(env, 8_000, 1)
        returns[name] = played(agent, world)
    assert returns["markov"] > 1.1 * returns["epsilon-greedy"], returns


def test_it_stays_in_the_category_that_had_a_response():
    """Also after an item that never had a response before; its category had some."""
    agent, _ = agent_of(smoothing=5.0)
    category, new = agent.category[:-1], 11
    last, item = np.random.default_rng(0).integers(0, 30, (2, 4_000))
    known = last != new
    agent.add(last[known], item[known], (category[last] == category[item]).astype(float)[known])
    for j in (3, new):
        best = agent.scores(after(agent, j))[0].argsort()[-5:]
        assert (category[best] == category[j]).all()


def test_bad_parameters_and_damaged_tables_are_refused(tmp_path):
    agent, env = agent_of()
    for params, message in (
        ({"after": "click"}, "after is 'click', allowed: 'response', 'shown'"),
        ({"smoothing": -1.0}, r"smoothing is -1\.0, expected a number from 0"),
        ({"epsilon": 1.5}, r"epsilon is 1\.5, expected a number from 0 to 1"),
    ):
        with pytest.raises(ValueError, match=message):
            make_agent("markov", agent.problem, **params)
    agent.prepare(log_for("recgym/Ecommerce-v1"), 0)
    for change, message in ((-1.0, "count has a number below 0"), (None, "indices")):
        other, _ = agent_of()
        other.prepare(log_for("recgym/Ecommerce-v1"), 0)
        if change is None:
            other.count.indices[0] = 99
        else:
            other.count.data[0] = change
        other.save(tmp_path / "agent")
        with pytest.raises(ValueError, match=message) as found:
            load_agent(tmp_path / "agent", Problem.of(env))
        assert "\n" not in str(found.value)
