"""Which codes may follow a prefix: those of the trie that lead to an item which may still be shown.

Axes: B sessions, W prefixes of each, M excluded items, N items, V nodes, L levels.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agents.generative.prefix_trie import PrefixTrie


class Room(NamedTuple):
    """The items that may be shown: by the places of those that may not, or by counts."""

    excluded: Tensor | None  # (B, M) places in the trie's order, ascending, N for none
    counts: Tensor | None  # (B, N + 1) allowed items before each place

    def left(self, low: Tensor, high: Tensor) -> Tensor:
        """Allowed items in ranges of places, of the shape (B, ...) of `low` and `high`."""
        flat = low.flatten(1).contiguous(), high.flatten(1).contiguous()
        if self.counts is not None:
            before, up_to = (self.counts.gather(1, each) for each in flat)
            return (up_to - before).view_as(low)
        assert self.excluded is not None
        gone = torch.searchsorted(self.excluded, flat[1]) - torch.searchsorted(self.excluded, flat[0])
        return high - low - gone.view_as(low)

    def rows(self, index: Tensor) -> "Room":
        """Of some sessions."""
        return Room(*(None if each is None else each[index] for each in self))


class OpenCodes:
    """The trie on a device."""

    def __init__(self, trie: PrefixTrie, device: torch.device) -> None:
        self.trie, self.device = trie, device
        self.num_items, self.levels = trie.codes.shape

        def there(array: NDArray[np.generic]) -> Tensor:
            return torch.as_tensor(np.ascontiguousarray(array), device=device)

        self.allowed, self.first_child = there(trie.allowed), there(trie.first_child)
        self.low, self.high = there(trie.low), there(trie.high)
        self.order, self.place = there(trie.order), there(np.append(trie.place, self.num_items))
        self.codes, self.path = there(trie.codes), there(trie.path())

    def room(self, shown: Tensor | None, mask: Tensor | None, slots: int) -> Room | None:
        """What a mask (B, N) allows, less the items shown (B, H); all of the mask where fewer than K are left."""
        if mask is None:
            return None if shown is None else Room(self._excluded(shown, slots), None)
        if shown is not None:
            fresh = torch.cat([mask, mask[:, :1]], dim=1).scatter(1, shown, False)[:, :-1]
            mask = torch.where(fresh.sum(dim=1, keepdim=True) >= slots, fresh, mask)
        counts = mask[:, self.order].cumsum(dim=1)
        return Room(None, torch.cat([torch.zeros_like(counts[:, :1]), counts], dim=1))

    def _excluded(self, shown: Tensor, slots: int) -> Tensor:
        places = self.place[shown].sort(dim=1).values
        again = torch.zeros_like(places, dtype=torch.bool)
        again[:, 1:] = places[:, 1:] == places[:, :-1]
        places = places.masked_fill(again, self.num_items).sort(dim=1).values
        left = self.num_items - (places < self.num_items).sum(dim=1, keepdim=True)
        return torch.where(left >= slots, places, self.num_items)

    def codes_after(self, node: Tensor, room: Room | None) -> tuple[Tensor, Tensor]:
        """Whether each code may follow prefixes (B, W), and the node it leads to, (B, W, codes) each."""
        allowed = self.allowed[node]
        child = self.first_child[node][..., None] + (allowed.cumsum(dim=-1) - 1).clamp(min=0)
        if room is not None:
            allowed = allowed & (room.left(self.low[child], self.high[child]) > 0)
        return allowed, child

    def item(self, leaf: Tensor) -> Tensor:
        """The items of nodes of the last level."""
        return self.order[self.low[leaf]]
