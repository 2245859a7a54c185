"""Semantic IDs: each item as a short sequence of codes, such that near items share their first codes.

Residual quantisation by k-means (Zeghidour et al., 2021, SoundStream; for items: Rajput et al., 2023, TIGER, NeurIPS,
who train an RQ-VAE; Deng et al., 2025, OneRec, use k-means): level 1 is the cluster of the item's vector, each later
level that of what the centroids so far leave. Items with equal codes differ by a last code, as in TIGER.

Axes: N items, L levels without the last, D width of the vectors.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import svds
from sklearn.cluster import KMeans, MiniBatchKMeans

from agents.features import public_vectors, table_features
from agents.problem import Problem
from recgym.arrays import Doubles

Codes = NDArray[np.int64]
SIZES = ((64, 2, 8), (256, 2, 16), (1_024, 2, 32), (8_192, 3, 64))  # (items at most, L, codes)
LARGEST = 3, 256  # L and codes of larger catalogues
FULL_KMEANS = 5_000  # items up to which k-means reads all of them in each iteration
FACTORS = 16  # of co-occurrence
RIDGE = 1.0  # of their prediction from features whose rows have a mean squared length of 1 a block


def sizes_for(num_items: int) -> tuple[int, int]:
    """Levels L and codes of each level for a catalogue: four times as many sequences as items, or more at the edges."""
    return next(((levels, codes) for most, levels, codes in SIZES if num_items <= most), LARGEST)


def item_vectors(
    problem: Problem,
    session: NDArray[np.int64] | None = None,
    item: NDArray[np.int64] | None = None,
    vectors: NDArray[Any] | None = None,
) -> Doubles:
    """Vectors from which IDs are made, (N, D): blocks side by side, each of mean squared length 1.

    Items that the log does not show have the co-occurrence factors that a ridge regression on the other blocks
    predicts (Gantner et al., 2010, ICDM), so that they share codes with items like them.

    Args:
        problem: gives the item table, and the items' public vectors.
        session: (n,) sessions of responses in a log; None: no log.
        item: (n,) their items.
        vectors: (N, m) in place of the public ones.
    """
    blocks = [_unit_block(table_features(problem)[1])]
    vectors = public_vectors(problem) if vectors is None else vectors
    if vectors is not None:
        blocks.append(_unit_block(np.asarray(vectors, np.float64)))
    if session is not None and item is not None:
        factors = co_occurrence_factors(session, item, problem.num_items)
        blocks.insert(1, _unit_block(_with_predicted(factors, np.concatenate(blocks, axis=1))))
    return np.concatenate(blocks, axis=1)


def _with_predicted(factors: Doubles, features: Doubles) -> Doubles:
    """Factors (N, d), of items without any those that the features (N, D) predict."""
    known: NDArray[np.bool_] = np.asarray(factors.any(axis=1))
    x, mean = features[known], factors[known].mean(axis=0) if known.any() else 0.0
    gram = x.T @ x + RIDGE * np.eye(features.shape[1])
    slope = np.linalg.solve(gram, x.T @ (factors[known] - mean))
    return np.where(known[:, None], factors, mean + features @ slope)


def _unit_block(block: Doubles) -> Doubles:
    """Centred, and of mean squared row length 1; zeros where all rows are equal."""
    centred = block - block.mean(axis=0)
    length = float(np.sqrt((centred**2).sum(axis=1).mean()))
    return centred / length if length > 1e-9 else np.zeros_like(centred)


def co_occurrence_factors(
    session: NDArray[np.int64], item: NDArray[np.int64], num_items: int, factors: int = FACTORS
) -> Doubles:
    """Factors (N, factors) of the items' positive pointwise mutual information within sessions, by a truncated SVD.

    Levy and Goldberg (2014, NeurIPS): the factors of word2vec. Zero for items without a response beside another.
    """
    _, row = np.unique(session, return_inverse=True)
    seen = sparse.csr_array((np.ones(len(item)), (row, item)), shape=(int(row.max(initial=0)) + 1, num_items))
    seen.data[:] = 1.0  # duplicates were summed
    together = (seen.T @ seen).tocoo()
    off = together.row != together.col
    i, j, count = together.row[off], together.col[off], together.data[off]
    rank = min(factors, num_items - 1)
    out = np.zeros((num_items, factors))
    if not len(count) or rank < 1:
        return out
    total = np.bincount(i, count, num_items)
    information = np.log(count * count.sum() / (total[i] * total[j]))
    keep = information > 0
    if not keep.any():
        return out
    matrix = sparse.csr_array((information[keep], (i[keep], j[keep])), shape=(num_items, num_items))
    left, size, _ = svds(matrix, k=rank, v0=np.full(num_items, num_items**-0.5))
    largest = np.abs(left).argmax(axis=0)
    signs = np.sign(left[largest, np.arange(rank)])  # a singular vector has no sign of its own
    out[:, :rank] = left * signs * np.sqrt(np.maximum(size, 0.0))
    return out


def semantic_ids(vectors: Doubles, levels: int, codes: int, seed: int) -> Codes:
    """Codes of every item, (N, L + 1), all rows different; the last code is 0 where the first L are unique.

    Args:
        vectors: (N, D).
        levels: L, at least 1.
        codes: of each level, at least 2.
        seed: of k-means.

    Raises:
        ValueError: there are more items than sequences.
    """
    num_items = len(vectors)
    if float(codes) ** (levels + 1) < num_items:
        raise ValueError(f"{levels} + 1 levels of {codes} codes cannot name {num_items} items")
    found = np.zeros((num_items, levels + 1), np.int64)
    rest, node = np.array(vectors, np.float64), np.zeros(num_items, np.int64)
    for level in range(levels):
        centres = _centres(rest, codes, seed + level)
        distance = _squared_distances(rest, centres)
        room = codes ** (levels - level)
        found[:, level] = _with_room(node, distance, room)
        rest -= centres[np.minimum(found[:, level], len(centres) - 1)]
        _, node = np.unique(found[:, : level + 1], axis=0, return_inverse=True)
    order = np.argsort(node, kind="stable")
    first = np.searchsorted(node[order], node[order])
    found[order, levels] = np.arange(num_items) - first
    return found


def _centres(rest: Doubles, codes: int, seed: int) -> Doubles:
    """Centroids of k-means, (at most `codes`, D)."""
    distinct = len(np.unique(np.round(rest, 9), axis=0))
    wanted = min(codes, distinct)
    if wanted == 1:
        return np.asarray(rest.mean(axis=0, keepdims=True))
    if len(rest) <= FULL_KMEANS:
        model = KMeans(wanted, n_init=4, random_state=seed)
    else:
        model = MiniBatchKMeans(wanted, n_init=1, batch_size=4_096, max_iter=20, random_state=seed)
    return np.asarray(model.fit(rest).cluster_centers_, np.float64)


def _squared_distances(rest: Doubles, centres: Doubles) -> Doubles:
    """Of each row to each centroid, (N, codes), less the row's own square."""
    return np.asarray((centres**2).sum(axis=1) - 2.0 * rest @ centres.T)


def _with_room(node: NDArray[np.int64], distance: Doubles, room: int) -> NDArray[np.int64]:
    """The nearest code of each item, (N,), with at most `room` items of a node at one code.

    The items that are nearest stay; the others get the code of their node with the fewest items, of unused ones too.
    """
    code: NDArray[np.int64] = distance.argmin(axis=1)
    codes = max(distance.shape[1], -(-int(np.bincount(node).max()) // room))
    _, crowd, count = np.unique(node * codes + code, return_inverse=True, return_counts=True)
    for group in np.flatnonzero(count > room):
        members = np.flatnonzero(crowd == group)
        order = members[np.argsort(distance[members, code[members[0]]], kind="stable")]
        for item in order[room:]:
            code[item] = np.bincount(code[node == node[item]], minlength=codes).argmin()
    return code
