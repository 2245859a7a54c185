"""Semantic IDs: unique at every catalogue size, near items share prefixes, and the trie inverts them."""

import numpy as np
import pytest
from zoo import make_env

from agents import Problem
from agents.generative.prefix_trie import PrefixTrie
from agents.generative.semantic_ids import (
    co_occurrence_factors,
    item_vectors,
    semantic_ids,
    sizes_for,
)

CATALOGUES = {30: (2, 8), 1_000: (2, 32), 6_000: (3, 64)}


def clusters(num_items, inner=4, outer=8, seed=0):
    """Vectors in `outer` far groups of `inner` near groups each; group and subgroup of every item."""
    rng = np.random.default_rng(seed)
    number = rng.permutation(num_items)
    group, sub = number % outer, number // outer % inner
    # corners of cubes: equal distances, so that the groups are known
    far, near = 20.0 * np.eye(outer), 2.0 * np.eye(inner)
    noise = 0.02 * rng.standard_normal((num_items, outer + inner))
    return np.concatenate([far[group], near[sub]], axis=1) + noise, group, sub


@pytest.mark.parametrize("num_items", sorted(CATALOGUES))
def test_codes_and_items_are_each_others_inverse(num_items):
    levels, codes = CATALOGUES[num_items]
    assert sizes_for(num_items) == (levels, codes)
    found = semantic_ids(clusters(num_items)[0], levels, codes, 0)
    assert found.shape == (num_items, levels + 1)
    assert len(np.unique(found, axis=0)) == num_items
    trie = PrefixTrie(found, codes)
    np.testing.assert_array_equal(trie.walk(found), np.arange(num_items))
    np.testing.assert_array_equal(found, semantic_ids(clusters(num_items)[0], levels, codes, 0))


def test_near_items_share_their_prefix():
    """Eight far groups of four near groups: level 1 is the far group, level 2 parts the near ones."""
    vectors, group, sub = clusters(160)
    found = semantic_ids(vectors, 2, 8, 0)
    for code in range(8):
        assert len(np.unique(group[found[:, 0] == code])) == 1
        assert len(np.unique(sub[found[:, 1] == code])) == 1
    assert found[:, 2].max() > 0  # noise alone distinguishes some


def test_equal_vectors_differ_by_the_last_code_and_spill_where_it_is_full():
    found = semantic_ids(np.zeros((5, 3)), 2, 8, 0)
    assert found.tolist() == [[0, 0, i] for i in range(5)]
    found = semantic_ids(np.zeros((60, 3)), 2, 4, 0)  # a prefix has room for 4, a first code for 16
    assert len(np.unique(found, axis=0)) == 60
    assert found.max() == 3
    with pytest.raises(ValueError, match=r"2 \+ 1 levels of 4 codes cannot name 65 items"):
        semantic_ids(np.zeros((65, 3)), 2, 4, 0)


def test_co_occurrence_separates_what_is_never_together():
    """Sessions hold items of one half of the catalogue: the first factors split the halves."""
    rng = np.random.default_rng(0)
    session = np.repeat(np.arange(300), 4)
    item = rng.integers(10, size=len(session)) + 10 * (session % 2)
    factors = co_occurrence_factors(session, item, 21)
    assert np.abs(factors[20]).max() < 1e-9  # without a response
    inner = factors @ factors.T
    assert inner[:10, :10].mean() > 5 * np.abs(inner[:10, 10:20]).mean()
    np.testing.assert_array_equal(co_occurrence_factors(session[:0], item[:0], 21), np.zeros((21, 16)))
    np.testing.assert_array_equal(co_occurrence_factors(np.arange(9), np.arange(9), 21), np.zeros((21, 16)))


def test_vectors_are_blocks_of_one_scale():
    problem = Problem.of(make_env("recgym/Ecommerce-v1", "random", 1))
    session, item = np.repeat(np.arange(40), 3), np.random.default_rng(0).integers(30, size=120)
    plain, whole = item_vectors(problem), item_vectors(problem, session, item, 1e6 * np.eye(30))
    assert whole.shape == (30, plain.shape[1] + 16 + 30)
    np.testing.assert_allclose(whole[:, : plain.shape[1]], plain)
    for block in (plain, whole[:, -30:], whole[:, plain.shape[1] : -30]):
        assert (block**2).sum(axis=1).mean() == pytest.approx(1.0)


def test_items_that_no_log_shows_are_near_those_like_them():
    """Items of two kinds, half of each without a response: the factors of these are those of their kind."""
    problem = Problem.of(make_env("recgym/Ecommerce-v1", "random", 1))
    rng = np.random.default_rng(0)
    session = np.repeat(np.arange(300), 4)
    item = rng.integers(8, size=len(session)) * 2 + session % 2  # items 16 to 29 are new
    kind = np.arange(30) % 2
    factors = item_vectors(problem, session, item, np.eye(2)[kind])[:, -18:-2]
    centres = np.stack([factors[:16][kind[:16] == each].mean(axis=0) for each in (0, 1)])
    nearest = ((factors[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
    assert nearest.tolist() == kind.tolist()


def test_the_trie_is_its_codes():
    codes = np.array([[1, 0, 0], [0, 2, 0], [1, 0, 1], [0, 0, 0], [2, 2, 0]])
    trie = PrefixTrie(codes, 3)
    assert trie.num_nodes == 1 + 3 + 4 + 5
    assert trie.allowed[0].tolist() == [True, True, True]
    assert trie.order.tolist() == [3, 1, 0, 2, 4]
    for node in range(trie.num_nodes):
        below = set(trie.order[trie.low[node] : trie.high[node]].tolist())
        assert below  # no node without an item
    one = trie.child(np.array([0]), np.array([1]))
    assert trie.order[trie.low[one[0]] : trie.high[one[0]]].tolist() == [0, 2]
    assert trie.allowed[one[0]].tolist() == [True, False, False]
    with pytest.raises(ValueError, match=r"codes \[1, 1, 0\] name no item"):
        trie.walk(np.array([[0, 2, 0], [1, 1, 0]]))
    with pytest.raises(ValueError, match="items 0 and 2 have the same codes"):
        PrefixTrie(codes[:, :2], 3)
    with pytest.raises(ValueError, match="codes reach 2, from 0 to 1 are allowed"):
        PrefixTrie(codes, 2)
