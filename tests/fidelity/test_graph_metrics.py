"""The fitted graph and its figures, against known worlds and dense matrices."""

import numpy as np
import pytest

from recgym.fidelity.graph_metrics import apart, distance
from recgym.fidelity.resampling import Resampling
from recgym.fit.graph_sampler import draw_alike, draw_graph
from recgym.fit.graph_terms import fit_acceptance
from recgym.logs.friend_graph import (
    FriendGraph,
    weighted_sharing_lift,
)


def random_pairs(rng, users, count):
    pairs = np.sort(rng.integers(users, size=(count, 2)), axis=1)
    return np.unique(pairs[pairs[:, 0] < pairs[:, 1]], axis=0)


def sphere(rng, users, dim=4):
    kin = rng.normal(size=(users, dim))
    return kin / np.linalg.norm(kin, axis=1, keepdims=True)


def test_acceptance_finds_the_metric_that_made_the_friends():
    rng = np.random.default_rng(2)
    profile = rng.normal(size=(600, 5))
    unit = profile - profile.mean(0)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    true = np.array([10.0, 10.0, 0.0, 0.0, 0.0])
    logit = np.einsum("ud,vd,d->uv", unit, unit, true) - 4.0
    edge = np.triu(rng.random(logit.shape) < 1 / (1 + np.exp(-logit)), 1)
    pairs = np.argwhere(edge)
    found = fit_acceptance(profile, pairs, FriendGraph.of(pairs, 600), 0)
    weight = found.similarity * found.metric
    assert weight[:2].min() > 5 * weight[2:].max()
    assert weight[:2].mean() == pytest.approx(10.0, rel=0.3)


@pytest.mark.parametrize("true", [None, -6.0], ids=["equal profiles", "friends who differ"])
def test_similarity_of_profiles_without_homophily_has_no_slope(true):
    rng = np.random.default_rng(2)
    unit = sphere(rng, 400, 3)
    logit = (true or 0.0) * unit @ unit.T - 4.0
    edge = np.triu(rng.random(logit.shape) < 1 / (1 + np.exp(-logit)), 1)
    pairs = np.argwhere(edge)
    profile = np.zeros_like(unit) if true is None else unit
    found = fit_acceptance(profile, pairs, FriendGraph.of(pairs, 400), 0)
    assert found.similarity == 0.0
    np.testing.assert_array_equal(found.metric, 1.0)
    assert found.kin(profile).any() == (true is not None)


def test_a_drawn_graph_has_its_degrees_and_follows_taste_and_closing():
    rng = np.random.default_rng(3)
    degree, kin = rng.integers(1, 20, 400), sphere(rng, 400)
    plain, alike, closed = (draw_graph(degree, kin, s, c, 0) for s, c in ((0, 0), (4, 0), (0, 0.9)))
    for graph in (plain, alike, closed):
        assert distance(graph.degree, degree) < 0.02
        assert (graph.degree <= degree).all()

    def likeness(graph):
        return (kin[graph.pairs[:, 0]] * kin[graph.pairs[:, 1]]).sum(1).mean()

    assert abs(likeness(plain)) < 0.05
    assert likeness(alike) > 0.4
    assert closed.transitivity() > 2 * plain.transitivity()
    np.testing.assert_array_equal(plain.friend, draw_graph(degree, kin, 0, 0, 0).friend)


def test_drawing_finds_the_slope_and_closing_of_a_graph_that_it_drew():
    rng = np.random.default_rng(4)
    degree, kin = rng.integers(4, 30, 500), sphere(rng, 500)
    log = draw_graph(degree, kin, 3.0, 0.4, 9)

    def likeness(pairs):
        return 1.0 + float((kin[pairs[:, 0]] * kin[pairs[:, 1]]).sum(1).mean())

    drawn = draw_alike(log, kin, likeness, likeness(log.pairs), 1.0, 1)
    assert likeness(drawn.graph.pairs) == pytest.approx(likeness(log.pairs), rel=0.02)
    assert drawn.graph.transitivity() == pytest.approx(log.transitivity(), rel=0.1)
    assert drawn.slope == pytest.approx(3.0, rel=0.2)


@pytest.mark.slow
def test_intervals_over_users_cover_the_true_graph_statistics():
    users, probability, found = 120, 0.15, []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        pairs = np.argwhere(np.triu(rng.random((users, users)) < probability, 1))
        graph, library = FriendGraph.of(pairs, users), rng.integers(30, size=(users, 6))
        draws = Resampling(np.arange(users), 60, seed)
        closing, shared = (
            graph.weighted_transitivity(),
            weighted_sharing_lift(np.sort(library, axis=1), pairs, 30),
        )
        found.append((draws.of(closing, 60), draws.of(shared, 60), shared(np.ones(users))))
    for place, truth in ((0, probability), (1, 1.0)):
        inside = [row[place].low <= truth <= row[place].high for row in found]
        assert np.mean(inside) >= 0.85
    widths = np.mean([row[1].high - row[1].low for row in found])
    assert widths < 2.5 * 2 * 1.96 * np.std([row[2] for row in found])  # intervals are not too wide


def test_distributions_are_compared_by_their_largest_gap():
    ours, theirs = np.array([1, 2, 2, 5]), np.array([2, 3, 3, 5])
    assert distance(ours, theirs) == pytest.approx(0.5)  # after 2: 3/4 of ours, 1/4 of theirs
    weighted = apart(ours, theirs, np.array([2.0, 1.0, 1.0, 0.0]))
    np.testing.assert_allclose(weighted, [0.25, 0.75 - 0.5, 0.75 - 1.0, 0.0])
