"""Rewards of a task: their names, and the weights that each of them means in a world.

Axes: E events.
"""

from collections.abc import Mapping
from typing import NamedTuple

from recgym.checks import finite_number, unknown_name
from recgym.envs import ENVIRONMENTS, EnvRow
from recgym.envs.arguments import Arguments, one_of
from recgym.sim.reward_arrays import make_reward
from recgym.sim.state import WATCH_CAP_MINUTES, Reward
from recgym.sim.world import World

# name -> definition
REWARDS = {
    "clicks": "1 for each response (click, valid play, listen)",
    "engagement": "the event weights of the domain's table",
    "conversion": "1 for each purchase",
    "revenue": "price of each purchase over the mean price of the world's items",
    "watch_time": "minutes watched, at most 5 an item",
    "connections": "1 for each accepted suggestion of a friend",
}

MAX_WEIGHT = 1e30  # size of a weight: the reward of a slate is finite in single precision, too


class RewardSpec(NamedTuple):
    """Weights of a task's reward.

    The reward of a step is the sum over its shown items, repeats excluded, of
        p sum_e weights[e] 1{event e} + per_minute min(minutes watched, max_minutes),
    where p is the item's price over the mean price of the world's items if `by_price`, else 1.
    """

    weights: dict[str, float]  # (E,) by name, every event of the world in its order
    by_price: bool = False
    per_minute: float = 0.0  # reward per minute watched
    max_minutes: float = WATCH_CAP_MINUTES  # [minutes] of one item that are rewarded

    @property
    def paid(self) -> frozenset[str]:
        """Signals that change the reward: events of nonzero weight, and "watch"."""
        events = {name for name, weight in self.weights.items() if weight}
        return frozenset(events | ({"watch"} if self.per_minute else set()))

    def arrays(self, world: World) -> Reward:
        """The same for the engine's kernels."""
        return make_reward(world, self.weights, price=self.by_price, watch=self.per_minute)


def _checked_weights(world: World, weights: Mapping[str, float]) -> dict[str, float]:
    """The weights as Python floats; ValueError unless there is at least one, each a number of one of the events."""
    if not weights:
        raise ValueError("reward is {}, expected a weight for at least one event")
    names = [event.name for event in world.events]
    for name in weights:
        if name not in names:
            raise ValueError(unknown_name("reward: event", name, names))
    return {
        name: finite_number(weight, f"reward weight of {name!r}", -MAX_WEIGHT, MAX_WEIGHT)
        for name, weight in weights.items()
    }


def _require_signal(world: World, reward: str) -> None:
    """ValueError where a world lacks what a reward pays for: it would be 0 for ever."""
    names = [event.name for event in world.events]
    needed = {
        "connections": ("connect", "suggestions of friends"),
        **dict.fromkeys(("conversion", "revenue"), ("purchase", "purchases")),
    }
    event, what = needed.get(reward, (names[0], ""))
    if event not in names:
        raise ValueError(f"reward {reward!r} needs {what}; {world.name} has the events {', '.join(names)}")
    if reward == "watch_time" and not world.arrays.watch[0]:
        raise ValueError(f"reward 'watch_time' needs a world with watch time; {world.name} has none")
    if reward == "revenue" and not world.arrays.price_ratio.any():
        raise ValueError(f"reward 'revenue' needs a world with prices; {world.name} has none")


def parse_reward(world: World, reward: str | Mapping[str, float]) -> RewardSpec:
    """The weights that a name of REWARDS, or a mapping from events to weights, means in a world.

    Raises:
        ValueError: the name is unknown, the world has no such signal, or a weight is not a number of one of its events,
            of a size up to MAX_WEIGHT.
    """
    names = [event.name for event in world.events]

    def spec(by_event: Mapping[str, float], *, by_price: bool = False, per_minute: float = 0.0) -> RewardSpec:
        weights = {name: float(by_event.get(name, 0.0)) for name in names}
        return RewardSpec(weights, by_price, per_minute)

    if not isinstance(reward, str):
        return spec(_checked_weights(world, reward))
    if reward not in REWARDS:
        one_of("reward", reward, (*possible_rewards(world), "a dict of event weights"))
    _require_signal(world, reward)
    if reward in ("clicks", "connections"):
        return spec({names[0]: 1.0})
    if reward == "engagement":
        return spec({event.name: event.engagement for event in world.events})
    if reward == "watch_time":
        return spec({}, per_minute=1.0)
    if reward not in ("conversion", "revenue"):
        raise NotImplementedError(f"reward {reward!r} of REWARDS has no weights here")
    return spec({"purchase": 1.0}, by_price=reward == "revenue")


def possible_rewards(world: World) -> list[str]:
    """Names of REWARDS that the world can pay."""

    def is_paid(name: str) -> bool:
        try:
            return bool(parse_reward(world, name).paid)
        except ValueError:
            return False

    return [name for name in REWARDS if is_paid(name)]


def task_reward(arguments: Arguments, world: World) -> str | Mapping[str, float]:
    """The reward that was given, by default that of the environment's row.

    In another world whose log has the response but no event of that default, the default is "clicks": a default reward
    depends on fitted terms alone.
    """
    if arguments.reward is not None:
        return arguments.reward
    return (
        "clicks" if arguments.world is not None and _is_unseen(world, arguments.row) else arguments.row.reward
    )


def _is_unseen(world: World, row: EnvRow) -> bool:
    """Whether the world's log has the response, but no event of a row's default reward."""
    paid = parse_reward(world, row.reward).paid
    return world.assumed_events.issuperset(paid) and world.events[0].name not in world.assumed_events


def default_reward_remark(world: World) -> str:
    """That environments pay clicks in this world by default, not the reward of their rows; "" where they do not."""
    rows = [row for row in ENVIRONMENTS if row.domain == world.domain and _is_unseen(world, row)]
    if not rows:
        return ""
    paid = parse_reward(world, rows[0].reward).weights
    unseen = ", ".join(name for name, weight in paid.items() if weight)
    return (
        f"environments of this world pay clicks by default, not {rows[0].reward}: the log has none of the events that "
        f"it pays for ({unseen})"
    )
