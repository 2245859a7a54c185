"""A log on a world's indices: one rule, for agents that learn from a log and for judging a world.

A log and a world number users and items each in their own way: a log in the order of its tables, a world its items by
exposure. Three things say which is which, looked at in this order:

* the log's mark `indexed_by`: it is on the world's indices already (`sample_log`, `index_log`);
* the card's fingerprint: the log's tables hold the ids, in their order, that the world was fitted on;
* the id table of a world of one's own: ids are looked up, what is missing or unknown is counted in a remark.

Whatever fits none of them is refused, with what differs. A log comes in as an object; nothing of `recgym.logs` is used.

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

if TYPE_CHECKING:
    from recgym.sim.world import World

CONTEXTS = ("context_hour", "context_index")  # columns that a world's contexts are the codes of
LEAST_KNOWN = 0.5  # share of a log's rows whose items an id table must know
VAGUE = ("item", "other", "None", "nan", "")  # categories that say nothing


class IndexMap(NamedTuple):
    """Where the rows of a log's tables stand in a world; -1: the world does not know them."""

    users: Ints  # (rows of the users table,)
    items: Ints  # (rows of the items table,)
    remarks: tuple[str, ...] = ()


def ids_digest(ids: Sequence[str]) -> str:
    """SHA-256 of ids in their order."""
    return hashlib.sha256("\n".join(ids).encode()).hexdigest()


def row_numbers(packed: str) -> Ints:
    """The numbers behind a card's entry `user_rows` or `item_rows`."""
    raw = zlib.decompress(base64.b64decode(packed))
    return np.frombuffer(raw, "<i4").astype(np.int64)


def index_log(world: "World", log: Any) -> Any:
    """The log on the world's indices; see `World.index_log`."""
    if log.domain != world.domain:
        raise ValueError(f"the log is of domain {log.domain}, world {world.name} of {world.domain}")
    found = places(world, log)
    item, user = found.items[log.column("item")], found.users[log.column("user")]
    remarks = [*found.remarks, *_lost("item", log, item, world), *_lost("user", log, user, world)]
    kept = (item >= 0) & (user >= 0)
    if not kept.any():
        raise ValueError(f"no row of the log has both a user and an item of world {world.name}")
    context, told = contexts_of(world, log, kept)
    return log.on_indices(
        found.users, found.items, sizes=(world.num_users, world.num_items), ids=(world.user_ids, world.item_ids),
        context=context if len(world.contexts) > 1 else None, mark=world.index_digest, remarks=(*remarks, *told),
    )  # fmt: skip


def _lost(what: str, log: Any, index: Ints, world: "World") -> list[str]:
    """A line on the rows whose users or items the world does not know."""
    unknown = index < 0
    if not unknown.any():
        return []
    count = len(np.unique(log.column(what)[unknown]))
    return [
        f"{int(unknown.sum()):,} of {len(index):,} rows left out: their {count:,} {what}s have no row in world "
        f"{world.name}"
    ]


def places(world: "World", log: Any) -> IndexMap:
    """World index of every row of the log's tables; ValueError where nothing says so, with what differs."""
    if log.indexed_by == world.index_digest:
        users, items = (np.full(size, -1) for size in (log.num_users, log.num_items))
        for places, size in ((users, world.num_users), (items, world.num_items)):
            known = min(size, len(places))
            places[:known] = np.arange(known)
        return IndexMap(users, items)
    user_ids, item_ids = log.users["id"].to_pylist(), log.items["id"].to_pylist()
    known_items = _by_fingerprint(world, log, "item", item_ids, world.num_items)
    known_users = _by_fingerprint(world, log, "user", user_ids, world.num_users)
    if known_items is not None:
        if known_users is None:
            strangers = np.full(len(user_ids), -1)
            known_users = strangers if world.ids is None else _by_ids(world.ids.users, user_ids)
        return IndexMap(known_users, known_items)
    if log.indexed_by is not None or log.source.name.startswith("sampled from the world "):
        raise ValueError(_of_another(world, log))
    return _looked_up(world, log, user_ids, item_ids, known_users)


def _by_fingerprint(world: "World", log: Any, what: str, ids: list[str], size: int) -> Ints | None:
    """By the rows of a card's fingerprint; None where the log's table is another one."""
    known = world.card.get("identity", {})
    if known.get(f"{what}s") != ids_digest(ids) or known.get("indexed_by") != log.indexed_by:
        return None
    rows, index = row_numbers(known[f"{what}_rows"])[:size], np.full(len(ids), -1)
    index[rows] = np.arange(len(rows))
    return index


def _by_ids(known: tuple[str, ...], ids: list[str]) -> Ints:
    """By a world's id table."""
    number = {key: index for index, key in enumerate(known)}
    return np.array([number.get(key, -1) for key in ids], np.int64)


def _looked_up(
    world: "World", log: Any, user_ids: list[str], item_ids: list[str], known_users: Ints | None
) -> IndexMap:
    """By the id tables, with the counts of what is missing; ValueError where it is another one's log."""
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
    if not len(shown) or shown.mean() < LEAST_KNOWN:
        raise ValueError(
            f"the log's items are not those that world {name} was fitted on: {unknown:,} of its "
            f"{log.num_items:,} items ({int((~shown).sum()):,} of {len(shown):,} rows) are unknown to the world; "
            "fit a world on this log"
        )
    items[items >= world.num_items] = -1  # the world was cut
    _refuse_other_categories(world, log, items)
    if not (users >= 0).any():
        raise ValueError(
            f"none of the log's {log.num_users:,} users is one of world {name}'s {world.num_users:,}"
        )
    parts = [
        f"{part:,} of its {size:,} {what}"
        for what, part, size in (
            ("users", int((users >= 0).sum()), world.num_users),
            ("items", int((items >= 0).sum()), world.num_items),
        )
    ]
    return IndexMap(users, items, (f"mapped by the ids of world {name}: the log has {' and '.join(parts)}",))


def _refuse_other_categories(world: "World", log: Any, items: Ints) -> None:
    """The same ids may be another shop's: their categories say so."""
    if "category" not in log.items.column_names:
        return
    theirs, same, other = log.items["category"].to_pylist(), 0, []
    for row in np.flatnonzero(items >= 0):
        ours = world.categories[world.arrays.category[items[row]]]
        if ours in VAGUE or theirs[row] is None or str(theirs[row]) in VAGUE:
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
    """Why a log on the indices of another world is refused."""
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
    """The world's context of some rows, and a remark; the commonest where the log does not say."""
    weight = np.diff(world.arrays.context_cdf, prepend=0.0)
    usual = int(np.argmax(weight))
    code = {name: index for index, name in enumerate(world.contexts)}
    for name in CONTEXTS:
        if len(code) > 1 and name in log.rows.column_names:
            values, inverse = np.unique(np.asarray(log.column(name), np.float64)[known], return_inverse=True)
            codes = [code.get(str(int(value)), -1) if np.isfinite(value) else -1 for value in values]
            found = np.array(codes, np.int64)[inverse]
            if lost := int((found < 0).sum()):
                told = [
                    f"{lost:,} rows have a {name} that the world does not know: they get the commonest context"
                ]
                return np.where(found < 0, usual, found), told
            return found, []
    told = [f"the log has none of the columns {', '.join(CONTEXTS)}: every visit has the commonest context"]
    return np.full(int(known.sum()), usual), told if len(code) > 1 else []
