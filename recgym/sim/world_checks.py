"""Layout and range checks of a world's arrays.

Axes: U users, N items, E events, C categories, F friends, S items of a library, W rows of the watch-time table.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recgym.checks import as_numbers, require_mapping
from recgym.sim.page_order import world_pages
from recgym.sim.returns import check_returns
from recgym.sim.schema import (
    ARRAY_SPANS,
    BY_RULES,
    BY_SHARES,
    CHOICES,
    FRIENDS,
    LAYOUT,
    ONE_CHOICE,
    OPTIONAL,
    PARAMS,
    WATCH_EDGES_MS,
    WorldArrays,
)
from recgym.sim.transitions import check_transitions

_CDFS = ("user_cdf", "context_cdf")
_GRAPH = ("friend_start", "friend", "library", "kin")


def _no_graph(users: int) -> dict[str, NDArray[Any]]:
    """Arrays of a graph without edges, for worlds that have none."""
    return dict(
        zip(_GRAPH, (np.zeros(1), np.zeros(1), np.full((users, 1), -1), np.zeros((users, 1))), strict=True)
    )


def normalise_arrays(arrays: Mapping[str, NDArray[Any]], sizes: dict[str, int]) -> WorldArrays:
    """Arrays in the layout and type of memory, with values rounded as they are stored.

    Args:
        arrays: by name; those of the graph and of `OPTIONAL` may be absent.
        sizes: of axes by name; sizes that are not in it are added.

    Raises:
        ValueError: an array is missing, unknown, of another shape, not finite, or out of range of its type.
    """
    require_mapping(arrays, "arrays")
    if missing := [name for name in LAYOUT if name not in arrays and name not in (*_GRAPH, *OPTIONAL)]:
        raise ValueError(f"world lacks {', '.join(missing)}")
    if unknown := sorted(map(str, set(arrays) - set(LAYOUT))):
        raise ValueError(f"world has unknown arrays: {', '.join(unknown)}")
    fields = {}
    given = {name: as_numbers(array, f"world array {name}") for name, array in arrays.items()}
    given = {**_no_graph(len(np.atleast_1d(given["profile"]))), **OPTIONAL, **given}
    for name, layout in LAYOUT.items():
        value = np.asarray(given[name])
        if value.ndim != len(layout.axes):
            raise ValueError(
                f"world array {name} has shape {value.shape}, expected axes ({', '.join(layout.axes)})"
            )
        for axis, size in zip(layout.axes, value.shape, strict=True):
            expected = int(axis) if axis.isdigit() else sizes.setdefault(axis, size)
            if size != expected or size == 0:
                raise ValueError(
                    f"world array {name}: axis {axis} has size {size}, expected {expected or 'at least 1'}"
                )
        with np.errstate(invalid="ignore", over="ignore"):
            stored = value.astype(layout.stored)
        if stored.dtype.kind == "i" and np.any(stored != value):
            raise ValueError(f"world array {name} holds a number that {stored.dtype} cannot hold")
        value = np.array(stored.astype(layout.dtype), order="C")
        if not np.all(np.isfinite(value)):
            raise ValueError(f"world array {name} holds a number that is not finite")
        fields[name] = value
    return WorldArrays(**fields)


def stored_arrays(arrays: WorldArrays) -> dict[str, NDArray[Any]]:
    """Arrays by name, as they are stored; those of `OPTIONAL` that the world lacks are left out."""
    stored = {name: getattr(arrays, name).astype(layout.stored) for name, layout in LAYOUT.items()}
    absent = {name for name, value in OPTIONAL.items() if np.array_equal(stored[name], value)}
    return {name: array for name, array in stored.items() if name not in absent}


def _check_spans(arrays: WorldArrays) -> None:
    """ValueError names a parameter or an array with numbers outside its documented range."""
    for param, value in zip(PARAMS, arrays.params, strict=True):
        if not param.span.holds(value):
            raise ValueError(f"world parameter {param.name} is {value:g}, expected a number {param.span}")
    for name, span in ARRAY_SPANS.items():
        values = getattr(arrays, name)
        if not span.holds(values):
            low, high = values.min(), values.max()
            raise ValueError(f"world array {name} has numbers from {low:g} to {high:g}, expected all {span}")
    if np.any(np.diff(arrays.watch_quantiles, axis=1) < 0):
        raise ValueError("world array watch_quantiles must not fall along a row")
    if abs(arrays.exposure.sum() - 1.0) > 1e-6:
        raise ValueError(f"world array exposure has the sum {arrays.exposure.sum():.9g}, expected 1")


def _check_indices(arrays: WorldArrays, num_categories: int, num_events: int) -> None:
    """Ranges of indices and of cumulative weights; the kernels do not check them."""
    for name in _CDFS:
        cdf = getattr(arrays, name)
        if np.any(np.diff(cdf) < 0) or cdf[0] < 0 or abs(cdf[-1] - 1.0) > 1e-9:
            raise ValueError(f"world array {name} is not a cumulative distribution that ends at 1")
    if arrays.category.min() < 0 or arrays.category.max() >= num_categories:
        raise ValueError(f"world array category leaves [0, {num_categories})")
    if arrays.page.min() < 0:
        raise ValueError("world array page holds a negative number")
    needs = arrays.event_needs
    if np.any(needs >= np.arange(num_events)) or needs.min() < -1 or needs.max() > 1:
        raise ValueError("world array event_needs must name an earlier event, 0 or 1, or be -1")
    if arrays.watch[0] and (num_events < 2 or arrays.duration.min() <= 0):
        raise ValueError(
            "a world with watch time needs click and long_view first and a positive duration of every item"
        )
    if arrays.watch[0] == BY_SHARES and arrays.watch_quantiles.min() < 0:
        raise ValueError("world array watch_quantiles has a negative share of the duration")
    rows = arrays.watch_quantiles.shape[0]
    if rows % 3 or rows > 3 * (len(WATCH_EDGES_MS) + 1):
        raise ValueError(f"world array watch_quantiles has {rows} rows, expected three a group of durations")


def _check_kind(arrays: WorldArrays, domain: str) -> None:
    """Codes of the choice model and of watch time."""
    if arrays.choice[0] not in range(len(CHOICES)) or arrays.watch[0] not in (0, BY_RULES, BY_SHARES):
        raise ValueError("world arrays choice must be 0, 1, 2 or 3, and watch 0, 1 or 2")
    if (arrays.choice[0] == FRIENDS) != (domain == "friends"):
        raise ValueError(f"world array choice is {arrays.choice[0]}, which is not one of the domain {domain}")


def _check_graph(arrays: WorldArrays) -> None:
    """Friends are mutual and ascending; libraries are ascending."""
    start, friend, users = arrays.friend_start, arrays.friend, len(arrays.profile)
    if len(start) != users + 1 or start[0] != 0 or start[-1] != len(friend) or np.any(np.diff(start) < 0):
        raise ValueError(f"world array friend_start must rise from 0 to {len(friend)} over {users} users")
    owner = np.repeat(np.arange(users), np.diff(start))
    code = owner * users + friend
    if friend.min() < 0 or friend.max() >= users or np.any(np.diff(code) <= 0) or np.any(owner == friend):
        raise ValueError("world array friend must list each user's friends, other users, once and ascending")
    if np.any(np.sort(friend.astype(np.int64) * users + owner) != code):
        raise ValueError("world array friend must be mutual")
    if np.any(np.diff(arrays.library, axis=1) < 0) or arrays.library.min() < -1:
        raise ValueError(
            "world array library must rise along each user's row, from -1 where there is nothing"
        )


def _check_pages(arrays: WorldArrays) -> None:
    """The chain of pages has a distribution for each page, and one for the first; pages that are shown are slates."""
    chain, num = arrays.page_chain, int(world_pages(arrays).max()) + 1
    if chain.shape != (1, 1) and chain.shape != (num + 1, num):
        raise ValueError(f"world array page_chain has shape {chain.shape}, expected ({num + 1}, {num})")
    if np.any(np.abs(chain.sum(1) - 1.0) > 1e-9):
        raise ValueError("world array page_chain has a row whose sum is not 1")
    if not arrays.whole_pages[0]:
        return
    if arrays.choice[0] != ONE_CHOICE or arrays.page_items[0] == 0:
        raise ValueError(
            "whole pages need a world that is fitted to a shop's clicks, with page_items above 0"
        )
    largest = int(np.bincount(world_pages(arrays)).max())
    if largest > len(arrays.examine):
        raise ValueError(
            f"whole pages have up to {len(arrays.examine)} items, the world has one of {largest}"
        )


def check_arrays(arrays: WorldArrays, domain: str, num_categories: int, num_events: int) -> None:
    """ValueError names the first array, or parameter, that is not as documented in `recgym.sim.schema`."""
    _check_kind(arrays, domain)
    _check_spans(arrays)
    _check_indices(arrays, num_categories, num_events)
    _check_pages(arrays)
    check_transitions(arrays)
    check_returns(arrays)
    if len(arrays.friend_start) > 1:
        _check_graph(arrays)
