"""Friend requests: candidates, acceptance and edges against an implementation with dense matrices."""

import math

import gymnasium as gym
import numpy as np
import pytest
from frequencies import check_frequencies, engine_of, z_score
from reference import acceptance, friends_with_item

from recgym.jit import njit
from recgym.logs.sample import sample_log
from recgym.sim import friend_items, user_pairs
from recgym.sim.common_items import common_items, mark_library
from recgym.sim.engine import Engine
from recgym.sim.friend_items import category_shares, friend_counts
from recgym.sim.friend_requests import (
    COMMON_SCALE,
    FRIENDS_SCALE,
    KINDS,
    SCALED_COMMON,
    SCALED_FRIENDS,
    are_friends,
    common_friends,
    friend_request_world,
    min_one,
    most_candidates,
    num_friends_with_item,
)
from recgym.sim.reward_arrays import make_reward
from recgym.sim.session import affinity
from recgym.sim.session_arrays import session_arrays
from recgym.sim.synthetic import synthetic
from recgym.sim.user_pairs import TAKEN, count_pairs

WORLD = synthetic(1, domain="social")


def dense(world):
    """The graph as a matrix (U, U)."""
    a = world.arrays
    edge = np.zeros((world.num_users, world.num_users))
    edge[np.repeat(np.arange(world.num_users), np.diff(a.friend_start)), a.friend] = 1
    return edge


def engine(num, candidates=20, world=WORLD, **changes):
    friends = friend_request_world(world.with_params(**changes), candidates)
    return engine_of(friends, num, reward=make_reward(friends, {"connect": 1.0}), horizon=30)


def test_the_graph_equals_a_dense_matrix():
    a, edge = WORLD.arrays, dense(WORLD)
    likes = np.zeros((WORLD.num_users, WORLD.num_items), int)
    np.put_along_axis(likes, a.library, 1, axis=1)
    both, shared, counted = edge @ edge, likes @ likes.T, friends_with_item(a)
    sessions = session_arrays(1, 1, 1, 9)
    for u in range(0, WORLD.num_users, 7):
        sessions.user[0] = u
        mask = mark_library(a, sessions, 0)
        for v in range(WORLD.num_users):
            assert are_friends(a, u, v) == edge[u, v]
            assert common_friends(a, u, v) == both[u, v]
            assert common_items(a, sessions, 0, v, mask) == shared[u, v]
        for item in range(WORLD.num_items):
            assert num_friends_with_item(a, u, item) == counted[u, item]
    pairs = count_pairs(a)
    np.testing.assert_array_equal(pairs.items, shared)
    is_taken = (edge > 0) | np.eye(WORLD.num_users, dtype=bool)
    np.testing.assert_array_equal(pairs.friends, np.where(is_taken, TAKEN, both))


def test_candidates_are_the_same_without_tables(monkeypatch):
    """In worlds of many users pairs are counted when they are asked for."""
    drawn = []
    for most in (user_pairs.MOST_USERS, WORLD.num_users - 1):
        monkeypatch.setattr(user_pairs, "MOST_USERS", most)
        monkeypatch.setattr(user_pairs, "_latest", {})
        simulator = engine(64)
        assert len(simulator.simulation.pairs.items) == (WORLD.num_users if not drawn else 0)
        s = simulator.sessions
        drawn.append([each.copy() for each in (s.candidate, s.shared, s.tie, s.refused)])
    for with_tables, without in zip(*drawn, strict=True):
        np.testing.assert_array_equal(with_tables, without)


@njit()
def _scaled(count, scale):
    return min_one(math.log(1.0 + count) / scale)


def test_scaled_counts_are_those_of_compiled_code():
    for table, scale in ((SCALED_COMMON, COMMON_SCALE), (SCALED_FRIENDS, FRIENDS_SCALE)):
        assert [_scaled(n, scale) for n in range(len(table))] == table.tolist()
        assert table[-1] == _scaled(10_000, scale) == 1.0


