"""Which items may be shown: those that have arrived, and those that the rules of the shop allow.

Axes: B sessions, K slate positions, N items, H history.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from recgym.arrays import Bools, Doubles, Ints
from recgym.checks import MAX_COUNT, finite_number, quoted, unknown_name, whole_number
from recgym.sim.engine import Engine
from recgym.sim.numbering import random_order
from recgym.sim.schema import FRIENDS
from recgym.sim.slate_facts import repeats
from recgym.sim.world import World

RULES = {
    "never_again": "event after which an item is not shown again in the session, such as 'hate'",
    "per_category": "largest number of items of one category on a slate",
    "price_ceiling": "largest price of an item, over the mean price of the world's items",
    "provider": "items of a provider, and their share of what is shown: {'items': [0, 4], 'share': 0.2}",
}
ARRIVAL_SEED = 19  # of the order in which items arrive


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Rules on what is shown; `RULES` describes them."""

    never_again: str | None = None
    per_category: int | None = None
    price_ceiling: float | None = None
    provider: tuple[int, ...] = ()
    share: float = 0.0  # of the provider's items

    @classmethod
    def parse(cls, rules: Mapping[str, Any] | None) -> "Rules":
        """From the argument `rules`; ValueError names a rule that is unknown or out of range."""
        if rules is None:
            return cls()
        if not isinstance(rules, Mapping):
            raise ValueError(f"rules is {quoted(rules)}, expected a dict of {', '.join(RULES)}")
        if unknown := sorted(map(str, set(rules) - set(RULES))):
            raise ValueError(unknown_name("rules: rule", unknown[0], RULES))
        found: dict[str, Any] = dict(rules)
        if "per_category" in found:
            found["per_category"] = whole_number(found["per_category"], "rules: per_category", 1)
        if "price_ceiling" in found:
            found["price_ceiling"] = finite_number(found["price_ceiling"], "rules: price_ceiling")
        if "never_again" in found and not isinstance(found["never_again"], str):
            raise ValueError(
                f"rules: never_again is {quoted(found['never_again'])}, expected the name of an event"
            )
        if "provider" in found:
            found |= _provider(found["provider"])
        return cls(**found)

    @property
    def of_slate(self) -> str | None:
        """Name of a rule that depends on the other items of a slate, or on the position; None: there is none."""
        return "per_category" if self.per_category is not None else "provider" if self.provider else None


def _provider(value: Any) -> dict[str, Any]:
    """The provider's items and share."""
    if not isinstance(value, Mapping) or set(value) != {"items", "share"}:
        raise ValueError(f"rules: provider is {quoted(value)}, expected {{'items': [...], 'share': ...}}")
    share = finite_number(value["share"], "rules: provider's share")
    if not 0.0 < share <= 1.0:
        raise ValueError(f"rules: provider's share is {share:g}, expected a number in (0, 1]")
    items = value["items"]
    if not isinstance(items, Sequence | np.ndarray) or isinstance(items, str) or not len(items):
        raise ValueError(
            f"rules: provider's items are {quoted(items)}, expected a list of items, at least one"
        )
    numbers = tuple(whole_number(item, "rules: provider's item", 0) for item in items)
    if len(set(numbers)) < len(numbers):
        raise ValueError("rules: provider's items list an item twice")
    return {"provider": numbers, "share": share}


def parse_arrival(value: Any) -> tuple[float, int] | None:
    """The argument `arrival`: a share of the catalogue in (0, 1) and a number of episodes; ValueError for another."""
    if value is None:
        return None
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise ValueError(f"arrival is {quoted(value)}, expected (share of the catalogue, episodes)")
    share = finite_number(value[0], "arrival: share of the catalogue")
    if not 0.0 < share < 1.0:
        raise ValueError(f"arrival: share of the catalogue is {share:g}, expected a number in (0, 1)")
    return share, whole_number(value[1], "arrival: episodes", 1, MAX_COUNT)


