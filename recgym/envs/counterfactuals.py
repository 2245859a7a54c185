"""Counterfactuals: one user, two lists of slates or two policies, the same random numbers.

The draws of a step are a function of the random seed and the step, so that the two sessions differ by their slates and
by what these change in the user's state, and by nothing else (common random numbers; Glasserman and Yao, 1992,
Management Science 38).

Axes: T steps, K slate positions, E events.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np

from recgym.arrays import Bools, Doubles, Ints
from recgym.checks import checked_seed, difference, line_of, made_for_another, quoted
from recgym.envs.rewards import parse_reward

Policy = Callable[[Any], Any]  # observation -> item or slate
LEFT, HORIZON, ENDED = "the user left", "horizon", "no more slates"


@dataclass(frozen=True, eq=False)
class PlayedSession:
    """One of the two sessions."""

    slates: Ints  # (T, K) as shown: after the wrappers of the environment
    events: Bools  # (T, K, E) whether each event happened to each item
    rewards: Doubles  # (T,)
    ending: str  # LEFT, HORIZON or ENDED

    @property
    def total(self) -> float:
        """The return."""
        return float(self.rewards.sum())


@dataclass(frozen=True, eq=False)
class Counterfactual:
    """Two sessions of one user under common random numbers. `print` shows them side by side."""

    seed: int
    user: int
    context: str
    event_names: tuple[str, ...]
    labels: tuple[str, ...]  # (N,) category and number of each item
    a: PlayedSession
    b: PlayedSession

    @property
    def difference(self) -> float:
        """Return of b less that of a."""
        return self.b.total - self.a.total

    def records(self) -> list[dict[str, Any]]:
        """One row a step and position, with `item_a`, the events as `click_a`, ..., the step's `reward_a`; so for b.

        Values of a session that has ended are None.
        """
        return list(self._rows())

    def to_pandas(self) -> Any:
        """`records` as a pandas.DataFrame with nullable columns."""
        import pandas as pd

        return pd.DataFrame(self.records()).convert_dtypes()

    def _rows(self) -> Iterator[dict[str, Any]]:
        slots = self.a.slates.shape[1]
        for step in range(max(len(self.a.slates), len(self.b.slates))):
            for position in range(slots):
                row: dict[str, Any] = {"step": step, "position": position}
                for name, session in (("a", self.a), ("b", self.b)):
                    there = step < len(session.slates)
                    row[f"item_{name}"] = int(session.slates[step, position]) if there else None
                    for e, event in enumerate(self.event_names):
                        happened = bool(session.events[step, position, e]) if there else None
                        row[f"{event}_{name}"] = happened
                    row[f"reward_{name}"] = float(session.rewards[step]) if there else None
                yield row

    def _cell(self, session: PlayedSession, step: int, position: int) -> tuple[str, str]:
        """Label and events of one shown item; empty where the session has ended."""
        if step >= len(session.slates):
            return "", ""
        happened = session.events[step, position]
        events = [name for name, there in zip(self.event_names, happened, strict=True) if there]
        return self.labels[session.slates[step, position]], ", ".join(events) or "-"

    def __str__(self) -> str:
        """Both sessions, one line a shown item."""
        cells = [("step", "a shows", "events", "b shows", "events")]
        for step in range(max(len(self.a.slates), len(self.b.slates))):
            for position in range(self.a.slates.shape[1]):
                number = str(step + 1) if position == 0 else ""
                cells.append(
                    (number, *self._cell(self.a, step, position), *self._cell(self.b, step, position))
                )
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = [f"user {self.user}, context {self.context}, seed {self.seed}"]
        for row in cells:
            padded = [text.ljust(width) for text, width in zip(row, widths, strict=True)]
            lines.append(f"{padded[0]} | {padded[1]} {padded[2]} | {padded[3]} {padded[4]}".rstrip())
        for name, session in (("a", self.a), ("b", self.b)):
            lines.append(f"{name}: return {session.total:.2f}, {len(session.slates)} steps, {session.ending}")
        return "\n".join(lines)


def _made(env_id: str) -> Any:
    """The environment of an id; ValueError for an unknown one."""
    try:
        return gymnasium.make(env_id)
    except gymnasium.error.Error as error:
        raise ValueError(f"env is {quoted(env_id)}: {line_of(str(error))}") from None


def counterfactual(
    env: Any, seed: int, a: Any, b: Any, *, options: Mapping[str, Any] | None = None
) -> Counterfactual:
    """Play one user twice with the same random numbers, under two lists of slates or two policies.

    Args:
        env: a single environment of recgym, or its id. It is reset, and holds the session of `b` afterwards.
        seed: random seed of the episode: it gives the user and all draws.
        a: items or slates, one a step; or a policy, a function of the observation; or an agent, which plays in
            `agent.env` where `make_agent` has set it.
        b: as `a`.
        options: of `reset`, for example `{"user": 3}`.

    Returns:
        Both sessions, each until the user leaves, the horizon, or the end of its list.

    Raises:
        ValueError: the environment, a slate or an option is not as above; two agents of different tasks, or one of
            another than `env`.
    """
    env = _made(env) if isinstance(env, str) else env
    seed = checked_seed(seed)
    places = [_place(env, side) for side in (a, b)]
    _refuse_other_task(*(_task(place) for place in places))
    policies = [_choices(side, name) for name, side in (("a", a), ("b", b))]
    played, starts = [], []
    for place, policy in zip(places, policies, strict=True):
        observation, info = place.reset(seed=seed, options=options)
        starts.append((int(info["user"]), int(info["context_index"])))
        played.append(_play(place, observation, policy))
    world = places[1].unwrapped.privileged().world
    user, context = starts[1]
    labels = tuple(world.item_label(item) for item in range(world.num_items))
    names = places[1].unwrapped.event_names
    return Counterfactual(seed, user, str(world.contexts[context]), names, labels, *played)


def _place(env: Any, side: Any) -> Any:
    """The environment of an agent, else `env`; ValueError unless it is a single environment of recgym."""
    place = getattr(side, "env", None) or env
    if not hasattr(getattr(place, "unwrapped", None), "slate_events"):
        raise ValueError(
            f"env is {quoted(place)}, expected a single environment of recgym (gymnasium.make) or its id"
        )
    agent = getattr(side, "__self__", side)  # of a policy that is its method
    problem: Any = getattr(agent, "problem", None)
    if hasattr(problem, "differences") and (others := problem.differences(place)):
        raise ValueError(made_for_another(f"agent {agent.name}", others))
    return place


def _task(env: Any) -> dict[str, Any]:
    """What two sessions that are compared must have in common, by the name of the argument that sets it."""
    face, wrappers, limits = env.unwrapped, [], []
    while env is not face:
        if isinstance(env, gymnasium.wrappers.NormalizeReward):
            raise ValueError(
                "env is wrapped in NormalizeReward, whose rewards depend on what was played before"
            )
        if isinstance(env, gymnasium.RewardWrapper):  # two may hold two functions: only the same one is equal
            wrappers.append(f"{type(env).__name__} at {id(env):#x}")
        if isinstance(env, gymnasium.wrappers.TimeLimit):
            limits.append(env.get_wrapper_attr("_max_episode_steps"))
        env = env.env
    engine, users = face.privileged(), face.arguments.users
    return {
        "world": (engine.world.name, engine.world.sha256),
        "slate_size": engine.slate_size,
        "horizon": min([engine.horizon, *limits]),
        "reward": parse_reward(engine.world, face.arguments.reward),
        "users": None if users is None else sorted(map(int, users)),
        "wrappers of the reward": wrappers,
    }


def _refuse_other_task(a: Mapping[str, Any], b: Mapping[str, Any]) -> None:
    """Raises ValueError that names what two tasks do not have in common."""
    names = [name for name in a if a[name] != b[name]]
    if names:
        shown = " and ".join(difference(a[names[0]], b[names[0]]))
        raise ValueError(
            f"a and b play different tasks: {', '.join(names)} must be equal; {names[0]}: {shown}"
        )


def _choices(side: Any, name: str) -> Policy:
    """The policy of an argument. A list of slates ends by StopIteration."""
    act = getattr(side, "act", side)
    if callable(act):
        policy: Policy = act
        return policy
    is_listed = isinstance(side, Iterable) and not isinstance(side, str | bytes | Iterator | Mapping | Set)
    if not is_listed or getattr(side, "ndim", 1) == 0:
        raise ValueError(f"{name} is {quoted(side)}, expected a list of slates, a policy or an agent")
    slates = iter(side)
    return lambda _: next(slates)


def _play(env: Any, observation: Any, policy: Policy) -> PlayedSession:
    """The session that has just begun, under a policy."""
    face = env.unwrapped
    slots, num_events = face.privileged().slate_size, len(face.event_names)
    slates: list[Any] = []
    events: list[Bools] = []
    rewards: list[float] = []
    ending = ""
    while not ending:
        try:
            action = policy(observation)
        except StopIteration:
            ending = ENDED
            break
        observation, reward, terminated, truncated, _ = env.step(action)
        slates.append(face.last_slate)  # a wrapper may have changed the action
        events.append(face.slate_events)
        rewards.append(float(reward))
        ending = LEFT if terminated else HORIZON if truncated else ""
    return PlayedSession(
        np.array(slates, np.int64).reshape(-1, slots),
        np.array(events, np.bool_).reshape(-1, slots, num_events),
        np.array(rewards, np.float64),
        ending,
    )
