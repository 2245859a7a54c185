"""Statistics of a graph of friends, against matrices and known probabilities."""

import numpy as np
import pyarrow as pa
import pytest

from recgym.logs import Log, Source
from recgym.logs.friend_graph import (
    FriendGraph,
    configuration_pairs,
    draw_libraries,
    inclusion_probabilities,
    matched_non_friends,
    sharing_lift,
    split_friend_pairs,
)


def random_pairs(rng, users, count):
    pairs = np.sort(rng.integers(users, size=(count, 2)), axis=1)
    return np.unique(pairs[pairs[:, 0] < pairs[:, 1]], axis=0)


def matrix(pairs, users):
    edge = np.zeros((users, users))
    edge[pairs[:, 0], pairs[:, 1]] = edge[pairs[:, 1], pairs[:, 0]] = 1
    return edge


def test_statistics_of_a_graph_agree_with_its_matrix():
    rng = np.random.default_rng(0)
    pairs = random_pairs(rng, 40, 200)
    graph, edge = FriendGraph.of(pairs, 40), matrix(pairs, 40)
    np.testing.assert_array_equal(graph.degree, edge.sum(1))
    np.testing.assert_array_equal(graph.pairs, pairs)
    np.testing.assert_array_equal(graph.common_friends(pairs), (edge @ edge)[pairs[:, 0], pairs[:, 1]])
    wedges = (edge.sum(1) * (edge.sum(1) - 1)).sum()
    assert graph.transitivity() == pytest.approx(np.trace(edge @ edge @ edge) / wedges)
    clique = FriendGraph.of(np.array([[0, 1], [0, 2], [1, 2]]), 3)
    assert clique.transitivity() == 1.0
    weight = rng.integers(3, size=40).astype(float)
    scaled = edge * np.sqrt(np.outer(weight, weight))
    two_steps = np.einsum("uv,v,vw->uw", edge, weight, edge) * (1 - np.eye(40)) * np.outer(weight, weight)
    share = np.trace(scaled @ scaled @ scaled) / two_steps.sum()
    assert graph.weighted_transitivity()(weight) == pytest.approx(share)
    assert graph.weighted_transitivity()(np.ones(40)) == graph.transitivity()


def test_non_friends_are_matched_by_degree():
    rng = np.random.default_rng(1)
    pairs = random_pairs(rng, 200, 1_500)
    graph = FriendGraph.of(pairs, 200)
    others = matched_non_friends(pairs, 3, graph, 0)
    assert not matrix(pairs, 200)[others[:, 0], others[:, 1]].any()
    ours, theirs = graph.degree[pairs].mean(), graph.degree[others].mean()
    assert theirs == pytest.approx(ours, rel=0.03)
    parts = split_friend_pairs(pairs, 0)
    assert sorted(map(tuple, np.concatenate(parts))) == sorted(map(tuple, pairs))
    assert len(configuration_pairs(pairs, 2, 0)) > 1.9 * len(pairs)


def test_drawn_libraries_follow_the_inclusion_probabilities():
    rng = np.random.default_rng(5)
    score, sizes = 2.0 * rng.normal(size=(3_000, 20)), np.full(3_000, 6)
    chance = inclusion_probabilities(score, sizes)
    np.testing.assert_allclose(chance.sum(1), 6.0, rtol=0.02)
    assert chance.max() <= 1.0
    library = draw_libraries(chance, 20, 0)
    held = np.bincount(library[library >= 0], minlength=20)
    error = np.sqrt((chance * (1 - chance)).sum(0))
    assert (abs(held - chance.sum(0)) < 4 * error).all()
    assert draw_libraries(chance, 4, 0).shape == (3_000, 4)


def test_lift_is_one_for_random_pairs_and_more_for_similar_users():
    rng = np.random.default_rng(6)
    group = rng.integers(2, size=400)
    library = np.sort(
        rng.permuted(np.tile(np.arange(10), (400, 1)), axis=1)[:, :5] + 10 * group[:, None], axis=1
    )
    pairs = random_pairs(rng, 400, 3_000)
    assert sharing_lift(library, pairs, 20) == pytest.approx(1.0, abs=0.1)
    assert sharing_lift(library, pairs[group[pairs[:, 0]] == group[pairs[:, 1]]], 20) == pytest.approx(
        2.0, abs=0.2
    )


def test_friends_of_a_log_are_saved_and_read(tmp_path):
    rows = {
        "user": [0, 1, 2],
        "item": [0, 0, 1],
        "session": [0, 1, 2],
        "step": [0, 0, 0],
        "listen": [True] * 3,
    }
    friends = pa.table({"user": pa.array([0], pa.int32()), "friend": pa.array([2], pa.int32())})
    log = Log.build(
        rows, users=pa.table({"id": ["a", "b", "c"]}), items=pa.table({"id": ["x", "y"]}), domain="social",
        source=Source("s", "l", "c"), friends=friends,
    )  # fmt: skip
    log.write(tmp_path / "log")
    assert Log.read(tmp_path / "log").friends.equals(friends)
