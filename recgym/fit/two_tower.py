"""Two-tower networks: ids and public features to vectors. Source: Covington et al. (2016), RecSys.

Towers are evaluated once after training and their outputs exported; the simulator uses inner products alone.
"""

from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recgym.arrays import Floats


class Tower(nn.Module):
    """Maps rows of a table to (rows, out): a network on public features plus an id embedding.

    The embedding has the initial standard deviation `id_scale` and a ridge penalty (`ridge_penalty`), so that rare ids
    rely on their features.
    """

    features: Tensor

    def __init__(self, features: Floats, out: int, hidden: int, id_scale: float, dropout: float) -> None:
        super().__init__()
        num, width = features.shape
        self.register_buffer("features", torch.from_numpy(np.ascontiguousarray(features, np.float32)))
        self.own = nn.Embedding(num, out)
        nn.init.normal_(self.own.weight, std=id_scale)
        self.layers = (
            nn.Sequential()
            if width == 0
            else nn.Sequential(
                nn.Dropout(dropout),
                nn.Linear(width, hidden),
                nn.GELU(),
                nn.Dropout(dropout),
                nn.Linear(hidden, out),
            )
        )

    def forward(self, rows: Tensor | None = None) -> Tensor:
        """Outputs (rows, out) of all rows, or of the rows `rows`."""
        own = self.own.weight if rows is None else self.own(rows)
        if self.features.shape[1] == 0:
            return cast(Tensor, own)
        return cast(Tensor, self.layers(self.features if rows is None else self.features[rows]) + own)

    def zero_outputs(self, outputs: slice) -> None:
        """Sets these outputs to 0 for all rows before training."""
        with torch.no_grad():
            self.own.weight[:, outputs] = 0.0
            if len(self.layers):
                last = cast(nn.Linear, self.layers[-1])
                last.weight[outputs] = 0.0
                last.bias[outputs] = 0.0

    def ridge_penalty(self, bias_ridge: float, ridge: float) -> Tensor:
        """Sum of squares of the id embeddings with weight `ridge`; the last output is a bias: weight `bias_ridge`."""
        square = self.own.weight.square()
        return bias_ridge * square[:, -1].sum() + ridge * square[:, :-1].sum()


def one_hot(codes: NDArray[np.int64], size: int | None = None) -> Floats:
    """(rows, size) indicator columns of integer codes."""
    width = int(codes.max()) + 1 if size is None else size
    return np.eye(width, dtype=np.float32)[codes]