def arrival_episodes(num_items: int, arrivals: tuple[float, int] | None) -> Ints:
    """(N,) number of the first episode in which each item may be shown; 0: from the start.

    A random share of the items, the same for a catalogue of that size, arrives one after the other at even distances.
    """
    first = np.zeros(num_items, np.int64)
    if arrivals is not None:
        share, episodes = arrivals
        late = random_order(num_items, ARRIVAL_SEED)[num_items - max(round(share * num_items), 1) :]
        first[late] = np.ceil(np.arange(1, len(late) + 1) * episodes / len(late)).astype(np.int64)
    return first


class OpenItems:
    """Masks of the items that may be shown in the sessions of an engine, and a check of slates."""

    def __init__(self, engine: Engine, arrivals: tuple[float, int] | None, rules: Rules) -> None:
        self._engine, self.rules, world = engine, rules, engine.world
        self.arrival = arrival_episodes(world.num_items, arrivals)
        self.is_limited = arrivals is not None or rules != Rules()
        self._affordable = np.ones(world.num_items, np.bool_)
        if rules.price_ceiling is not None:
            if not np.ptp(world.arrays.price_ratio):
                raise ValueError(
                    f"rules: price_ceiling needs prices that differ, world {world.name} has none"
                )
            self._affordable = world.arrays.price_ratio <= rules.price_ceiling
            if not self._affordable.any():
                least = f"the cheapest item's price ratio is {world.arrays.price_ratio.min():.3g}"
                raise ValueError(f"rules: price_ceiling is {rules.price_ceiling:g}, {least}")
        self._of_provider = np.zeros(world.num_items, np.bool_)
        self._bit = 0
        if rules.never_again is not None:
            names = [event.name for event in world.events]
            if rules.never_again not in names:
                raise ValueError(
                    f"rules: never_again is {rules.never_again!r}, the events are {', '.join(names)}"
                )
            self._bit = 1 << names.index(rules.never_again)
        if rules.provider:
            if max(rules.provider) >= world.num_items:
                raise ValueError(
                    f"rules: provider has item {max(rules.provider)}, there are {world.num_items}"
                )
            self._of_provider[list(rules.provider)] = True
        self._check_room(world, engine.slate_size)

    def _check_room(self, world: World, slots: int) -> None:
        """ValueError where slates could not be filled."""
        reserved = int(np.ceil(self.rules.share * slots))
        there = self._affordable & (self.arrival == 0)
        for allowed, needed, what in (
            (there, slots * self.is_limited, "items"),
            (there & self._of_provider, reserved, "items of the provider"),
        ):
            count = np.bincount(world.arrays.category[allowed], minlength=len(world.categories))
            most = count if self.rules.per_category is None else np.minimum(count, self.rules.per_category)
            if most.sum() < needed:
                raise ValueError(
                    f"rules and arrivals leave {most.sum()} {what} for a slate, {needed} are needed"
                )

    def masks(self) -> Bools:
        """Items allowed at each position, (B, K, N), but for the limit of a category, which the items above decide.

        The rule `never_again` lapses in a session where it would leave fewer than K items, the provider's where fewer
        of its items may be shown than positions are reserved.
        """
        open_items = self._open_items()
        masks = np.repeat(open_items[:, None], self._engine.slate_size, axis=1)
        if self.rules.provider:
            rows, places = np.nonzero(self.reserved() & self._has_enough(open_items)[:, None])
            masks[rows, places] &= self._of_provider
        return masks

    def _has_enough(self, open_items: Bools) -> Bools:
        """Sessions (B,) in which the provider has as many items that may be shown as positions are reserved."""
        enough: Bools = (open_items & self._of_provider).sum(axis=1) >= self.reserved().sum(axis=1)
        return enough

    def at_top(self) -> Bools:
        """Items allowed at the first position, (B, N)."""
        return self.masks()[:, 0] if self.rules.provider else self._open_items()

    def _open_items(self) -> Bools:
        """Items that may be shown, (B, N), but for rules that depend on the position or the slate."""
        engine, world = self._engine, self._engine.world
        sessions = engine.sessions
        if not self.is_limited and world.arrays.choice[0] != FRIENDS:
            return np.ones((engine.num, world.num_items), np.bool_)
        open_items = np.broadcast_to(self._affordable, (engine.num, world.num_items)).copy()
        if world.arrays.choice[0] == FRIENDS:
            open_items &= sessions.tie >= 0
        open_items &= np.maximum(sessions.episode, 0)[:, None] >= self.arrival
        if self._bit:
            rows, places = np.nonzero((sessions.items >= 0) & (sessions.events & self._bit > 0))
            fresh = open_items.copy()
            fresh[rows, sessions.items[rows, places]] = False
            enough = fresh.sum(axis=1, keepdims=True) >= engine.slate_size
            open_items = np.where(enough, fresh, open_items)
        return open_items

    def reserved(self) -> Bools:
        """Positions that the provider's items must have, (B, K).

        After n items, the last 20 of the session and those of the slate, at least the whole part of `share` n are the
        provider's. The slate is one without repeats.
        """
        items, slots = self._engine.sessions.items, self._engine.slate_size
        shown = (items >= 0).sum(axis=1)
        own = ((items >= 0) & self._of_provider[np.maximum(items, 0)]).sum(axis=1)
        places = np.zeros((len(items), slots), np.bool_)
        for k in range(slots):
            wanted: Doubles = np.floor(self.rules.share * (shown + k + 1) + 1e-9)
            places[:, k] = own < wanted
            own = own + places[:, k]
        return places

    def _falls_short(self, slates: Ints, again: Bools) -> Bools:
        """Positions (B, K) whose item leaves the provider below its share; repeats, `again`, are not shown."""
        items, own = self._engine.sessions.items, self._of_provider[slates]
        shown, had = (items >= 0), (items >= 0) & self._of_provider[np.maximum(items, 0)]
        wanted: Doubles = self.rules.share * (shown.sum(axis=1)[:, None] + (~again).cumsum(axis=1))
        is_less = had.sum(axis=1)[:, None] + (own & ~again).cumsum(axis=1) < np.floor(wanted + 1e-9)
        short: Bools = is_less & ~own & self._has_enough(self._open_items())[:, None]
        return short

    def refuse(self, slates: Ints, rows: Bools) -> None:
        """ValueError names an item in the slates (B, K) of these rows that may not be shown at its position."""
        if not self.is_limited:
            return
        masks, category = self.masks(), self._engine.world.arrays.category[slates]
        allowed = np.take_along_axis(masks, slates[:, :, None], axis=2)[:, :, 0]
        again = repeats(slates)  # an empty place
        if self.rules.per_category is not None:
            alike = (category[:, :, None] == category[:, None, :]) & ~again[:, None, :]
            allowed &= np.tril(alike, -1).sum(axis=2) < self.rules.per_category
        due = np.zeros_like(again)  # positions of the provider
        if self.rules.provider:
            short = self._falls_short(slates, again)
            allowed, due = allowed & ~short, short | self.reserved()
        broken = np.argwhere(~allowed & ~again & rows[:, None])
        if len(broken):
            row, place = broken[0]
            item = int(slates[row, place])
            where = f" of row {row}" if len(slates) > 1 else ""
            reason = self._reason(int(row), item, is_due=bool(due[row, place]))
            raise ValueError(f"action{where}: item {item} at position {place} {reason}")

    def _reason(self, row: int, item: int, *, is_due: bool) -> str:
        """Why an item may not be shown."""
        sessions = self._engine.sessions
        if max(int(sessions.episode[row]), 0) < self.arrival[item]:
            return f"arrives in episode {self.arrival[item]}, this is episode {sessions.episode[row]}"
        if not self._affordable[item]:
            return f"breaks the rule price_ceiling, {self.rules.price_ceiling:g}"
        if self._bit and (sessions.items[row] == item)[sessions.events[row] & self._bit > 0].any():
            return f"breaks the rule never_again: it had the event {self.rules.never_again}"
        if is_due and not self._of_provider[item]:
            return f"breaks the rule provider: the position is reserved for its share of {self.rules.share:g}"
        if self._engine.world.arrays.choice[0] == FRIENDS and sessions.tie[row, item] < 0:
            return "is a friend already"
        return f"breaks the rule per_category: {self.rules.per_category} of its category are above"
