"""What a picture of a session says, the same for text and pixels. It holds public facts, and the intent only if asked.

Axes: B sessions, K slate positions, C categories, d factors.
"""

from typing import NamedTuple

import numpy as np

from recgym.arrays import Floats
from recgym.envs.arguments import Arguments
from recgym.envs.intent_map import IntentMap
from recgym.envs.session_record import Ending, SessionRecord, ShownStep, counted
from recgym.sim.friend_requests import num_friends
from recgym.sim.schema import FRIENDS
from recgym.sim.whole_pages import page_size, shows_pages
from recgym.sim.world import World

TITLES = {
    "ecommerce": "E-commerce",
    "content": "Content",
    "social": "Social",
    "friends": "Friend suggestions",
}
EVENT_WORDS = {"connect": "accepted"}  # others are their names
BINARY_WORDS = {-1: "no", 0: "unknown", 1: "yes"}
EARLIER = 12  # steps before the last one that a view holds
HOURS = tuple(map(str, range(24)))


class Card(NamedTuple):
    """One place of the slate, and what happened there."""

    item: int
    category: str  # "" in a catalogue without categories
    noun: str  # "item", "candidate", or "" before an id
    ident: str  # number, or the id in the log of an own world
    details: tuple[str, ...]  # price, length, friends in common: what is known in public
    events: tuple[str, ...]  # that happened, the response first
    unwanted: tuple[str, ...]  # those of them with a negative weight
    watched: float | None  # share of the item's length, in [0, 1]; None without watch time
    is_repeat: bool  # also above it: an empty place
    colour: int  # number of the category

    @property
    def name(self) -> str:
        """Noun and number, or the id alone."""
        return f"{self.noun} {self.ident}".strip()


class SessionView(NamedTuple):
    """One session after its last step."""

    title: str  # id of the environment, or its domain, and world
    agent: str  # that chose the last slate; "" where it is not known
    reward: str  # name of the reward
    user: str
    features: tuple[tuple[str, str | float], ...]  # name, and a word or a value in [-1, 1]
    clock: str  # "" without contexts
    hour: int | None  # where the contexts are the hours of the day
    step: int
    horizon: int
    cards: tuple[Card, ...]  # none before the first step
    earlier: tuple[Card, ...]  # of the steps before, oldest first, where a slate is one item
    no_response: str  # words for an item without an event
    slate_size: int
    shows: str  # what the agent shows at a step
    rewards: tuple[float, ...]  # of the steps that were recorded, the latest last
    responses: tuple[int, ...]  # items with a response, in the same steps
    num_responses: int
    run: int  # responses in a row in one category
    run_category: str
    interests: tuple[
        tuple[str, float, float], ...
    ]  # category, shares of what was shown and of responses, decayed
    left: bool  # whether the user left after this step
    end: str  # "" while the session goes on
    ending: Ending | None  # of the session before
    intent: IntentMap | None  # None: hidden


def view_of(record: SessionRecord, b: int, arguments: Arguments) -> SessionView:
    """The view of row b of an environment with these arguments."""
    engine, steps = record.engine, record.steps(b)
    world, s = engine.world, engine.sessions
    domain = "friends" if world.arrays.choice[0] == FRIENDS else world.domain
    hours = world.contexts == HOURS
    context = world.contexts[s.context[b]] if len(world.contexts) > 1 else ""
    category = int(s.liked_category[b])
    earlier = steps[:-1] if engine.slate_size == 1 else []
    return SessionView(
        title=f"{arguments.row.id.rpartition('/')[2] or TITLES[domain]}, world {world.name}",
        agent=steps[-1].agent if steps else "",
        reward=arguments.reward if isinstance(arguments.reward, str) else "own weights",
        user=str(s.user[b] if world.user_ids is None else world.user_ids[s.user[b]]),
        features=_features(world, int(s.user[b])),
        clock=f"{int(context):02d}:00" if hours else context,
        hour=int(context) if hours else None,
        step=int(s.step[b]),
        horizon=engine.horizon,
        cards=_cards(record, b, steps[-1]) if steps else (),
        earlier=tuple(card for step in earlier[-EARLIER:] for card in _cards(record, b, step, brief=True)),
        no_response="not accepted" if domain == "friends" else f"no {word(world.events[0].name)}",
        slate_size=engine.slate_size,
        shows=_shows(world, domain, engine.slate_size),
        rewards=tuple(float(step.feedback.reward[b]) for step in steps),
        responses=tuple(int((step.feedback.events[b] & 1).sum()) for step in steps),
        num_responses=int(s.engaged[b]),
        run=int(s.run[b]),
        run_category=world.categories[category] if category >= 0 and len(world.categories) > 1 else "",
        interests=_interests(world, s.shown[b], s.liked[b]),
        left=bool(steps and steps[-1].feedback.left[b]),
        end=_end(record, b),
        ending=record.ending(b),
        intent=IntentMap.of(record, b) if record.hidden else None,
    )


