"""Terms of the neighbourhood methods: item-based and user-based weighted means of residuals.

A profile has a user's residual (reward less expectation) for each item shown. A term is the mean residual of the
neighbours, weighted by similarity; a constant in the denominator shrinks it to zero.

Axes: B profiles, N items, P users or sessions of the log. All matrices are sparse (scipy.sparse, CSR).
"""

from typing import Any

import numpy as np
from scipy import sparse

from recgym.arrays import Doubles, Ints

Matrix = Any  # scipy.sparse.csr_array of float64


def known(matrix: Matrix) -> Matrix:
    """1 where a matrix has an entry."""
    return sparse.csr_array((np.ones_like(matrix.data), matrix.indices, matrix.indptr), matrix.shape)


def cosine(people: Matrix, shrink: float) -> Matrix:
    """Cosine of every two columns over the rows that hold both, times n / (n + shrink), n the number of such rows.

    Sarwar, Karypis, Konstan and Riedl (2001, WWW); shrunk as in Koren (2010, TKDD 4), (N, N).
    """
    there, squared = known(people), people.multiply(people).tocsr()
    both = (there.T @ there).tocsr()
    product, norm = (people.T @ people).tocsr(), (squared.T @ there).tocsr()
    rows, columns = both.nonzero()
    n = np.asarray(both[rows, columns]).ravel()
    length = np.asarray(norm[rows, columns]).ravel() * np.asarray(norm[columns, rows]).ravel()
    value = np.asarray(product[rows, columns]).ravel() / np.sqrt(np.maximum(length, 1e-12)) * n / (n + shrink)
    return sparse.csr_array((value, (rows, columns)), shape=both.shape)


def nearest(matrix: Matrix, count: int, ties: Ints | None = None) -> Matrix:
    """The `count` entries of each row that are largest in size.

    Args:
        matrix: sparse, with C columns.
        count: entries of a row that are kept.
        ties: (C,) columns in the order in which those of equal size are taken; None: ascending.
    """
    coo = matrix.tocoo()
    place = coo.col if ties is None else np.argsort(ties)[coo.col]
    order = np.lexsort((place, -np.abs(coo.data), coo.row))
    row = coo.row[order]
    begin = np.searchsorted(row, np.arange(matrix.shape[0]))
    kept = order[np.arange(len(row)) - begin[row] < count]
    return sparse.csr_array((coo.data[kept], (coo.row[kept], coo.col[kept])), shape=matrix.shape)


class ItemSimilarity:
    """Item-based term: sum of e_j s_ja / (damping + sum of |s_ja|), j the items of the profile, e their residuals."""

    def __init__(self, similarity: Matrix, damping: float) -> None:
        self.similarity, self.damping = similarity, damping

    def weights(self, profile: Matrix) -> Doubles:
        """Denominators, (B, N)."""
        return np.asarray((known(profile) @ abs(self.similarity)).toarray() + self.damping)

    def term(self, profile: Matrix) -> Doubles:
        """The items' terms, (B, N)."""
        return np.asarray((profile @ self.similarity).toarray() / self.weights(profile))

    def contributions(self, profile: Matrix, item: int) -> Doubles:
        """Contribution of each past item to one item's term, in the order of the entries of the profile's one row."""
        like = self.similarity[profile.indices, item]
        like = like.toarray().ravel() if sparse.issparse(like) else np.ravel(like)
        return np.asarray(profile.data * like / self.weights(profile)[0, item])


class UserSimilarity:
    """User-based term: mean residual of the nearest users, weighted by similarity.

    Similarity is the cosine, times n / (n + shrink) with n the number of items in both profiles (Herlocker et al.,
    1999, SIGIR).
    """

    def __init__(self, people: Matrix, neighbours: int, shrink: float, damping: float) -> None:
        self.people, self.neighbours, self.shrink, self.damping = people, neighbours, shrink, damping
        self.length = np.sqrt(np.asarray(people.multiply(people).sum(axis=1)).ravel())

    def similarity(self, profile: Matrix) -> Matrix:
        """Factors c (B, P) of the nearest users, 0 elsewhere: similarity is c times the inner product."""
        product = (profile @ self.people.T).tocsr()
        both = (known(profile) @ known(self.people).T).tocsr()
        length = np.sqrt(np.asarray(profile.multiply(profile).sum(axis=1)).ravel())
        coo = both.tocoo()
        n = coo.data / (coo.data + self.shrink)
        factor = n / np.maximum(length[coo.row] * self.length[coo.col], 1e-12)
        factors = sparse.csr_array((factor, (coo.row, coo.col)), shape=both.shape)
        near = nearest(product.multiply(factors).tocsr(), self.neighbours)
        return known(near).multiply(factors).tocsr()

    def term(self, profile: Matrix) -> Doubles:
        """The items' terms, (B, N)."""
        like = self.similarity(profile).multiply((profile @ self.people.T).tocsr()).tocsr()
        total_weight = (abs(like) @ known(self.people)).toarray() + self.damping
        return np.asarray((like @ self.people).toarray() / total_weight)

    def contributions(self, profile: Matrix, item: int) -> Doubles:
        """Contribution of each past item to one item's term, in the order of the entries of the profile's one row."""
        factor = self.similarity(profile)
        like = factor.multiply((profile @ self.people.T).tocsr()).tocsr()
        total_weight = (abs(like) @ known(self.people)).toarray()[0, item] + self.damping
        residuals = self.people[:, [item]].toarray().ravel()
        each = (factor.multiply(residuals[None, :]).tocsr() @ self.people).toarray().ravel()
        return np.asarray(profile.data * each[profile.indices] / total_weight)
