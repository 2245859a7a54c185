"""Exact top-K search of Q over a large catalogue, in blocks of items that fit a processor's cache.

Axes: B sessions, H history, K slate positions, N items, C categories, d width of the towers.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from agents.deep.states import States
from agents.deep.towers import Towers

ITEMS_PER_BLOCK = 2048  # on the CPU; on a GPU the catalogue is one block


class Block(NamedTuple):
    """Consecutive items of the catalogue sorted by category."""

    low: int  # position of its first item in that order
    matrix: Tensor  # (d + c, items): vectors, and a row for each of its c categories
    bias: Tensor  # (items,)
    first: int  # its first category


class TopKSearch:
    """Finds the K items of the largest Q under fixed weights; scores of one block at a time are in memory.

    Constants of a session are left out. Items are sorted by category, so that the repeat feature "of the last item's
    category" is a few more rows of the matrix product.
    """

    def __init__(self, towers: Towers) -> None:
        self.towers = towers
        order = torch.argsort(towers.category[:-1], stable=True)
        self.order, self.place = order, torch.argsort(order)
        with torch.no_grad():
            self.catalogue = towers.items()
            vectors, bias = self.catalogue[0], towers.q_bias(self.catalogue[1])
            category = towers.category[:-1][order]
            num_items = len(order)
            is_host = order.device.type == "cpu"
            step = ITEMS_PER_BLOCK if is_host else num_items
            self.blocks = []
            for low in range(0, num_items, step):
                rows, own = order[low : low + step], category[low : low + step]
                first, last = (int(own[0]), int(own[-1])) if is_host else (0, towers.num_categories - 1)
                kinds = torch.arange(first, last + 1, device=own.device)[:, None] == own
                matrix = torch.cat([vectors[rows].T, kinds.to(vectors.dtype)])
                self.blocks.append(Block(low, matrix.contiguous(), bias[rows], first))

    @torch.no_grad()
    def best(self, states: States, slots: int, mask: Tensor | None = None) -> Tensor:
        """The K items of the largest Q, best first, (B, K). `mask` (B, N) leaves each row at least K."""
        heads = self.towers.state_heads(states, self.catalogue)
        left, _, repeat = self.towers.q_coefficients(heads)
        kinds = self.towers.category_terms(states, repeat)
        items, added = self.towers.repeat_terms(states, repeat)
        of_candidates = self.towers.candidate_terms(states, repeat) if states.candidates.shape[1] else None
        place = self.place[items]
        buffer = left.new_empty(len(left) * self.blocks[0].matrix.shape[1])
        top: BestItems | None = None
        for low, matrix, bias, first in self.blocks:
            width = matrix.shape[1]
            x = buffer[: len(left) * width].view(len(left), width)
            own = kinds[:, first : first + len(matrix) - left.shape[1]]
            torch.addmm(bias, torch.cat([left, own], dim=1), matrix, out=x)
            inside = (place >= low) & (place < low + width)
            x.scatter_add_(1, (place - low).clamp(0, width - 1), added * inside)
            if of_candidates is not None:
                x += of_candidates[:, self.order[low : low + width]]
            if mask is not None:
                x.masked_fill_(~mask[:, self.order[low : low + width]], -torch.inf)
            top = _top(x, slots, low) if top is None else _better(top, x, low)
        assert top is not None  # there is at least one block
        return self.order[top.place]


class BestItems(NamedTuple):
    """The K best of the blocks so far."""

    value: Tensor  # (B, K), -inf where fewer than K were seen
    place: Tensor  # (B, K)


def _top(x: Tensor, slots: int, low: int) -> BestItems:
    """The K best of a block."""
    value, place = x.topk(min(slots, x.shape[1]), dim=1)
    if missing := slots - value.shape[1]:
        value = functional.pad(value, (0, missing), value=-torch.inf)
        place = functional.pad(place, (0, missing))
    return BestItems(value, place + low)


def _better(top: BestItems, x: Tensor, low: int) -> BestItems:
    """The K best of the blocks so far and one more; few rows improve, and a maximum is fast."""
    rows = (x.amax(dim=1) > top.value[:, -1]).nonzero()[:, 0]
    if len(rows):
        own = _top(x[rows], top.value.shape[1], low)
        value = torch.cat([top.value[rows], own.value], dim=1)
        place = torch.cat([top.place[rows], own.place], dim=1)
        value, pick = value.topk(top.value.shape[1], dim=1)
        top.value[rows], top.place[rows] = value, place.gather(1, pick)
    return top
