"""Events of a shown item, one table for each domain.

The first event is the *response*, which the choice model decides and which changes the intent. An event with `needs`
happens only together with that other event; there is no other rule, so a like may happen without a click.
"""

from typing import NamedTuple

from recgym.checks import unknown_name

DOMAIN_WORDS = "ecommerce (a shop), content (a feed of videos or articles) or social (music, with friends)"
DOMAINS = ("ecommerce", "content", "social")  # of logs and of the worlds fitted from them


class Event(NamedTuple):
    """One kind of feedback to a shown item."""

    name: str
    needs: str | None  # the event without which this one cannot happen
    engagement: float  # weight in the reward "engagement"


EVENTS: dict[str, tuple[Event, ...]] = {
    "ecommerce": (
        Event("click", None, 1.0),
        Event("cart", "click", 2.0),
        Event("purchase", "cart", 5.0),
    ),
    "content": (
        Event("click", None, 0.0),  # a valid play: KuaiRand's is_click of the single-column feed
        Event("long_view", "click", 1.0),
        Event("like", None, 2.0),
        Event("comment", None, 2.0),
        Event("share", None, 2.0),
        Event("follow", None, 3.0),
        Event("hate", None, -2.0),
    ),
    "social": (
        Event("listen", None, 1.0),
        Event("share", "listen", 0.0),  # in no supported log: assumed, so its weight is 0
        Event("comment", "listen", 0.0),
    ),
    # friend requests to users of a social world: in no log, derived from the graph
    "friends": (Event("connect", None, 1.0),),
}


def event_index(events: tuple[Event, ...], name: str) -> int:
    """Position of the event `name`; ValueError lists the events of the domain."""
    names = [event.name for event in events]
    if name not in names:
        raise ValueError(unknown_name("event", name, names))
    return names.index(name)
