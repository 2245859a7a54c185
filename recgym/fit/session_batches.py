"""Padded batches of the sessions of a dataset. Axes: B sessions, T rows."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from recgym.arrays import Bools, Ints
from recgym.fit.torch_session import Batch

if TYPE_CHECKING:
    from recgym.fit.dataset import Dataset

MAX_PIECE_ROWS = 512  # of a session in one row of a batch


class Batches(Sequence[Batch]):
    """Batches of sessions, each made on access, so that only one is in memory."""

    def __init__(
        self, dataset: "Dataset", starts: Ints, lengths: Ints, rows: int, device: torch.device
    ) -> None:
        self.dataset, self.starts, self.lengths, self.device = dataset, starts, lengths, device
        self.parts = list(_parts(lengths, rows))

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, index: Any) -> Any:
        first, last = self.parts[index]
        lengths, starts, dataset = self.lengths[first:last], self.starts[first:last], self.dataset
        clock = np.arange(lengths.max())
        mask = clock[None, :] < lengths[:, None]
        row = np.where(mask, starts[:, None] + clock[None, :], 0)

        def tensor(values: NDArray[Any], kind: torch.dtype) -> torch.Tensor:
            return torch.as_tensor(values, dtype=kind, device=self.device)

        place = tensor(dataset.place[row], torch.int64)
        return Batch(
            tensor(dataset.user[starts], torch.int64),
            tensor(dataset.context[starts], torch.int64),
            tensor(np.where(mask, dataset.item[row], 0), torch.int64),
            tensor(mask & dataset.positive[row], torch.float32),
            tensor(mask, torch.float32),
            tensor(row, torch.int64),
            place if dataset.has_slates else None,
            place=place,
        )


def pieces(starts: Ints, lengths: Ints, ordered: Bools) -> tuple[Ints, Ints]:
    """Starts and lengths of sessions cut into pieces of at most MAX_PIECE_ROWS rows, of 1 row where not `ordered`.

    A piece is treated as a session. A batch is quadratic in length; few sessions are longer than MAX_PIECE_ROWS, and
    effects of responses before the piece have decayed.
    """
    most = np.where(ordered, MAX_PIECE_ROWS, 1)
    count = -(-lengths // most)
    within = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
    begun = within * np.repeat(most, count)
    return np.repeat(starts, count) + begun, np.minimum(
        np.repeat(lengths, count) - begun, np.repeat(most, count)
    )


def _parts(lengths: Ints, rows: int) -> Iterator[tuple[int, int]]:
    """Ranges of sessions, shortest first, of at most `rows` rows when padded."""
    begin, sizes = 0, lengths.tolist()
    for end in range(1, len(sizes) + 1):
        if end == len(sizes) or (end + 1 - begin) * sizes[end] > rows:
            yield begin, end
            begin = end
