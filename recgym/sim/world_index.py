"""Mapping of a log onto the indices of a world.

A log numbers users and items in the order of its tables, a fit numbers items by exposure, and an environment may give
them other numbers (`recgym.sim.numbering`). The mapping is, in this order:

* the same indices, if the log's mark `indexed_by` is that of the world, or those of the fit, if it is the mark of the
  world before its items got other numbers (`sample_log`, `index_log`), and the public columns agree with the mark;
* by the card's fingerprint, if the log's tables have the ids that the world was fitted on, in their order;
* by the table of ids of the world; ids that are missing or unknown are counted in a remark.

Where all these ids are running numbers, any log would be mapped: a remark says that it may be of another data set; with
the tables of the card's fingerprint, only where its items are shown unlike the world's (`recgym.sim.plain_ids`).

Other logs are a ValueError that says what differs. A log is used by its interface only: `recgym.logs` is not imported.

Axes: U users, N items, R rows of the log.
"""

import base64
import hashlib
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recgym.arrays import Ints
from recgym.checks import check_ids, line_of, quoted
from recgym.sim.plain_ids import another_source

if TYPE_CHECKING:
    from recgym.sim.world import World

CONTEXTS = ("context_hour", "context_index")  # columns with the codes of a world's contexts
SAMPLED = "sampled from the world "  # and its name: the source of a log of `sample_log`
MIN_KNOWN_SHARE = 0.5  # of a log's rows, with an item in the table of ids
UNINFORMATIVE_CATEGORIES = ("item", "other", "None", "nan", "")


class IndexMap(NamedTuple):
    """World indices of the rows of a log's tables; -1 for those that are not in the world."""

    users: Ints  # (rows of the users table,)
    items: Ints  # (rows of the items table,)
    remarks: tuple[str, ...] = ()


def ids_digest(ids: Sequence[str]) -> str:
    """SHA-256 of ids, in their order."""
    return hashlib.sha256("\n".join(ids).encode()).hexdigest()


def row_numbers(packed: str) -> Ints:
    """Row numbers of a card's entry `user_rows` or `item_rows`."""
    raw = zlib.decompress(base64.b64decode(packed))
    return np.frombuffer(raw, "<i4").astype(np.int64)


def index_log(world: "World", log: Any) -> Any:
    """The log on the indices of the world; see `World.index_log`."""
    if not hasattr(log, "indexed_by"):
        raise ValueError(f"log is {quoted(log)}, expected a log, as read_log returns")
    if log.domain != world.domain:
        raise ValueError(f"the log is of domain {log.domain}, world {world.name} of {world.domain}")
    for what, table in (("user", log.users), ("item", log.items)):
        if log.num_rows and (last := int(log.column(what).max())) >= len(table):
            raise ValueError(f"the log's rows name {what} {last}, its {what}s table has {len(table)} rows")
    found = places(world, log)
    item, user = found.items[log.column("item")], found.users[log.column("user")]
    remarks = [*found.remarks, *_lost("item", log, item, world), *_lost("user", log, user, world)]
    kept = (item >= 0) & (user >= 0)
    if not kept.any():
        raise ValueError(f"no row of the log has both a user and an item of world {world.name}")
    context, remark = contexts_of(world, log, kept)
    return log.on_indices(
        found.users, found.items, sizes=(world.num_users, world.num_items), ids=(world.user_ids, world.item_ids),
        context=context if len(world.contexts) > 1 else None, mark=world.index_digest, remarks=(*remarks, *remark),
    )  # fmt: skip


def _lost(what: str, log: Any, index: Ints, world: "World") -> list[str]:
    """A remark that counts the rows with unknown users or items."""
    unknown = index < 0
    if not unknown.any():
        return []
    count = len(np.unique(log.column(what)[unknown]))
    return [
        f"{int(unknown.sum()):,} of {len(index):,} rows left out: their {count:,} {what}s have no row in world "
        f"{world.name}"
    ]


