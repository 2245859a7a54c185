"""What comes into an environment from outside, checked: actions, seeds, options of a reset."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recgym.checks import line_of, said, seed_of

MODULUS = 1 << 64  # of seeds


def check_slates(action: Any, num: int, slots: int, num_items: int) -> NDArray[np.int64]:
    """The action as int64 (B, K); ValueError where its shape is wrong or an item is not a whole number in range."""
    if (
        isinstance(action, int | np.integer)
        and not isinstance(action, bool)
        and num == slots == 1
        and 0 <= action < num_items
    ):
        return np.array([[action]], np.int64)  # the usual case of a single environment
    slates = np.asarray(action)
    shapes: set[tuple[int, ...]] = {(num, slots)} | ({(num,)} if slots == 1 else set())
    if num == 1:
        shapes |= {(slots,)} | ({()} if slots == 1 else set())
    if slates.shape not in shapes:
        wanted = "one item" if slots == 1 else f"a slate of {slots} items"
        rows = "" if num == 1 else f" for each of {num} environments"
        raise ValueError(f"action has shape {slates.shape}, expected {wanted}{rows}")
    whole = slates.dtype.kind in "iu" or (
        slates.dtype.kind == "f" and bool(np.all(slates == np.floor(slates)))
    )
    if not whole or not np.all(np.isfinite(slates)):
        raise ValueError(f"action {_short(slates)} is not a whole number of the items 0 to {num_items - 1}")
    if slates.min() < 0 or slates.max() >= num_items:
        raise ValueError(f"action {_short(slates)} is out of range: items are numbered 0 to {num_items - 1}")
    return slates.astype(np.int64).reshape(num, slots)


def _short(values: NDArray[Any]) -> str:
    return line_of(np.array2string(values, threshold=8, separator=", "))


def entropy() -> int:
    """A seed of 64 bits that nobody chose."""
    return int(np.random.SeedSequence().generate_state(1, np.uint64)[0])


def seeds_of(values: Any, num: int) -> int | list[int | None]:
    """The seed of row 0, or one for each of `num` rows, None where a row keeps its own; ValueError names the row."""
    listed = isinstance(values, Sequence) and not isinstance(values, str | bytes)
    if not listed and np.ndim(values) != 1:
        return seed_of(values)
    seeds = values.tolist() if isinstance(values, np.ndarray) else list(values)
    if len(seeds) != num:
        raise ValueError(f"seed lists {len(seeds)} numbers, expected one for each of {num} environments")
    return [None if value is None else seed_of(value, f"seed {i}") for i, value in enumerate(seeds)]


def spread(seed: int, num: int) -> NDArray[np.uint64]:
    """Seeds s, s + 1, ..., modulo 2^64."""
    return np.arange(num, dtype=np.uint64) + np.uint64(seed % MODULUS)


def users_of(values: Any, num_users: int, name: str = "users") -> NDArray[np.int64]:
    """Distinct user indices, ascending; ValueError names one that is no user, or is there twice."""
    listed = list(values) if isinstance(values, set | frozenset) else values
    users = _indices(listed, num_users, name, "a list of users")
    if users.ndim != 1 or not len(users):
        raise ValueError(f"{name} is {said(values)}, expected a list of users, at least one")
    distinct, counts = np.unique(users, return_counts=True)
    if len(distinct) < len(users):
        raise ValueError(f"{name} has user {distinct[counts > 1][0]} twice")
    return distinct


def user_of_rows(value: Any, num_users: int, rows: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The option "user" as (B,): one index for all rows, or one for each (read where the row is reset alone)."""
    users = _indices(value, num_users, "reset option user", "a user, or one for each environment")
    if users.shape not in ((), rows.shape):
        raise ValueError(
            f"reset option user has shape {users.shape}, expected one user or one for each of {len(rows)}"
        )
    return np.broadcast_to(users, rows.shape).astype(np.int64)


def _indices(values: Any, num_users: int, name: str, wanted: str) -> NDArray[np.int64]:
    try:
        users = np.asarray(values)
    except ValueError:  # rows of unequal length
        users = np.asarray(None)
    if users.dtype.kind not in "iu":
        raise ValueError(
            f"{name} is {said(values)}, expected {wanted}: whole numbers from 0 to {num_users - 1}"
        )
    if users.size and (users.min() < 0 or users.max() >= num_users):
        wrong = users[(users < 0) | (users >= num_users)].flat[0] if users.ndim else users
        raise ValueError(f"{name} names user {wrong}, users are numbered 0 to {num_users - 1}")
    return users.astype(np.int64)


def refuse_options(options: Any, allowed: tuple[str, ...]) -> dict[str, Any]:
    """Options of `reset` that are not None; ValueError that names one which is not known."""
    if options is not None and not isinstance(options, Mapping):
        raise ValueError(f"options is {said(options)}, expected a dict of {', '.join(allowed)}")
    if unknown := sorted(map(str, set(options or ()) - set(allowed))):
        raise ValueError(f"reset option {', '.join(unknown)} is unknown; allowed: {', '.join(allowed)}")
    return {name: value for name, value in (options or {}).items() if value is not None}