@pytest.mark.slow
def test_response_frequencies_with_influence_match_their_probabilities():
    check_frequencies(WORLD.with_params(omega=0.7), 1, 100_000, steps=2)
    alone = synthetic(1, domain="content").with_params(omega=3.0)  # no graph, no influence
    check_frequencies(alone.with_params(omega=0.0), 1, 2_000, steps=1)
    assert num_friends_with_item(alone.arrays, 0, 0) == 0


def test_candidates_are_other_users_of_their_kind():
    run, edge = engine(400), dense(WORLD)
    s, kinds = run.sessions, run.world.arrays.category
    for b in range(run.num):
        assert len(set(s.candidate[b])) == 20
        assert s.user[b] not in s.candidate[b]
        assert not edge[s.user[b], s.candidate[b]].any()
    np.testing.assert_array_equal(s.tie, np.take_along_axis((edge @ edge)[s.user], s.candidate, 1))
    assert [KINDS[k] for k in np.unique(kinds)] == list(KINDS)
    assert np.bincount(kinds).tolist() == [8, 6, 6]
    assert (s.tie[:, kinds == 0] > 0).mean() > 0.95 > (s.tie[:, kinds == 2] > 0).mean()
    assert s.shared[:, kinds == 1].mean() > s.shared[:, kinds == 2].mean() + 0.5


def test_acceptance_frequencies_match_the_equation_and_add_edges():
    run = engine(100_000, leave_bias=-60.0)
    rng, rows = np.random.default_rng(0), np.arange(run.num)
    kept = rows[:500]  # sessions whose graph is followed as a matrix
    graph = np.repeat(dense(WORLD)[None], len(kept), axis=0)
    for _ in range(6):
        before = run.snapshot()
        p = 1.0 / (1.0 + np.exp(-logits(run)))
        few = type(before)(*(array[kept] for array in before))
        np.testing.assert_allclose(run.expected_reward(), p, atol=1e-9)
        np.testing.assert_allclose(p[kept], acceptance(run.world, graph, few), atol=1e-6)
        slate = rng.integers(0, 20, (run.num, 1))
        feedback = run.step(slate)
        assert abs(z_score(feedback.events[:, 0], p[rows, slate[:, 0]])) < 4
        np.testing.assert_array_equal(feedback.reward, feedback.events[:, 0])
        new = kept[feedback.events[kept, 0] == 1]
        ends = before.user[new], before.candidate[new, slate[new, 0]]
        graph[new, ends[0], ends[1]] = graph[new, ends[1], ends[0]] = 1
        assert (run.sessions.tie[new, slate[new, 0]] == -1).all()
    assert (run.sessions.tie > before.tie).any()


def logits(run):
    out = np.zeros(run.sessions.candidate.shape)
    fill(run.world.arrays, run.sessions, out)
    return out


@njit()
def fill(w, s, out):
    for b in range(out.shape[0]):
        for c in range(out.shape[1]):
            out[b, c] = affinity(w, s, b, c)


def test_an_accepted_friend_is_masked_and_observed():
    env = gym.make("recgym/SocialFriends-v3", world=WORLD.with_params(connect_bias=60.0, leave_bias=-60.0))
    env.reset(seed=0)
    count = int(env.action_space.n)
    assert env.unwrapped.action_masks().all()
    observation, reward, *_ = env.step(3)
    assert reward == 1.0
    assert np.flatnonzero(~env.unwrapped.action_masks()).tolist() == [3]
    accepted, refused = observation[-count:], observation[-2 * count : -count]
    assert np.flatnonzero(accepted).tolist() == [3]
    assert not refused.any()
    assert env.step(3)[1] == 0.0
    no = gym.make("recgym/SocialFriends-v3", world=WORLD.with_params(connect_bias=-60.0, leave_bias=-60.0))
    no.reset(seed=0)
    observation = no.step(3)[0]
    assert observation[-2 * count + 3] == pytest.approx(0.2)