def places(world: "World", log: Any, *, new_users: bool = False) -> IndexMap:
    """World indices of the rows of the log's tables; ValueError says what differs if there is no mapping.

    `new_users`: the log may have no user of the world, as where each session is a user of its own.
    """
    if log.indexed_by == world.index_digest:
        items = _same(log.num_items, world.num_items)
        return _by_mark(world, log, IndexMap(_same(log.num_users, world.num_users), items))
    if world.numbering is not None and log.indexed_by == world.numbering.index_digest:
        items = _numbers(world, log.num_items)
        return _by_mark(world, log, IndexMap(_same(log.num_users, world.num_users), items))
    user_ids, item_ids = log.users["id"].to_pylist(), log.items["id"].to_pylist()
    known_items, known_users = (
        _by_fingerprint(world, log, *of) for of in (("item", item_ids), ("user", user_ids))
    )
    if known_items is not None:
        _check_categories(world, log, known_items)
        if known_users is not None:
            remarks = another_source(world, log, known_users, known_items, is_of_fit=True)
            return IndexMap(known_users, known_items, remarks)
        if world.ids is None:
            return IndexMap(np.full(len(user_ids), -1), known_items)
        users = _by_ids(world.ids.users, user_ids)
        return IndexMap(users, known_items, _shares(world, log, users, known_items))
    if log.indexed_by is not None or log.source.name.startswith(SAMPLED):
        raise ValueError(_of_another(world, log))
    found = _looked_up(world, log, user_ids, item_ids, known_users)
    if not new_users and not (found.users >= 0).any():
        raise ValueError(
            f"none of the log's {log.num_users:,} users is one of world {world.name}'s {world.num_users:,}"
        )
    return found


def _by_mark(world: "World", log: Any, found: IndexMap) -> IndexMap:
    """The mapping that the log's mark states; ValueError if the public columns of its tables are of other rows.

    A log that was sampled from the world has the world's own columns; those of other logs are in their words and units,
    and have the ids of the fitted log.
    """
    if log.source.name != f"{SAMPLED}{world.name}":
        whose = f"world {world.name}"
        check_ids("user", log.users, found.users, world.user_ids, whose)
        check_ids("item", log.items, found.items, world.item_ids, whose)
        _check_categories(world, log, found.items)
        if log.source.name.startswith(SAMPLED):
            said = f"{log.source.name}, another one of the same users and items than {world.name}"
            return found._replace(remarks=(said,))
        return found
    arrays, category = world.arrays, np.array(world.categories, object)
    items = {"category": category[arrays.category], "page": arrays.page, "price": arrays.price_ratio}
    items["duration_ms"] = arrays.duration
    users = dict(zip(world.user_feature_names, np.transpose(world.user_features), strict=True))
    for what, table, index, public in (
        ("item", log.items, found.items, items),
        ("user", log.users, found.users, users),
    ):
        for name in (name for name in public if name in table.column_names):
            rows = np.flatnonzero((index >= 0) & table[name].is_valid().to_numpy())
            theirs, ours = table[name].to_numpy()[rows], public[name][index[rows]]
            other = np.flatnonzero(theirs != ours if name == "category" else ~np.isclose(theirs, ours))
            if len(other):
                one, another = (line_of(str(each[other[0]])) for each in (theirs, ours))
                raise ValueError(
                    f"the log has the mark of world {world.name}, and {what}s of another numbering: {name} differs for "
                    f"{len(other):,} of {len(rows):,} {what}s ({what} {rows[other[0]]}: {one}, there {another}); "
                    "draw it anew by sample_log"
                )
    return found


def _same(size: int, known: int) -> Ints:
    """(size,) 0, 1, ... for the first `known` rows, -1 for the others."""
    index = np.arange(size)
    index[known:] = -1
    return index


def _numbers(world: "World", size: int) -> Ints:
    """(size,) index in the world of each item number of its fit; -1 for those that the world was cut by."""
    index, fitted = np.full(size, -1), world.fitted_numbers
    kept = np.flatnonzero(fitted < size)
    index[fitted[kept]] = kept
    return index


def _by_fingerprint(world: "World", log: Any, what: str, ids: list[str]) -> Ints | None:
    """Mapping by the rows of the card's fingerprint; None if the log's table is a different one."""
    known = world.card.get("identity", {})
    if known.get(f"{what}s") != ids_digest(ids) or known.get("indexed_by") != log.indexed_by:
        return None
    rows, index = row_numbers(known[f"{what}_rows"]), np.full(len(ids), -1)
    index[rows] = _numbers(world, len(rows)) if what == "item" else np.arange(len(rows))
    return index


def _by_ids(known: tuple[str, ...], ids: list[str]) -> Ints:
    """Mapping by a table of ids."""
    number = {key: index for index, key in enumerate(known)}
    return np.array([number.get(key, -1) for key in ids], np.int64)


