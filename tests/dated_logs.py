"""A log of six days, sampled from a world, as somebody's own."""

import dataclasses

import pyarrow as pa

from recgym.logs import Log
from recgym.logs.sample import sample_log
from recgym.sim.synthetic import synthetic
from recgym.sim.world import World

DAY = 86_400_000
START = 1_651_104_000_000  # [ms] 2022-04-28, midnight
DAYS = [f"2022-{day}" for day in ("04-28", "04-29", "04-30", "05-01", "05-02", "05-03")]


def dated_log(visits: int = 600) -> tuple[World, Log]:
    """A world, and `visits` visits to it over six days."""
    world = synthetic(1, domain="content", num_users=250, num_items=40)
    log = sample_log(world, "logged", visits, seed=3, horizon=30)
    day = log.column("session") * 6 // visits
    place = log.rows.schema.get_field_index("time")
    rows = log.rows.set_column(place, "time", pa.array(START + DAY * day))
    source = dataclasses.replace(log.source, name="somebody's log")
    return world, dataclasses.replace(log, rows=rows, indexed_by=None, source=source)


def between(log: Log, first: int, last: int) -> Log:
    """The visits of some of the days, by their numbers."""
    day = (log.column("time") - START) // DAY
    return dataclasses.replace(log, rows=log.rows.filter(pa.array((first <= day) & (day <= last))))
