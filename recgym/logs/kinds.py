"""Kind of a log: what its rows are, and whether they are simulated."""

import numpy as np

from recgym.arrays import Bools
from recgym.events import EVENTS
from recgym.logs.log import Log

IMPRESSIONS, CHOICES, PAIRS = "impressions", "choices", "pairs"


def kind_of(log: Log) -> str:
    """Kind of a log, by its events and its domain.

    Returns:
        IMPRESSIONS: rows with and without a response. CHOICES: clicks of a shop, one chosen item a page. PAIRS: users
        with the items that they responded to.
    """
    if not bool(responses_of(log).all()):
        return IMPRESSIONS
    return CHOICES if log.domain == "ecommerce" else PAIRS


def responses_of(log: Log) -> Bools:
    """(rows,) whether a row has the domain's response: all rows of a log without events.

    Raises:
        ValueError: the log has other events, which do not say which rows have the response.
    """
    response = EVENTS[log.domain][0].name
    if response in log.events:
        return np.asarray(log.column(response), bool)
    if log.events:
        raise ValueError(
            f"the log has {', '.join(log.events)} and no column {response}, which says what the users chose"
        )
    return np.ones(log.num_rows, bool)


def is_sampled(log: Log) -> bool:
    """Whether a log was sampled from a world."""
    return log.source.name.startswith("sampled from the world ")