def _looked_up(
    world: "World", log: Any, user_ids: list[str], item_ids: list[str], known_users: Ints | None
) -> IndexMap:
    """Mapping by the tables of ids, with a remark; ValueError if the log is of other items or users."""
    name = world.name
    if world.ids is None:
        raise ValueError(
            f"the log's items are not those that world {name} was fitted on ({log.num_items:,} items, another table "
            "of ids), and the world holds no table of ids to look them up: it takes a log with the same items and "
            "users tables, or one sampled from it"
        )
    items = _by_ids(world.ids.items, item_ids)
    users = _by_ids(world.ids.users, user_ids) if known_users is None else known_users
    shown, unknown = items[log.column("item")] >= 0, int((items < 0).sum())
    if not len(shown) or shown.mean() < MIN_KNOWN_SHARE:
        raise ValueError(
            f"the log's items are not those that world {name} was fitted on: {unknown:,} of its "
            f"{log.num_items:,} items ({int((~shown).sum()):,} of {len(shown):,} rows) are unknown to the world; "
            "fit a world on this log"
        )
    items[items >= 0] = _numbers(world, len(world.ids.items))[items[items >= 0]]
    _check_categories(world, log, items)
    return IndexMap(users, items, _shares(world, log, users, items))


def _shares(world: "World", log: Any, users: Ints, items: Ints) -> tuple[str, ...]:
    """Remarks that the log may be of another data set, and how many users and items of the world it has."""
    parts = [
        f"{int((index >= 0).sum()):,} of its {size:,} {what}"
        for what, index, size in (("users", users, world.num_users), ("items", items, world.num_items))
    ]
    known = f"mapped by the ids of world {world.name}: the log has {' and '.join(parts)}"
    return (*another_source(world, log, users, items), known)


def _check_categories(world: "World", log: Any, items: Ints) -> None:
    """ValueError if most categories differ: two shops may use the same ids."""
    if "category" not in log.items.column_names:
        return
    theirs, same, other = log.items["category"].to_pylist(), 0, []
    for row in np.flatnonzero(items >= 0):
        ours = world.categories[world.arrays.category[items[row]]]
        if (
            ours in UNINFORMATIVE_CATEGORIES
            or theirs[row] is None
            or str(theirs[row]) in UNINFORMATIVE_CATEGORIES
        ):
            continue
        if str(theirs[row]) == ours:
            same += 1
        else:
            other.append((row, ours))
    if len(other) > same:
        row, ours = other[0]
        name = log.items["id"][int(row)].as_py()
        raise ValueError(
            f"the log's items are not those that world {world.name} was fitted on: {len(other):,} of "
            f"{len(other) + same:,} items of the same ids have another category (item {name!r}: "
            f"{str(theirs[row])!r}, in the world {ours!r})"
        )


def _of_another(world: "World", log: Any) -> str:
    """Message for a log on the indices of another world."""
    head = f"the log's items are not those that world {world.name} was fitted on: "
    if log.indexed_by is None:
        return (
            f"{head}it says {log.source.name!r} and holds no mark of that world; draw it anew by sample_log"
        )
    last = int(log.column("item").max())
    more = (
        f"; its item indices reach {last}, this task has {world.num_items}" if last >= world.num_items else ""
    )
    return f"{head}it is on the indices of another world, by their fingerprints{more}"


def contexts_of(world: "World", log: Any, known: NDArray[np.bool_]) -> tuple[Ints, list[str]]:
    """World contexts of some rows, the most frequent one if the log has none, and a remark."""
    weight = np.diff(world.arrays.context_cdf, prepend=0.0)
    usual = int(np.argmax(weight))
    code = {name: index for index, name in enumerate(world.contexts)}
    for name in CONTEXTS:
        if len(code) > 1 and name in log.rows.column_names:
            values, inverse = np.unique(np.asarray(log.column(name), np.float64)[known], return_inverse=True)
            codes = [code.get(str(int(value)), -1) if np.isfinite(value) else -1 for value in values]
            found = np.array(codes, np.int64)[inverse]
            if lost := int((found < 0).sum()):
                remark = [
                    f"{lost:,} rows have a {name} that the world does not know: they get the commonest context"
                ]
                return np.where(found < 0, usual, found), remark
            return found, []
    remark = [f"the log has none of the columns {', '.join(CONTEXTS)}: every visit has the commonest context"]
    return np.full(int(known.sum()), usual), remark if len(code) > 1 else []
