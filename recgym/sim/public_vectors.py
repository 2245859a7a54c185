"""Public vectors of items, such as embeddings of texts or images: agents may read them, the session model does not.

Axes: N items, D numbers of a given vector, m of a stored one.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recgym.arrays import Doubles, Floats, Ints
from recgym.checks import as_numbers

MOST = 64  # m at most


def reduced(vectors: Doubles) -> Doubles:
    """Vectors (N, m) of a world from vectors (N, D): centred, of root mean square length 1.

    Longer ones than `MOST` are projected on their first principal axes; an axis has the sign that makes its largest
    coordinate positive. All zeros where the items' vectors are equal.
    """
    centred = vectors - vectors.mean(axis=0)
    if centred.shape[1] > MOST:
        _, values, axes = np.linalg.svd(centred, full_matrices=False)
        axes = axes[:MOST][values[:MOST] > 1e-9 * max(float(values[0]), 1e-300)]
        largest = np.abs(axes).argmax(axis=1)
        axes = axes * np.sign(axes[np.arange(len(axes)), largest])[:, None]
        centred = centred @ axes.T if len(axes) else centred[:, :1]
    length = float(np.sqrt((centred**2).sum(axis=1).mean()))
    return np.asarray(centred / length if length > 1e-9 else np.zeros_like(centred))


def checked_vectors(vectors: NDArray[Any] | None, num_items: int) -> Floats | None:
    """As stored, (N, m); ValueError unless they are that many finite vectors of 1 to `MOST` numbers."""
    if vectors is None:
        return None
    given = as_numbers(vectors, "world array item_vectors")
    if given.ndim != 2 or len(given) != num_items or not 1 <= given.shape[1] <= MOST:
        raise ValueError(
            f"world array item_vectors has shape {given.shape}, expected ({num_items}, 1 to {MOST})"
        )
    with np.errstate(invalid="ignore", over="ignore"):
        stored = given.astype(np.float16).astype(np.float32)
    if not np.isfinite(stored).all():
        raise ValueError("world array item_vectors holds a number that is not finite, or above 65504")
    return stored


def of_items(vectors: Floats | None, items: Ints | None) -> Floats | None:
    """The vectors of some items, in their order; None: all."""
    return vectors if vectors is None or items is None else vectors[items]
