"""Checks of actions and of reset options.

Axes: B sessions, K slate positions.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recgym.checks import as_array, line_of, quoted, unknown_name
from recgym.sim.step_kernels import are_items


def check_slates(action: Any, num: int, slots: int, num_items: int) -> NDArray[np.int64]:
    """The action as int64 (B, K); ValueError if its shape is wrong or an item is not a whole number in [0, N)."""
    if (
        isinstance(action, int | np.integer)
        and not isinstance(action, bool)
        and num == slots == 1
        and 0 <= action < num_items
    ):
        return np.array([[action]], np.int64)  # the usual case of a single environment
    if isinstance(action, np.ndarray) and action.dtype == np.int64 and action.flags.c_contiguous:
        is_flat = action.ndim == 1 and 1 in (num, slots) and action.size == num * slots
        if (is_flat or action.shape == (num, slots)) and are_items(
            action.reshape(num, slots), num_items
        ):  # the usual case of all others
            return action.reshape(num, slots).copy()
    slates = as_array(action, "action")
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


def check_slate(action: Any, slots: int, num_items: int) -> NDArray[np.int64]:
    """The action of a single environment as int64 (K,); ValueError as in `check_slates`."""
    if type(action) is np.ndarray and action.shape == (slots,) and action.dtype == np.int64:  # the usual case
        slates: NDArray[np.int64] = action.reshape(1, slots).copy()
        if are_items(slates, num_items):
            return slates.reshape(slots)
    slates = check_slates(action, 1, slots, num_items)
    if np.ndim(action) > 1:
        wanted = "one item" if slots == 1 else f"a slate of {slots} items"
        raise ValueError(f"action has shape {np.shape(action)}, expected {wanted}")
    return slates.reshape(slots)


def _short(values: NDArray[Any]) -> str:
    return line_of(np.array2string(values, threshold=8, separator=", "))


def check_users(values: Any, num_users: int, name: str = "users") -> NDArray[np.int64]:
    """Distinct user indices, ascending; ValueError names an index that is out of range or listed twice."""
    if isinstance(values, range | list | tuple | set | frozenset) and len(values) > num_users:
        raise ValueError(f"{name} lists {len(values):,} users, there are {num_users:,}")
    listed = list(values) if isinstance(values, set | frozenset) else values
    users = _indices(listed, num_users, name, "a list of users")
    if users.ndim != 1 or not len(users):
        raise ValueError(f"{name} is {quoted(values)}, expected a list of users, at least one")
    distinct, counts = np.unique(users, return_counts=True)
    if len(distinct) < len(users):
        raise ValueError(f"{name} has user {distinct[counts > 1][0]} twice")
    return distinct


def check_user_rows(value: Any, num_users: int, rows: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The reset option "user" as (B,): one index for all rows or one for each; only rows that are reset use theirs."""
    users = _indices(value, num_users, "reset option user", "a user, or one for each environment")
    if users.shape not in ((), rows.shape):
        raise ValueError(
            f"reset option user has shape {users.shape}, expected one user or one for each of {len(rows)}"
        )
    return np.broadcast_to(users, rows.shape).astype(np.int64)


def _indices(values: Any, num_users: int, name: str, wanted: str) -> NDArray[np.int64]:
    try:
        users = as_array(values, name)
    except ValueError:
        users = np.asarray(None)
    if users.dtype.kind not in "iu":
        raise ValueError(
            f"{name} is {quoted(values)}, expected {wanted}: whole numbers from 0 to {num_users - 1}"
        )
    if users.size and (users.min() < 0 or users.max() >= num_users):
        wrong = users[(users < 0) | (users >= num_users)].flat[0] if users.ndim else users
        raise ValueError(f"{name} names user {wrong}, users are numbered 0 to {num_users - 1}")
    return users.astype(np.int64)


def check_options(options: Any, allowed: tuple[str, ...]) -> dict[str, Any]:
    """Options of `reset` that are not None; ValueError names unknown ones."""
    if options is not None and not isinstance(options, Mapping):
        raise ValueError(f"options is {quoted(options)}, expected a dict of {', '.join(allowed)}")
    if unknown := sorted(map(str, set(options or ()) - set(allowed))):
        raise ValueError(unknown_name("reset option", unknown[0], allowed))
    return {name: value for name, value in (options or {}).items() if value is not None}
