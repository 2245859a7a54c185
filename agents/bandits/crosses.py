"""Crosses of session and item: the places of their weights in one vector.

Axes: B sessions, N items, C categories, F user features, G candidate features, n rows, L features of a row.
"""

import numpy as np
from numpy.typing import NDArray

from recgym.arrays import Doubles, Ints

HASH = 2_654_435_761  # an odd multiplier: Knuth, The art of computer programming 3, section 6.4


class Crosses:
    """Places of the weights. Row N of items and row C of categories are those of no response so far."""

    def __init__(
        self, category: NDArray[np.int64], bits: int, num_features: int, num_candidate: int = 0
    ) -> None:
        num_items, num_categories = len(category), int(category.max()) + 1
        self.num_items, self.num_categories, self.num_features = num_items, num_categories, num_features
        self.category = category
        self.group = np.append(category, num_categories)  # (N + 1,)
        self.num_pairs = min((num_items + 1) * num_items, 2**bits)
        by_item = 1, num_items, num_categories
        by_group = (num_categories + 1) * num_items, (num_categories + 1) * num_categories
        by_user = num_features * num_categories, num_features * num_items
        edges = np.cumsum((0, *by_item, *by_group, self.num_pairs, *by_user, num_candidate)).tolist()
        self.item, self.of_category, self.group_item, self.group_category, self.pair, *user = edges[1:-1]
        (self.user_category, self.user_item, self.candidate), self.size = user, edges[-1]

    def pairs(self, last: Ints, item: Ints) -> Ints:
        """Places of items after last items, arrays that broadcast."""
        key = last * self.num_items + item
        if self.num_pairs < (self.num_items + 1) * self.num_items:
            key = ((key * HASH) & 0xFFFFFFFF) % self.num_pairs
        return np.asarray(self.pair + key)

    def item_places(self, last: Ints) -> tuple[Ints, Ints, Ints]:
        """Places of the weights of single items in sessions: (N,), (B, N) and (B, N)."""
        items = np.arange(self.num_items)
        by_group = self.group_item + self.group[last][:, None] * self.num_items + items
        return self.item + items, by_group, self.pairs(last[:, None], items)

    def category_places(self, last: Ints) -> tuple[Ints, Ints]:
        """Places of the weights that the items of a category share: (C,) and (B, C)."""
        categories = np.arange(self.num_categories)
        by_group = self.group_category + self.group[last][:, None] * self.num_categories + categories
        return self.of_category + categories, by_group

    def by_user(self, values: Doubles) -> tuple[Doubles, Doubles]:
        """The parts of a vector (D,) that belong to user features: (F, C) and (F, N)."""
        by_category = values[self.user_category : self.user_item].reshape(-1, self.num_categories)
        return by_category, values[self.user_item : self.candidate].reshape(-1, self.num_items)

    def rows(self, last: Ints, item: Ints, users: Doubles, candidates: Doubles) -> tuple[Ints, Doubles]:
        """Features of impressions, places and values (n, L).

        Given the last item and the shown one, (n,), the users' features (n, F) and the candidate features (n, G).
        """
        category, group = self.category[item], self.group[last]
        single = (
            np.zeros_like(item),
            self.item + item,
            self.of_category + category,
            self.group_item + group * self.num_items + item,
            self.group_category + group * self.num_categories + category,
            self.pairs(last, item),
        )
        features = np.arange(self.num_features)
        by_category = self.user_category + features * self.num_categories + category[:, None]
        by_item = self.user_item + features * self.num_items + item[:, None]
        of_candidate = np.broadcast_to(np.arange(self.candidate, self.size), candidates.shape)
        places = np.column_stack([*single, by_category, by_item, of_candidate])
        return places, np.column_stack([np.ones((len(item), len(single))), users, users, candidates])
