"""Events that a log lacks between two that it has, as carts are between logged clicks and purchases.

What such a log says is the rate of the later event given the earlier one. The missing event takes the model of the
later one, which always follows it. So the missing event is as rare as the log allows, and the later one has its logged
rate, for each item and user. An event that is logged with the later one alone counts as missing: readers add to an
event those that it needs.
"""

import numpy as np

from recgym.arrays import Arrays
from recgym.events import EVENTS, event_index
from recgym.fit.dataset import Dataset
from recgym.fit.provenance import Provenance
from recgym.sim.scalar_math import MAX_LOGIT


def missing_before(dataset: Dataset, event: int) -> list[int]:
    """The events that a logged event needs, at once or through others, and that the log lacks, nearest first."""
    table = EVENTS[dataset.domain]
    found: list[int] = []
    flag = dataset.events.get(table[event].name)
    needs = table[event].needs
    while flag is not None and needs is not None and needs != table[0].name:
        if not np.array_equal(dataset.events.get(needs, flag), flag):
            break
        found.append(event_index(table, needs))
        needs = table[found[-1]].needs
    return found


def place_of(dataset: Dataset, event: int) -> int:
    """The event whose arrays have the model of the event: itself, or the first of the missing ones before it."""
    return [event, *missing_before(dataset, event)][-1]


def is_implied(dataset: Dataset, event: int) -> bool:
    """Whether the log has an event that needs this one, and lacks this one."""
    return any(event in missing_before(dataset, later) for later in range(len(EVENTS[dataset.domain])))


def imply_missing(dataset: Dataset, event: int, provenance: Provenance, arrays: Arrays) -> None:
    """Makes the event happen with each of the missing ones before it, and enters these as assumed."""
    table = EVENTS[dataset.domain]
    missing = missing_before(dataset, event)
    for earlier in missing:
        name, later = table[earlier].name, table[event].name
        reason = f"no {name} without a {later} is logged: one for each, as few as the log allows"
        provenance.assumed(f"event:{name}", f"as {later}", reason)
    for always in [event, *missing][:-1]:
        arrays["event_bias"][always] = MAX_LOGIT
