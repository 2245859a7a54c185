"""The two halves of neighbourhood methods: items that are answered alike, and people who answer alike.

A profile is what is known of a person: for each item met, how much better than expected it was answered. Both halves
turn profiles into a term for every item: the mean of what neighbours say, weighted by likeness, and pulled to zero
where little was said.

Axes: B profiles, N items, P people of the log. All matrices are sparse (scipy.sparse, CSR).
"""

from typing import Any

import numpy as np
from scipy import sparse

from recgym.arrays import Doubles

Matrix = Any  # scipy.sparse.csr_array of float64


def known(matrix: Matrix) -> Matrix:
    """One where a matrix holds an entry."""
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


def nearest(matrix: Matrix, count: int) -> Matrix:
    """The `count` entries of each row that are largest in size, ties to the lower column."""
    coo = matrix.tocoo()
    order = np.lexsort((coo.col, -np.abs(coo.data), coo.row))
    row = coo.row[order]
    begin = np.searchsorted(row, np.arange(matrix.shape[0]))
    kept = order[np.arange(len(row)) - begin[row] < count]
    return sparse.csr_array((coo.data[kept], (coo.row[kept], coo.col[kept])), shape=matrix.shape)


class ItemSimilarity:
    """Items like those met: sum of e_j s_ja over |s_ja|, j the items of the profile."""

    def __init__(self, likeness: Matrix, damping: float) -> None:
        self.likeness, self.damping = likeness, damping

    def weights(self, profile: Matrix) -> Doubles:
        """What each item's sum is divided by, (B, N)."""
        return np.asarray((known(profile) @ abs(self.likeness)).toarray() + self.damping)

    def term(self, profile: Matrix) -> Doubles:
        """The items' terms, (B, N)."""
        return np.asarray((profile @ self.likeness).toarray() / self.weights(profile))

    def because(self, profile: Matrix, item: int) -> Doubles:
        """What each past item adds to one item's term, in the order of the profile's one row's entries."""
        like = self.likeness[profile.indices, item]
        like = like.toarray().ravel() if sparse.issparse(like) else np.ravel(like)
        return np.asarray(profile.data * like / self.weights(profile)[0, item])


class UserSimilarity:
    """People like this one: the mean of what the nearest of them thought, weighted by their likeness.

    Likeness is the cosine, times n / (n + shrink) with n the items that both met (Herlocker et al., 1999, SIGIR).
    """

    def __init__(self, people: Matrix, neighbours: int, shrink: float, damping: float) -> None:
        self.people, self.neighbours, self.shrink, self.damping = people, neighbours, shrink, damping
        self.length = np.sqrt(np.asarray(people.multiply(people).sum(axis=1)).ravel())

    def likeness(self, profile: Matrix) -> Matrix:
        """Factors c (B, P) of the nearest, 0 elsewhere: likeness is c times the inner product."""
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
        like = self.likeness(profile).multiply((profile @ self.people.T).tocsr()).tocsr()
        heard = (abs(like) @ known(self.people)).toarray() + self.damping
        return np.asarray((like @ self.people).toarray() / heard)

    def because(self, profile: Matrix, item: int) -> Doubles:
        """What each past item adds to one item's term, in the order of the profile's one row's entries."""
        factor = self.likeness(profile)
        like = factor.multiply((profile @ self.people.T).tocsr()).tocsr()
        heard = (abs(like) @ known(self.people)).toarray()[0, item] + self.damping
        thought = self.people[:, [item]].toarray().ravel()
        each = (factor.multiply(thought[None, :]).tocsr() @ self.people).toarray().ravel()
        return np.asarray(profile.data * each[profile.indices] / heard)
