"""The prefix trie of semantic IDs, as arrays: which codes continue a prefix to an item.

Nodes are numbered level by level, and within a level in the order of their codes, so that the children of a node are
consecutive and the items below it are a range of the sorted items.

Axes: N items, L levels, V nodes, n rows.
"""

import numpy as np
from numpy.typing import NDArray

ROOT = 0


class PrefixTrie:
    """Built of codes (N, L) that differ from item to item."""

    def __init__(self, codes: NDArray[np.int64], num_codes: int) -> None:
        """Sort the items and number the nodes; ValueError where two items have equal codes or a code is too large."""
        num_items, self.levels = codes.shape
        if codes.min() < 0 or codes.max() >= num_codes:
            raise ValueError(f"codes reach {codes.max()}, from 0 to {num_codes - 1} are allowed")
        self.codes, self.num_codes = codes, num_codes
        self.order = np.lexsort(codes.T[::-1])  # (N,) item of each place
        self.place = np.empty(num_items, np.int64)  # (N,) the inverse
        self.place[self.order] = np.arange(num_items)
        ordered = codes[self.order]
        is_new = np.concatenate([np.ones((1, self.levels), bool), ordered[1:] != ordered[:-1]])
        is_new = np.logical_or.accumulate(is_new, axis=1)  # (N, L) a node of level l + 1 begins here
        if not is_new[:, -1].all():
            twins = self.order[np.flatnonzero(~is_new[:, -1])[0] + np.array([-1, 0])]
            raise ValueError(f"items {twins[0]} and {twins[1]} have the same codes")
        begins = [np.zeros(1, np.int64)] + [np.flatnonzero(column) for column in is_new.T]
        self.start = np.r_[
            0, np.cumsum([len(begin) for begin in begins])
        ]  # (L + 2,) first node of each level
        self.low = np.concatenate(begins)  # (V,) first place of the items below
        self.high = np.concatenate(
            [np.r_[begin[1:], num_items] for begin in begins]
        )  # (V,) one past the last
        inner = int(self.start[-2])
        self.first_child = np.zeros(inner, np.int64)  # (inner V,)
        self.allowed = np.zeros((inner, num_codes), np.bool_)  # (inner V, codes): the codes with a child
        for level in range(self.levels):
            parents, children = begins[level], begins[level + 1]
            self.first_child[self.start[level] : self.start[level + 1]] = self.start[
                level + 1
            ] + np.searchsorted(children, parents)
            owner = self.start[level] + np.searchsorted(parents, children, side="right") - 1
            self.allowed[owner, ordered[children, level]] = True

    @property
    def num_nodes(self) -> int:
        """V."""
        return len(self.low)

    def child(self, node: NDArray[np.int64], code: NDArray[np.int64]) -> NDArray[np.int64]:
        """The node that a code leads to, (n,), from inner nodes (n,); the codes must be allowed."""
        rank = (self.allowed[node] & (np.arange(self.num_codes) < code[:, None])).sum(axis=1)
        return np.asarray(self.first_child[node] + rank)

    def item(self, leaf: NDArray[np.int64]) -> NDArray[np.int64]:
        """The item of nodes of the last level, (n,)."""
        return np.asarray(self.order[self.low[leaf]])

    def leaf(self) -> NDArray[np.int64]:
        """The node of every item, (N,)."""
        return np.asarray(self.start[self.levels] + self.place)

    def path(self) -> NDArray[np.int64]:
        """The node before each code of every item, (N, L)."""
        node = np.zeros(len(self.codes), np.int64)
        nodes = [node]
        for level in range(self.levels - 1):
            node = self.child(node, self.codes[:, level])
            nodes.append(node)
        return np.stack(nodes, axis=1)

    def walk(self, codes: NDArray[np.int64]) -> NDArray[np.int64]:
        """The items of code sequences (n, L); ValueError for one that names none."""
        node = np.zeros(len(codes), np.int64)
        for level in range(self.levels):
            known = self.allowed[node, codes[:, level]]
            if not known.all():
                raise ValueError(f"codes {codes[~known][0].tolist()} name no item")
            node = self.child(node, codes[:, level])
        return self.item(node)
