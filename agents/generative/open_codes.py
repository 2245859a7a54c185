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
    """The items that may be shown: all but some, or by counts."""

    excluded: Tensor | None  # (B, M) items that may not, no item twice, N for none
    counts: Tensor | None  # (B, N + 1) allowed items before each place of the trie's order

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
        self.order = there(trie.order)
        self.codes, self.path = there(trie.codes), there(trie.path())
        ends = np.concatenate([trie.path()[:, 1:], trie.leaf()[:, None]], axis=1)
        self.ends = there(
            np.append(ends, np.full((1, self.levels), -1), axis=0)
        )  # (N + 1, L) node after each code
        self.size = there(trie.high - trie.low)  # (V,) items below

    @property
    def num_bytes(self) -> int:
        """Size of the arrays."""
        return sum(
            each.numel() * each.element_size() for each in vars(self).values() if isinstance(each, Tensor)
        )

    def room(self, shown: Tensor | None, mask: Tensor | None, slots: int) -> Room | None:
        """What a mask (B, N) allows, less the items shown (B, H); all of the mask where fewer than K are left."""
        if mask is None:
            return None if shown is None else Room(self._distinct(shown, slots), None)
        if shown is not None:
            fresh = torch.cat([mask, mask[:, :1]], dim=1).scatter(1, shown, False)[:, :-1]
            mask = torch.where(fresh.sum(dim=1, keepdim=True) >= slots, fresh, mask)
        counts = mask[:, self.order].cumsum(dim=1)
        return Room(None, torch.cat([torch.zeros_like(counts[:, :1]), counts], dim=1))

    def _distinct(self, shown: Tensor, slots: int) -> Tensor:
        items = shown.sort(dim=1).values
        again = torch.zeros_like(items, dtype=torch.bool)
        again[:, 1:] = items[:, 1:] == items[:, :-1]
        items = items.masked_fill(again, self.num_items)
        left = self.num_items - (items < self.num_items).sum(dim=1, keepdim=True)
        return torch.where(left >= slots, items, self.num_items)

    def open_after(self, node: Tensor, level: int, room: Room | None) -> Tensor:
        """Whether each code may follow prefixes (B, W) of `level` codes, (B, W, codes)."""
        allowed = self.allowed[node]
        if room is None:
            return allowed
        if room.counts is not None:
            child = self.first_child[node][..., None] + (allowed.cumsum(dim=-1) - 1).clamp(min=0)
            low, high = (
                room.counts.gather(1, each[child].flatten(1)).view_as(child) for each in (self.low, self.high)
            )
            return allowed & (high > low)
        assert room.excluded is not None
        codes, width = allowed.shape[-1], node.shape[1]
        some = room.excluded.clamp(max=self.num_items - 1)
        end = self.ends[room.excluded, level]  # (B, M) nodes below which an item is excluded
        is_closed = (end[:, :, None] == end[:, None]).sum(dim=2) >= self.size[end.clamp(min=0)]
        is_closed = is_closed & (room.excluded < self.num_items)
        below = is_closed[:, None] & (self.path[some, level][:, None] == node[..., None])  # (B, W, M)
        code = self.codes[some, level][:, None].expand(-1, width, -1)
        closed = torch.zeros(*node.shape, codes + 1, dtype=torch.bool, device=node.device)
        closed.scatter_(2, torch.where(below, code, codes), True)
        return allowed & ~closed[..., :codes]

    def child(self, node: Tensor, code: Tensor) -> Tensor:
        """The nodes that codes lead to, of the shape of both; some sibling where a code may not follow."""
        up_to = torch.arange(self.allowed.shape[1], device=node.device) <= code[..., None]
        return self.first_child[node] + ((self.allowed[node] & up_to).sum(dim=-1) - 1).clamp(min=0)

    def item(self, leaf: Tensor) -> Tensor:
        """The items of nodes of the last level."""
        return self.order[self.low[leaf]]
