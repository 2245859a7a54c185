"""Deep towers: ids and public features -> vectors (two-tower collaborative filtering: Covington et al., 2016).

Towers are evaluated once after training and their outputs exported, so that simulation is a dot product.
"""

from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recgym.arrays import Floats


class Tower(nn.Module):
    """Rows of a table -> (rows, out): a network on public features, plus an embedding of the id.

    The id's part begins at `id_scale`; the ridge on it (`own_square`) leaves rare ids to their features, and an id
    that never occurs stays there.
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
        """Outputs of all rows, or of these."""
        own = self.own.weight if rows is None else self.own(rows)
        if self.features.shape[1] == 0:
            return cast(Tensor, own)
        return cast(Tensor, self.layers(self.features if rows is None else self.features[rows]) + own)

    def silence(self, outputs: slice) -> None:
        """Set these outputs to 0 for all rows, until they are trained."""
        with torch.no_grad():
            self.own.weight[:, outputs] = 0.0
            if len(self.layers):
                last = cast(nn.Linear, self.layers[-1])
                last.weight[outputs] = 0.0
                last.bias[outputs] = 0.0

    def own_square(self, bias_ridge: float, ridge: float) -> Tensor:
        """Weighted sum of squares of what the ids add; the last output is a bias and has its own weight."""
        square = self.own.weight.square()
        return bias_ridge * square[:, -1].sum() + ridge * square[:, :-1].sum()


def one_hot(codes: NDArray[np.int64], size: int | None = None) -> Floats:
    """(rows, size) indicator columns of integer codes."""
    width = int(codes.max()) + 1 if size is None else size
    return np.eye(width, dtype=np.float32)[codes]
