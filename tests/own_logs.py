"""A log of a world under ids and orders of its own."""

from dataclasses import replace

import numpy as np
import pyarrow as pa

from recgym.logs.columns import Source
from recgym.logs.log import Log
from recgym.sim.synthetic import synthetic
from recgym.sim.world import World
from recgym.sim.world_ids import Ids

ENV = "recgym/Ecommerce-v1"


def own_world() -> World:
    return named(synthetic(3, num_items=30, num_users=40))


def named(world: World) -> World:
    """The world with ids whose order is not that of its indices."""
    users = [f"u{number:03d}" for number in np.random.default_rng(1).permutation(world.num_users)]
    items = [f"i{number:03d}" for number in np.random.default_rng(2).permutation(world.num_items)]
    return replace(world, ids=Ids(tuple(users), tuple(items)))


def as_own(world: World, log: Log, seed: int | None = None) -> Log:
    """The log with ids in its tables, in order of ids or random order, and without `indexed_by`."""
    changes, columns = {}, {}
    for what, ids in (("user", world.user_ids), ("item", world.item_ids)):
        order = (
            np.argsort(ids)
            if seed is None
            else np.random.default_rng([seed, len(what)]).permutation(len(ids))
        )
        table = getattr(log, f"{what}s").take(pa.array(order))
        changes[f"{what}s"] = table.set_column(0, "id", pa.array([ids[row] for row in order], pa.string()))
        columns[what] = np.argsort(order)[log.column(what)]
    rows = log.rows
    for name, values in columns.items():
        rows = rows.set_column(rows.schema.get_field_index(name), name, pa.array(values, pa.int32()))
    return replace(log, rows=rows, indexed_by=None, source=Source("shop.csv", "none", ""), **changes)
