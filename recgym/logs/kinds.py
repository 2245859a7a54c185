"""Kind of a log: what its rows are, and whether they are simulated."""

from recgym.events import EVENTS
from recgym.logs.log import Log

IMPRESSIONS, CHOICES, PAIRS = "impressions", "choices", "pairs"


def kind_of(log: Log) -> str:
    """Kind of a log, by its events and its domain.

    Returns:
        IMPRESSIONS: rows with and without a response. CHOICES: clicks of a shop, one chosen item a page. PAIRS: users
        with the items that they responded to.
    """
    response = EVENTS[log.domain][0].name
    if response in log.events and not bool(log.column(response).astype(bool).all()):
        return IMPRESSIONS
    return CHOICES if log.domain == "ecommerce" else PAIRS


def is_sampled(log: Log) -> bool:
    """Whether a log was sampled from a world."""
    return log.source.name.startswith("sampled from the world ")
