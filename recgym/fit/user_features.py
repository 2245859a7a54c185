"""Features of users: public ones that agents observe, inputs of the towers, and event rates before the log.

Ranks, means and values of columns are those of the users with known rows: a user who comes only later moves no other.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recgym.arrays import Bools, Floats
from recgym.fit.dataset import Dataset
from recgym.fit.two_tower import one_hot
from recgym.fit.user_history import with_history

MAX_PUBLIC = 16  # public features of a world
MAX_CODES = 64  # distinct values of a column of text or codes
MAX_SHOWN = 5  # values of a column of text that become public features
EARLIER = "earlier_"  # prefix of columns that count events before the log (`recgym.logs.kuairand_history`)
PRIOR_ROWS = 4.0  # [rows] at the overall rate that are added to a rate before the log


def known_users(dataset: Dataset) -> Bools:
    """(U,) users with known rows, in a bootstrap those of the whole log."""
    return np.arange(dataset.num_users) < (
        dataset.num_users if dataset.num_known is None else dataset.num_known
    )


def public_user_features(dataset: Dataset) -> tuple[tuple[str, ...], Floats]:
    """Names and (U, F <= 16) features in [-1, 1]: flags as 1/-1, counts as ranks, frequent words one-hot."""
    names: list[str] = []
    columns: list[Floats] = []
    of = known_users(dataset)
    for name, column in usable_columns(dataset):
        numbers = column.numbers
        if numbers is not None and len(np.unique(numbers[np.isfinite(numbers) & of])) > 2:
            block = {name: _ranks(numbers, of)}
        elif numbers is not None:
            block = {name: _signs(numbers, of)}
        else:
            common = Counter(column.code[dataset.user[dataset.visits]].tolist()).most_common(MAX_SHOWN)
            block = {
                f"{name}={column.values[code]}": _signs((column.code == code).astype(np.float64), of)
                for code, _ in common
                if column.values[code] is not None
            }
        names += block
        columns += block.values()
    features = (
        np.stack(columns[:MAX_PUBLIC], axis=1) if columns else np.zeros((dataset.num_users, 0), np.float32)
    )
    return tuple(names[:MAX_PUBLIC]), features.astype(np.float32)


def tower_user_features(dataset: Dataset) -> Floats:
    """(U, F) all usable columns: counts as ranks, words and codes one-hot; rates before the log."""
    of = known_users(dataset)
    blocks = [earlier_rates(dataset.user_columns, of)]
    for _, column in usable_columns(dataset, shown=False):
        labels = column.labels(of)
        if len(labels) <= MAX_CODES:
            place = {label: index for index, label in enumerate(labels)}
            codes = np.array([place.get(str(value), len(labels)) for value in column.values])
            blocks.append(one_hot(codes[column.code], len(labels) + 1)[:, :-1])
        if column.numbers is not None and len(labels) > 2:
            blocks.append(_ranks(column.numbers, of)[:, None])
    return with_history(np.concatenate(blocks, axis=1), dataset.history and dataset.history.level)


def earlier_rates(columns: Mapping[str, Any], of: Bools | None = None) -> Floats:
    """(rows, F) centred features from before the log: log of impressions, logits of shrunk event rates.

    Means are those of the rows `of`, by default of all. F is 0 where the table has no `earlier_shown`.
    """
    rows = len(next(iter(columns.values())))
    if f"{EARLIER}shown" not in columns:
        return np.zeros((rows, 0), np.float32)
    counts = {
        name: np.array(values, np.float64) for name, values in columns.items() if name.startswith(EARLIER)
    }
    shown = counts.pop(f"{EARLIER}shown")
    of = np.ones(rows, bool) if of is None else of
    out = [np.log1p(shown)]
    for happened in counts.values():
        mean = (happened[of].sum() + 0.5) / (shown[of].sum() + 1.0)
        rate = (happened + PRIOR_ROWS * mean) / (shown + PRIOR_ROWS)
        out.append(np.log(rate / (1.0 - np.minimum(rate, 1.0 - 1e-9))))
    return np.stack([value - value[of].mean() for value in out], axis=1).astype(np.float32)


class FeatureColumn(NamedTuple):
    """A column of the users table."""

    values: list[Any]  # distinct values in order of appearance; None for null
    code: NDArray[np.int64]  # (U,) index into them
    numbers: NDArray[np.float64] | None  # (U,) NaN for null; None where it holds words

    @classmethod
    def of(cls, column: Any) -> "FeatureColumn":
        """From Arrow."""
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        coded = column.combine_chunks().dictionary_encode(null_encoding="encode")
        values = coded.dictionary.to_pylist()
        code = coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        if any(isinstance(value, str) for value in values):
            return cls(values, code, None)
        return cls(values, code, np.array([np.nan if v is None else float(v) for v in values])[code])

    def labels(self, of: Bools) -> list[str]:
        """The distinct values of the users `of` (U,) as text, ascending."""
        return sorted({str(self.values[code]) for code in np.unique(self.code[of]).tolist()})


def usable_columns(dataset: Dataset, shown: bool = True) -> list[tuple[str, FeatureColumn]]:
    """The user columns without ids, constants, and text of more than MAX_CODES values, among known users.

    `shown`: without bucketed and encoded copies of other columns, for the public features of a world.
    """
    kept, of = [], known_users(dataset)
    for name, values in dataset.user_columns.items():
        if name == "id" or name.endswith("_id") or name.startswith(EARLIER):
            continue
        if shown and (name.endswith("_range") or name.startswith("onehot_")):
            continue
        column = FeatureColumn.of(values)
        distinct = len(column.labels(of))
        if distinct > 1 and (column.numbers is not None or distinct <= MAX_CODES):
            kept.append((name, column))
    return kept


def _ranks(numbers: NDArray[np.float64], of: Bools) -> Floats:
    """Mid-ranks among the users `of` (U,), scaled to [-1, 1]; unknown is 0."""
    known = np.isfinite(numbers)
    own = np.sort(numbers[known & of])
    middle = 0.5 * (np.searchsorted(own, numbers) + np.searchsorted(own, numbers, side="right"))
    return np.where(known, 2.0 * middle / max(len(own), 1) - 1.0, 0.0).astype(np.float32)


def _signs(numbers: NDArray[np.float64], of: Bools) -> Floats:
    """The lower value of the users `of` (U,) as -1, the higher as 1; unknown is 0."""
    known = np.isfinite(numbers)
    high = numbers[known & of].max() if (known & of).any() else 1.0
    return np.where(known, np.where(numbers >= high, 1.0, -1.0), 0.0).astype(np.float32)