def test_impossible_graphs_and_candidates_are_named():
    with pytest.raises(ValueError, match="world synthetic-1 has no graph of friends"):
        friend_request_world(synthetic(1, domain="content"), 5)
    most = most_candidates(WORLD)
    with pytest.raises(
        ValueError, match=f"n_items is {most + 1}, world synthetic-1 allows 1 to {most} candidates"
    ):
        friend_request_world(WORLD, most + 1)
    assert gym.make("recgym/SocialFriends-v3", world=WORLD, n_items="all").action_space.n == most
    a = WORLD.arrays
    with pytest.raises(ValueError, match=r"friend must be mutual|once and ascending"):
        WORLD.with_arrays(friend=np.roll(a.friend, 1))
    with pytest.raises(ValueError, match="friend_start must rise from 0"):
        WORLD.with_arrays(friend_start=a.friend_start[:-1])
    with pytest.raises(ValueError, match="library must rise"):
        WORLD.with_arrays(library=a.library[:, ::-1])
    with pytest.raises(ValueError, match="needs suggestions of friends"):
        gym.make("recgym/Social-v2", reward="connections")


def test_a_new_friend_counts_as_a_friend_in_common():
    run = engine(2_000, connect_bias=60.0, leave_bias=-60.0)  # whoever is suggested is accepted
    before, was = run.snapshot(), logits(run)
    run.step(np.zeros((run.num, 1), np.int64))
    knows = dense(WORLD)[before.candidate[:, :1], before.candidate[:, 1:]] > 0
    np.testing.assert_array_equal(run.sessions.tie[:, 1:] - before.tie[:, 1:], knows)
    run.world.arrays.params[:] = friend_request_world(WORLD, 20).arrays.params  # logits that are not clipped
    bare = logits(run)[:, 1:]
    run.restore(before)
    np.testing.assert_array_equal(bare > logits(run)[:, 1:], knows)
    assert (was == 30.0).all()


def test_a_log_of_friend_requests_can_be_sampled_for_agents():
    friends = friend_request_world(WORLD, 20)
    log = sample_log(friends, "random", 200, seed=1, horizon=10)
    assert (log.domain, log.events) == ("friends", ("connect",))
    assert 0 < log.column("connect").mean() < 1
    assert log.column("item").max() < 20


def test_friends_with_an_item_are_the_same_from_a_table_and_counted(monkeypatch):
    a, size = WORLD.arrays, (WORLD.num_users, WORLD.num_items)
    expected = [[num_friends_with_item(a, user, item) for item in range(size[1])] for user in range(size[0])]
    np.testing.assert_array_equal(friend_counts(a), np.minimum(expected, 150))
    cut = WORLD.subset(7).arrays  # of libraries that hold other items, too
    expected = [[num_friends_with_item(cut, user, item) for item in range(7)] for user in range(size[0])]
    np.testing.assert_array_equal(friend_counts(cut), np.minimum(expected, 150))
    seen = []
    for most in (friend_items.MOST_PAIRS, 1):
        monkeypatch.setattr(friend_items, "MOST_PAIRS", most)
        monkeypatch.setattr(friend_items, "_latest", {})
        run = Engine(WORLD, 50, slate_size=1, horizon=9, reward=make_reward(WORLD, {}), observes=("friends",))
        assert (run.simulation.public.friends.counts.size > 0) == (most > 1)
        run.seed(np.arange(50, dtype=np.uint64))
        run.reset()
        seen.append(np.zeros((50, run.features_width), np.float32))
        run.step(np.arange(50)[:, None] % size[1], features=seen[-1])
    np.testing.assert_array_equal(seen[0], seen[1])
    assert (seen[0][:, -1] > 0).any()


def test_shares_of_friends_categories_are_counted_from_their_libraries():
    a, num = WORLD.arrays, len(WORLD.categories)
    found = category_shares(a, num)
    for user in range(WORLD.num_users):
        counts = np.zeros(num)
        for friend in a.friend[a.friend_start[user] : a.friend_start[user + 1]]:
            for item in a.library[friend]:
                if 0 <= item < WORLD.num_items:
                    counts[a.category[item]] += 1
        np.testing.assert_allclose(found[user], counts / max(counts.sum(), 1.0), rtol=1e-6)
    assert found.shape == (WORLD.num_users, num)
    np.testing.assert_allclose(found.sum(axis=1), (np.diff(a.friend_start) > 0).astype(float), rtol=1e-6)
