"""Decisions over a large catalogue: the items' vectors laid out in blocks that stay in a processor's cache.

Axes: B sessions, H history, K slate positions, N items, C categories, d width of the towers.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from agents.towers import States, Towers

BLOCK = 1024  # [items] of a block on the CPU; elsewhere the catalogue is one block


class Block(NamedTuple):
    """Items that lie side by side when the catalogue is sorted by category."""

    low: int  # its first item's place in that order
    matrix: Tensor  # (d + 1 + c, items): vectors, ones, and a row for each of its c categories
    bias: Tensor  # (items,)
    first: int  # its first category


class Catalogue:
    """The best items of sessions under frozen weights: x as in `Towers.logits`, never more than a block of it.

    In order of category the term of the last item's category is a few more rows of the matrix product.
    """

    def __init__(self, towers: Towers) -> None:
        self.towers = towers
        order = torch.argsort(towers.category[:-1], stable=True)
        self.order, self.place = order, torch.argsort(order)
        with torch.no_grad():
            vectors, bias = towers.items()
            category = towers.category[:-1][order]
            num_items = len(order)
            is_host = order.device.type == "cpu"
            step = BLOCK if is_host else num_items
            self.blocks = []
            for low in range(0, num_items, step):
                rows, own = order[low : low + step], category[low : low + step]
                first, last = (int(own[0]), int(own[-1])) if is_host else (0, towers.num_categories - 1)
                kinds = torch.arange(first, last + 1, device=own.device)[:, None] == own
                ones = torch.ones_like(bias[rows])[None]
                matrix = torch.cat([vectors[rows].T, ones, kinds.to(ones.dtype)])
                self.blocks.append(Block(low, matrix.contiguous(), bias[rows], first))

    @torch.no_grad()
    def best(self, states: States, slots: int, mask: Tensor | None = None) -> Tensor:
        """The K items of the largest Q, best first, (B, K); ValueError-free: the caller checks the mask (B, N)."""
        code = self.towers.code(states)
        left = torch.cat([code.f, code.value[:, None]], dim=1)
        kinds = self.towers.by_category(states, code.recall)
        items, added = self.towers.repeats(states, code.recall)
        place = self.place[items]
        values, places = [], []
        buffer = left.new_empty(len(left) * self.blocks[0].matrix.shape[1])
        for low, matrix, bias, first in self.blocks:
            width = matrix.shape[1]
            x = buffer[: len(left) * width].view(len(left), width)
            own = kinds[:, first : first + len(matrix) - left.shape[1]]
            torch.addmm(bias, torch.cat([left, own], dim=1), matrix, out=x)
            inside = (place >= low) & (place < low + width)
            x.scatter_add_(1, (place - low).clamp(0, width - 1), added * inside)
            if mask is not None:
                x.masked_fill_(~mask[:, self.order[low : low + width]], -torch.inf)
            top = x.topk(min(slots, width), dim=1) if slots > 1 else x.max(dim=1, keepdim=True)
            values.append(top[0])
            places.append(top[1] + low)
        best = torch.cat(values, dim=1).topk(slots, dim=1).indices
        return self.order[torch.cat(places, dim=1).gather(1, best)]
