"""Changes the indices of a log to those of a world, by the maps of `recgym.sim.world_index`."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from recgym.arrays import Ints

if TYPE_CHECKING:
    from recgym.logs.log import Log


def on_indices(
    log: "Log",
    users: Ints,
    items: Ints,
    *,
    sizes: tuple[int, int],
    ids: tuple[Sequence[str] | None, Sequence[str] | None],
    context: Ints | None,
    mark: str,
    remarks: Sequence[str],
) -> "Log":
    """The log with other indices of users and items; rows of users and items without one are left out.

    Args:
        log: any log.
        users: new index of each row of its users table, below 0 for none.
        items: new index of each row of its items table, below 0 for none.
        sizes: numbers of rows of the new users and items tables.
        ids: ids of the new tables; None: those of the log.
        context: `context_index` of the rows that are kept; None: unchanged.
        mark: `indexed_by` of the new log.
        remarks: new remarks.
    """
    user, item = users[log.column("user")], items[log.column("item")]
    kept = (user >= 0) & (item >= 0)
    named = items[log.column("named")] if "named" in log.rows.column_names else None
    kept = kept if named is None else kept & (named >= 0)
    rows = log.rows.filter(pa.array(kept))
    columns = {"user": pa.array(user[kept], pa.int32()), "item": pa.array(item[kept], pa.int32())}
    if named is not None:
        columns["named"] = pa.array(named[kept], pa.int32())
    if context is not None:
        columns["context_index"] = pa.array(context, pa.int32())
    for name, values in columns.items():
        at = rows.schema.get_field_index(name)
        rows = rows.append_column(name, values) if at < 0 else rows.set_column(at, name, values)
    return replace(
        log,
        rows=rows,
        users=_table(log.users, users, sizes[0], ids[0]),
        items=_table(log.items, items, sizes[1], ids[1]),
        friends=_friends(log.friends, users),
        earlier=_earlier(log.earlier, users, items),
        remarks=(*log.remarks, *remarks),
        indexed_by=mark,
    )


def _table(table: Any, index: Ints, size: int, ids: Sequence[str] | None) -> Any:
    """Table in the new order, with null rows for indices that the log does not have."""
    origin = np.full(size, -1)
    known = np.flatnonzero(index >= 0)
    origin[index[known]] = known
    moved = table.take(pa.array(origin, pa.int64(), mask=origin < 0))
    own = moved["id"].to_pylist() if ids is None else ids
    names = [f"not in the log: {row}" if name is None else name for row, name in enumerate(own)]
    return moved.set_column(moved.schema.get_field_index("id"), "id", pa.array(names, pa.string()))


def _earlier(earlier: Any, users: Ints, items: Ints) -> Any:
    """Earlier exposures of users and items that both have an index."""
    if earlier is None:
        return None
    user, item = users[np.asarray(earlier["user"])], items[np.asarray(earlier["item"])]
    kept = (user >= 0) & (item >= 0)
    rest = [earlier[name].filter(pa.array(kept)) for name in earlier.column_names[2:]]
    moved = [pa.array(index[kept], pa.int32()) for index in (user, item)]
    return pa.table([*moved, *rest], names=earlier.column_names)


def _friends(friends: Any, users: Ints) -> Any:
    """Pairs of friends who both have an index."""
    if friends is None:
        return None
    pairs = np.stack([users[np.asarray(friends[name])] for name in ("user", "friend")])
    low, high = np.sort(pairs[:, (pairs >= 0).all(axis=0)], axis=0)
    return pa.table({"user": pa.array(low, pa.int32()), "friend": pa.array(high, pa.int32())})
