"""Logs of ten days whose test period is altered, and whether two fitted worlds are equal."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import torch

from recgym.fit import FitConfig
from recgym.fit.temporal_split import periods
from recgym.logs import Log
from recgym.logs.sample import sample_log
from recgym.logs.splits import TEST, visit_days
from recgym.sim.synthetic import synthetic

CONFIG = FitConfig(dim=3, hidden=8, epochs=2, bootstrap=20, min_listeners=1)
CPU = torch.device("cpu")
DAY = 86_400_000


def with_columns(log: Log, **columns) -> Log:
    rows = log.rows
    for name, values in columns.items():
        place = rows.schema.get_field_index(name)
        rows = rows.set_column(place, name, pa.array(values, rows.schema.field(name).type))
    return replace(log, rows=rows)


def sampled(domain: str) -> Log:
    """Ten days of sessions of users with features, cut after six steps; of a shop the clicks only."""
    world = synthetic(2, domain=domain, num_users=40, num_items=14, num_factors=2)
    world = world.with_params(leave_bias=-3.0, outside=-20.0 if domain == "ecommerce" else 0.0)
    log = sample_log(world, "random", 300, seed=3, horizon=6)
    if domain == "ecommerce":
        log = replace(log, rows=log.rows.filter(log.rows["click"]))
    session = log.column("session")
    kinds = pa.array(
        [f"kind {user % 9}" for user in range(log.num_users)]
    )  # the most frequent five are public
    log = replace(log, users=log.users.append_column("kind", kinds))
    return with_columns(log, time=1_650_000_000_000 + session * (10 * DAY // 300) + log.column("step") * 1000)


def same_world(one, other, new=0):
    """Worlds are equal but for the last `new` items."""
    for name, array in one.arrays._asdict().items():
        known = slice(len(array) - new if len(array) == one.num_items else None)
        np.testing.assert_array_equal(array[known], getattr(other.arrays, name)[known], err_msg=name)
    np.testing.assert_array_equal(one.user_features, other.user_features)
    assert one.categories == other.categories
    assert one.card["terms"] == other.card["terms"]


def late_rows(log: Log, config: FitConfig) -> np.ndarray:
    """(rows,) those of the test period."""
    late = periods(visit_days(log), config) == TEST
    return np.repeat(late, np.diff(np.r_[log.session_starts(), len(log)]))
