"""Decisions over a large catalogue: the items' vectors laid out in blocks that stay in a processor's cache.

Axes: B sessions, H history, K slate positions, N items, C categories, d width of the towers.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from agents.deep.towers import States, Towers

BLOCK = 2048  # [items] of a block on the CPU; elsewhere the catalogue is one block


class Block(NamedTuple):
    """Items that lie side by side when the catalogue is sorted by category."""

    low: int  # its first item's place in that order
    matrix: Tensor  # (d + c, items): vectors, and a row for each of its c categories
    bias: Tensor  # (items,)
    first: int  # its first category


class TopKSearch:
    """The best items of sessions under frozen weights, by Q less what all items have alike, never more than a block.

    In order of category the term of the last item's category is a few more rows of the matrix product.
    """

    def __init__(self, towers: Towers) -> None:
        self.towers = towers
        order = torch.argsort(towers.category[:-1], stable=True)
        self.order, self.place = order, torch.argsort(order)
        with torch.no_grad():
            vectors, bias = towers.items()
            bias = towers.worth(bias)
            category = towers.category[:-1][order]
            num_items = len(order)
            is_host = order.device.type == "cpu"
            step = BLOCK if is_host else num_items
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
        left, _, recall = self.towers.valued(self.towers.code(states))
        kinds = self.towers.by_category(states, recall)
        items, added = self.towers.repeats(states, recall)
        place = self.place[items]
        buffer = left.new_empty(len(left) * self.blocks[0].matrix.shape[1])
        top: Top | None = None
        for low, matrix, bias, first in self.blocks:
            width = matrix.shape[1]
            x = buffer[: len(left) * width].view(len(left), width)
            own = kinds[:, first : first + len(matrix) - left.shape[1]]
            torch.addmm(bias, torch.cat([left, own], dim=1), matrix, out=x)
            inside = (place >= low) & (place < low + width)
            x.scatter_add_(1, (place - low).clamp(0, width - 1), added * inside)
            if mask is not None:
                x.masked_fill_(~mask[:, self.order[low : low + width]], -torch.inf)
            top = _top(x, slots, low) if top is None else _better(top, x, low)
        assert top is not None  # there is at least one block
        return self.order[top.place]


class Top(NamedTuple):
    """The best so far."""

    value: Tensor  # (B, K), -inf where less than K were seen
    place: Tensor  # (B, K)


def _top(x: Tensor, slots: int, low: int) -> Top:
    """The best of a block."""
    value, place = x.topk(min(slots, x.shape[1]), dim=1)
    if missing := slots - value.shape[1]:
        value = functional.pad(value, (0, missing), value=-torch.inf)
        place = functional.pad(place, (0, missing))
    return Top(value, place + low)


def _better(top: Top, x: Tensor, low: int) -> Top:
    """The best so far and of one more block: few rows improve, and the largest value is ten times as fast to find."""
    rows = (x.amax(dim=1) > top.value[:, -1]).nonzero()[:, 0]
    if len(rows):
        own = _top(x[rows], top.value.shape[1], low)
        value = torch.cat([top.value[rows], own.value], dim=1)
        place = torch.cat([top.place[rows], own.place], dim=1)
        value, pick = value.topk(top.value.shape[1], dim=1)
        top.value[rows], top.place[rows] = value, place.gather(1, pick)
    return top