def word(event: str) -> str:
    """The words for an event."""
    return EVENT_WORDS.get(event, event.replace("_", " "))


def _shows(world: World, domain: str, slate_size: int) -> str:
    if shows_pages(world.arrays):
        return "one page of items"
    if slate_size > 1:
        return f"a slate of {slate_size} items"
    return "one candidate" if domain == "friends" else "one item"


def _end(record: SessionRecord, b: int) -> str:
    steps = record.steps(b)
    if steps and steps[-1].feedback.left[b]:
        return "the user left"
    return "end: the horizon" if steps and steps[-1].feedback.horizon[b] else ""


def _features(world: World, user: int) -> tuple[tuple[str, str | float], ...]:
    """Public features: a choice "name=value" or yes and no as a word, others as their value in [-1, 1]."""
    found: dict[str, str | float] = {}
    values = world.user_features[user].tolist()
    for column, (name, value) in enumerate(zip(world.user_feature_names, values, strict=True)):
        group, is_choice, choice = name.partition("=")
        label = group.replace("_", " ").removeprefix("user ")
        if not is_choice:
            is_binary = bool(np.isin(world.user_features[:, column], (-1, 0, 1)).all())
            found[label] = BINARY_WORDS[int(value)] if is_binary else value
        elif value > 0:
            found[label] = choice.replace("_", " ")
        else:
            found.setdefault(label, "other")
    return tuple(found.items())


def _interests(world: World, shown: Floats, liked: Floats) -> tuple[tuple[str, float, float], ...]:
    """Categories that were shown lately, those shown most first; none in a catalogue without categories."""
    if len(world.categories) == 1:
        return ()
    order = np.argsort(-(shown + liked), kind="stable")
    return tuple((world.categories[c], float(shown[c]), float(liked[c])) for c in order if shown[c] > 0.005)


def _cards(record: SessionRecord, b: int, step: ShownStep, *, brief: bool = False) -> tuple[Card, ...]:
    """The cards of a step; `brief`: without what changes in a session."""
    slate = step.slates[b].tolist()
    return tuple(
        _card(record, b, step, k, brief)._replace(is_repeat=slate[k] in slate[:k]) for k in range(len(slate))
    )


def _card(record: SessionRecord, b: int, step: ShownStep, k: int, brief: bool) -> Card:
    world, item = record.engine.world, int(step.slates[b, k])
    happened = [event for e, event in enumerate(world.events) if (int(step.feedback.events[b, k]) >> e) & 1]
    watched, seconds = None, float(world.arrays.duration[item]) / 1000
    is_friends = bool(world.arrays.choice[0] == FRIENDS)
    details = _candidate(record, b, item) if is_friends and not brief else _facts(world, item)
    if world.arrays.watch[0]:
        watch = float(step.feedback.watch[b, k]) / 1000
        watched = min(watch / seconds, 1.0) if seconds else None
        details += (f"{watch:.0f} of {seconds:.0f} s watched" if seconds else f"{watch:.0f} s watched",)
    elif seconds:
        details += (f"{seconds:.0f} s long",)
    noun = "candidate" if is_friends else "item" if world.item_ids is None else ""
    ident = str(item) if is_friends or world.item_ids is None else world.item_ids[item]
    if shows_pages(world.arrays):
        details = (f"{noun} {ident}".strip(), *details[:-1]) if happened else ()
        size = counted(int(page_size(world.arrays, item)), "item")
        noun, ident = "", f"page {world.arrays.page[item]}, {size}"
    category = int(world.arrays.category[item])
    return Card(
        item=item,
        category=world.categories[category] if len(world.categories) > 1 else "",
        noun=noun,
        ident=ident,
        details=details,
        events=tuple(word(event.name) for event in happened),
        unwanted=tuple(word(event.name) for event in happened if event.engagement < 0),
        watched=watched,
        is_repeat=False,
        colour=category,
    )


def _facts(world: World, item: int) -> tuple[str, ...]:
    """Price and page of an item, where the catalogue has them."""
    price, page = float(world.arrays.price_ratio[item]), int(world.arrays.page[item])
    found = (f"price {price:.2f} x mean",) if price > 0 and world.arrays.choice[0] != FRIENDS else ()
    return (*found, f"page {page}") if page > 0 else found


def _candidate(record: SessionRecord, b: int, item: int) -> tuple[str, ...]:
    """What is known in public of a candidate friend."""
    world, s = record.engine.world, record.engine.sessions
    friends = counted(int(num_friends(world.arrays, s.candidate[b, item])), "friend")
    common = int(s.tie[b, item])
    known = "a friend now" if common < 0 else f"{common} in common"
    return f"{friends}, {known}", f"{counted(int(s.shared[b, item]), 'item')} in common"
