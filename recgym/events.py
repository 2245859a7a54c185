"""What a user can do with a shown item, one table a domain.

The first event is the *response*: the positive answer that moves intent, fills the history and that the choice
model decides. An event with `needs` happens only where that other event happened; no other rule is enforced.
"""

from typing import NamedTuple

DOMAINS = ("ecommerce", "content", "social")  # of logs and of the worlds fitted from them


class Event(NamedTuple):
    """One kind of feedback."""

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
        Event("share", "listen", 0.0),  # no log here has it: assumed, so no default reward rests on it
        Event("comment", "listen", 0.0),
    ),
    # suggested to a social world's users: no log is of it, the graph says who accepts
    "friends": (Event("connect", None, 1.0),),
}


def event_index(events: tuple[Event, ...], name: str) -> int:
    """Position of the event `name`; ValueError that names what there is."""
    names = [event.name for event in events]
    if name not in names:
        raise ValueError(f"event {name!r} is unknown; this domain has {', '.join(names)}")
    return names.index(name)
