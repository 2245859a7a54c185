"""Transitions from item to item as a sparse term of affinity.

Axes: N items, P pairs that follow one another, R rows, M alternatives.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Transitions(NamedTuple):
    """Terms of the pairs, in the order of the first item and then of the second."""

    start: Tensor  # (N + 2,) int64 first pair of each item, then of no response yet, which is item N
    code: Tensor  # (P,) int64 first item times N plus the second
    logit: Tensor  # (P,) added to the affinity of the second item after a response to the first
    without: Tensor  # (P,) the same, from the log without one of the pair's transitions
    level: Tensor  # (N + 1,) subtracted from all items after each item, and before a response

    def between(self, last: Tensor, item: Tensor, *, leave_one_out: bool) -> Tensor:
        """(R,) terms of `item` (R,) after `last` (R,), -1 for none."""
        num = len(self.start) - 2
        code = torch.where(last >= 0, last, num) * num + item
        at = torch.searchsorted(self.code, code).clamp(max=len(self.code) - 1)
        value = self.without if leave_one_out else self.logit
        return (
            torch.where(self.code[at] == code, value[at], 0.0) - self.level[torch.where(last >= 0, last, num)]
        )

    def after(self, last: Tensor, items: Tensor) -> Tensor:
        """(R, M) terms of `items` (M,) after `last` (R,), -1 for none."""
        device, num = last.device, len(self.start) - 2
        distinct, column = torch.unique(items, return_inverse=True)
        place = torch.full((num,), -1, device=device)
        place[distinct] = torch.arange(len(distinct), device=device)
        first = torch.where(last >= 0, last, num)
        begin = self.start[first]
        count = self.start[first + 1] - begin
        row = torch.repeat_interleave(torch.arange(len(last), device=device), count)
        pair = torch.arange(len(row), device=device) + (begin - count.cumsum(0) + count)[row]
        to = place[self.code[pair] % num]
        found = torch.zeros(len(last), len(distinct), dtype=self.logit.dtype, device=device)
        found[row[to >= 0], to[to >= 0]] = self.logit[pair[to >= 0]]
        found = found - self.level[first][:, None]
        return found if len(distinct) == num else found[:, column]
