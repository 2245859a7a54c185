"""Random seeds of environments: one for the single environment, one for each row of a vector."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recgym.checks import checked_seed

MODULUS = 1 << 64  # seeds that differ by a multiple of it are the same


def entropy_seed() -> int:
    """A seed in [0, 2^64) from the entropy of the operating system."""
    return int(np.random.SeedSequence().generate_state(1, np.uint64)[0])


def parse_seeds(values: Any, num: int) -> int | list[int | None]:
    """A seed for row 0, or a list with one for each of `num` rows, None for a row that keeps its own.

    Raises:
        ValueError: a value is not a whole number of at least 0 (the message names the row), or the length is not `num`.
    """
    listed = isinstance(values, Sequence) and not isinstance(values, str | bytes)
    if not listed and np.ndim(values) != 1:
        return checked_seed(values)
    seeds = values.tolist() if isinstance(values, np.ndarray) else list(values)
    if len(seeds) != num:
        raise ValueError(f"seed lists {len(seeds)} numbers, expected one for each of {num} environments")
    return [None if value is None else checked_seed(value, f"seed {i}") for i, value in enumerate(seeds)]


def consecutive_seeds(seed: int, num: int) -> NDArray[np.uint64]:
    """Seeds s, s + 1, ..., s + num - 1 modulo 2^64, shape (num,)."""
    return np.arange(num, dtype=np.uint64) + np.uint64(seed % MODULUS)
