"""What every agent is: an interface, a base class, and the public facts of the task that it is made for.

Axes: B sessions, K slate positions, N items, E events.
"""

import hashlib
import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol, Self, get_type_hints

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from agents.environments import face_of, vector_of
from agents.guards import ANY, begin_preparing, begin_training, check_observation, guard, parts_of
from recgym import storage
from recgym.checks import difference, line_of, said, seed_of
from recgym.device import resolve
from recgym.events import EVENTS

Actions = NDArray[np.int64]
Masks = NDArray[np.bool_]
Figures = dict[str, float]
Report = Callable[[int, Figures], None]  # (environment steps so far, figures)
SCHEMA = "recgym.agent/1"  # of a saved agent
GPUS = ("cpu", "cuda", "mps")  # what agents with networks compute on
WATCH_CAP_MINUTES = 5.0  # of the reward "watch_time", an item


class Moment(NamedTuple):
    """Where a training loop stands."""

    arrays: dict[str, NDArray[Any]]
    facts: dict[str, Any]  # what JSON can hold


class Keeper(Protocol):
    """Writes checkpoints of a training, and takes it up again from one."""

    def resume(self) -> Moment | None:
        """Put agent and environment back where the checkpoint left them, and tell the loop's part; None: no such."""
        ...

    def keep(self, steps: int, moment: Callable[[], Moment]) -> None:
        """Write a checkpoint if one is due after so many environment steps."""
        ...


class Transition(NamedTuple):
    """b <= B rows of experience: restart rows are dropped already.

    `next_observation` belongs to the same session as `observation`, also where that session ended. `row` says
    which of the B sessions each row came from (None: row i from session i), for agents that follow sessions.
    """

    observation: Any
    action: Actions  # (b,) or (b, K)
    reward: NDArray[np.float64]  # (b,)
    next_observation: Any
    terminated: NDArray[np.bool_]  # (b,) the user left: nothing follows
    truncated: NDArray[np.bool_]  # (b,) the horizon: more would have followed
    mask: Masks | None = None  # (b, N)
    next_mask: Masks | None = None  # (b, N)
    row: NDArray[np.int64] | None = None  # (b,)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """The public facts of a task: spaces, item table, names, reward. None of the World's hidden numbers."""

    env_id: str
    env_kwargs: Mapping[str, Any]
    num_items: int
    num_users: int
    num_contexts: int = 1  # a visit's context stands on a circle of so many
    slate_size: int
    horizon: int  # [slates]
    event_names: tuple[str, ...]  # the first is the response
    items: Mapping[str, NDArray[Any]]  # (N,) category, page, price, price_ratio, seconds
    observation_space: spaces.Space[Any]  # of one session
    reward_range: tuple[float, float]  # of one step
    reward_weights: Mapping[str, float]  # paid for each event of a shown item
    reward_by_price: bool = False  # the weights are multiplied by the item's price ratio
    reward_per_minute: float = 0.0  # paid for each minute watched, up to WATCH_CAP_MINUTES an item
    index_digest: str = ""  # of what user and item indices stand for; a log to learn from is marked with it
    world_sha256: str = ""  # digest of the world; "": unknown

    @classmethod
    def of(cls, env: Any) -> "Problem":
        """The problem that a native environment, single or vector, poses."""
        face, spec = face_of(env), env.spec
        arguments = face.arguments
        space = getattr(face, "single_observation_space", face.observation_space)
        action = getattr(face, "single_action_space", face.action_space)
        slate_size = 1 if isinstance(action, spaces.Discrete) else len(action.nvec)
        items = face.items
        weights, by_price, per_minute = _reward(arguments.reward, EVENTS[arguments.domain])
        low, high = item_range(weights, items["price_ratio"] if by_price else None, per_minute)
        return cls(
            env_id="" if spec is None else spec.id,
            env_kwargs=_plain({} if spec is None else spec.kwargs),
            num_items=len(items["category"]),
            num_users=face.num_users,
            num_contexts=face.num_contexts,
            slate_size=slate_size,
            horizon=min(arguments.horizon, arguments.max_episode_steps or arguments.horizon),
            event_names=face.event_names,
            items=items,
            observation_space=space,
            reward_range=(slate_size * low, slate_size * high),
            reward_weights=weights,
            reward_by_price=by_price,
            reward_per_minute=per_minute,
            index_digest=face.index_digest,
            world_sha256=face.world_sha256,
        )

    @property
    def identity(self) -> dict[str, Any]:
        """What tells this task from others of the same size, as JSON holds it: a saved agent keeps it."""
        items = hashlib.sha256()
        for name, values in sorted(self.items.items()):
            items.update(name.encode() + np.ascontiguousarray(values).tobytes())
        about = {
            "env": self.env_id,
            "world_sha256": self.world_sha256,
            "items_sha256": items.hexdigest(),
            "num_items": self.num_items,
            "num_users": self.num_users,
            "slate_size": self.slate_size,
            "horizon": self.horizon,
            "event_names": self.event_names,
            "reward": {
                **self.reward_weights,
                "by_price": self.reward_by_price,
                "minute": self.reward_per_minute,
            },
        }
        return dict(json.loads(json.dumps(about)))

    @property
    def num_categories(self) -> int:
        """Categories in the item table."""
        return int(self.items["category"].max()) + 1

    @property
    def item_reward_range(self) -> tuple[float, float]:
        """Least and most reward of one shown item."""
        return self.reward_range[0] / self.slate_size, self.reward_range[1] / self.slate_size


def _plain(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """An environment's arguments, less the vector's own; a World object (hidden truth) leaves its name."""
    ours = {name: value for name, value in kwargs.items() if name not in ("num_envs", "vectorization_mode")}
    if not isinstance(ours.get("world", ""), str):
        ours["world"] = ours["world"].name
    return ours


def _reward(reward: str | Mapping[str, float], events: Any) -> tuple[dict[str, float], bool, float]:
    """Weights by event, whether they go by price, reward a minute; the names are the environments'."""
    if not isinstance(reward, str):
        return {event.name: float(reward.get(event.name, 0.0)) for event in events}, False, 0.0
    weights = {event.name: event.engagement if reward == "engagement" else 0.0 for event in events}
    if reward in ("clicks", "connections"):
        weights[events[0].name] = 1.0
    if reward in ("conversion", "revenue"):
        weights["purchase"] = 1.0
    return weights, reward == "revenue", float(reward == "watch_time")


def item_range(
    weights: Mapping[str, float], price_ratio: NDArray[Any] | None = None, per_minute: float = 0.0
) -> tuple[float, float]:
    """Least and most reward of one item: every event of that sign at once, and all the minutes that count."""
    scale = 1.0 if price_ratio is None else float(price_ratio.max())
    low = scale * sum(min(weight, 0.0) for weight in weights.values())
    high = scale * sum(max(weight, 0.0) for weight in weights.values())
    return low, high + per_minute * WATCH_CAP_MINUTES


class Agent(Protocol):
    """What the runner, the benchmark and the command line use. One agent, one file.

    Made by `cls(problem, seed=0, device="cpu", **params)`; an unknown parameter is a ValueError.
    """

    name: ClassVar[str]
    observation: ClassVar[str]  # the observation that it reads: "features", "history" or "tabular"
    offline: ClassVar[bool]  # whether `prepare` learns from a log
    num_envs: ClassVar[int]  # sessions at once that `train` does best with; any other number works
    resumes_exactly: ClassVar[bool]  # whether a training taken up again is the one that nobody disturbed
    env: Any  # of `make_agent(name, env)`: the task with the observation that it reads; else None

    @classmethod
    def needs(cls, params: Mapping[str, Any], slate_size: int = 1) -> tuple[str, bool]:
        """The observation that it reads, and whether `prepare` learns from a log, with these parameters."""
        ...

    def attach(self, env: Any) -> None:
        """Called before `train` and before every evaluation, with the environment that it will act in.

        Only the oracles use it: they keep `env.unwrapped.privileged()`.
        """
        ...

    def prepare(self, log: Any, seed: int, report: Report | None = None) -> Figures:
        """Offline stage on a `recgym.logs.Log` with the task's user and item indices; most do nothing."""
        ...

    def act(self, observation: Any, mask: Masks | None = None, explore: bool = False) -> Actions:
        """Items for B sessions, shape (B,), or slates without repeats (B, K) where the task has slates.

        `mask` (B, N) is True where an item may be shown; ValueError where a row allows fewer than K.
        """
        ...

    def learn(self, transition: Transition) -> Figures:
        """One update from a batch of transitions; figures to log."""
        ...

    def train(
        self,
        env: Any,
        budget: int,
        seed: int,
        report: Report | None = None,
        keeper: Keeper | None = None,
    ) -> Figures:
        """Online stage on a native vector environment for `budget` environment steps (slates shown)."""
        ...

    def save(self, folder: Path) -> None:
        """Write state into `folder`: weights as safetensors, the rest as JSON; no pickle."""
        ...

    @classmethod
    def load(cls, folder: Path, problem: Problem, device: str = "cpu", *, transfer: bool = False) -> "Agent":
        """Read what `save` wrote; ValueError for an agent of another task, unless it is to be taken over there."""
        ...


@dataclass(frozen=True, kw_only=True)
class NoParams:
    """An agent without parameters."""


class BaseAgent:
    """The defaults: nothing offline, the shared loop online, numpy state saved as safetensors beside JSON."""

    name: ClassVar[str]
    observation: ClassVar[str] = "tabular"
    offline: ClassVar[bool] = False
    num_envs: ClassVar[int] = 256
    resumes_exactly: ClassVar[bool] = True
    config: ClassVar[type[Any]] = NoParams  # a frozen, kw_only dataclass
    devices: ClassVar[tuple[str, ...]] = ("cpu",)  # what it can compute on
    env: Any = None  # of `make_agent(name, env)`: the task with the observation that the agent reads
    learns_from_log: bool = False  # with its parameters
    is_learnt: bool = False  # whether it was prepared or trained
    is_indifferent: bool = False  # whether it reads no observation

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        guard(cls)

    def __init__(self, problem: Problem, seed: int = 0, device: str = "cpu", **params: Any) -> None:
        self.problem = problem
        self.device = resolve(device, self.devices, f"agent {self.name}")
        self.params = parse_params(self.name, self.config, params)
        settings = asdict(self.params)
        self.learns_from_log = self.needs(settings, problem.slate_size)[1]
        self.is_indifferent = self.accepts(settings, problem.slate_size) == ANY
        check_observation(self, settings)
        self.parts = parts_of(problem.observation_space)
        self.rng = np.random.default_rng(
            np.random.SeedSequence([seed_of(seed), zlib.crc32(self.name.encode())])
        )

    @classmethod
    def needs(cls, params: Mapping[str, Any], slate_size: int = 1) -> tuple[str, bool]:
        """The same whatever the parameters and the slates."""
        return cls.observation, cls.offline

    @classmethod
    def accepts(cls, params: Mapping[str, Any], slate_size: int = 1) -> tuple[str, ...]:
        """Every observation that it can read with these parameters (`agents.guards.ANY`: it reads none)."""
        return (cls.needs(params, slate_size)[0],)

    def attach(self, env: Any) -> None:
        """Nothing: only oracles look into an environment."""

    def prepare(self, log: Any, seed: int, report: Report | None = None) -> Figures:
        """Nothing is learnt offline."""
        begin_preparing(self, log, seed)
        return {}

    def act(self, observation: Any, mask: Masks | None = None, explore: bool = False) -> Actions:
        """Each agent's own."""
        raise NotImplementedError

    def learn(self, transition: Transition) -> Figures:
        """Nothing is learnt online."""
        return {}

    def train(
        self,
        env: Any,
        budget: int,
        seed: int,
        report: Report | None = None,
        keeper: Keeper | None = None,
    ) -> Figures:
        """The shared loop; an agent that overrides no `learn` has nothing to train and returns at once."""
        budget, seed = begin_training(self, budget, seed)
        if type(self).learn is BaseAgent.learn:
            return {}
        from agents.loop import run

        self.part_from_sessions()
        return run(self, vector_of(env, self.num_envs), budget, seed, report, keeper)

    def part_from_sessions(self) -> None:
        """Called before the shared loop: forget what belongs to the sessions of an environment before this one."""

    def state(self) -> dict[str, NDArray[Any]]:
        """Arrays that make up what was learnt."""
        return {}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Put back what `state` gave: arrays of the same names and shapes, copied into place."""
        own = self.state()
        check_arrays(f"saved {self.name}", own, state)
        for key, value in state.items():
            own[key][...] = value

    def training_state(self) -> dict[str, NDArray[Any]]:
        """What the online stage needs beside `state` to go on exactly: replay, moments, pending steps."""
        return {}

    def restore_training(self, state: Mapping[str, NDArray[Any]], num_envs: int) -> None:
        """Put back what `training_state` gave, in training on B sessions; ValueError where it is damaged."""

    def save(self, folder: Path) -> None:
        """Write agent.json and agent.safetensors into `folder`, whole or not at all, in place of a saved agent's."""
        with storage.whole_folder(folder) as work:
            self.write(work)

    def write(self, folder: Path) -> None:
        """The same into a folder that is not whole yet."""
        about = {
            "schema": SCHEMA,
            "name": self.name,
            "params": asdict(self.params),
            "rng": self.rng.bit_generator.state,
            "is_learnt": self.is_learnt,
            "task": self.problem.identity,
        }
        storage.write_arrays(folder / "agent.safetensors", self.state())
        storage.write_json(folder / "agent.json", about)

    @classmethod
    def load(cls, folder: Path, problem: Problem, device: str = "cpu", *, transfer: bool = False) -> Self:
        """Read what `save` wrote; ValueError where the folder holds another agent, or one of another task.

        With `transfer`, an agent of another task of the same size is taken over all the same.
        """
        about = read_about(folder)
        if about["name"] != cls.name:
            raise ValueError(f"{folder} holds the agent {about['name']!r}, not {cls.name!r}")
        if not transfer:
            refuse_other_task(folder, about, problem)
        with storage.refusing(folder):
            agent = cls(problem, device=device, **about["params"])
        agent.reload(folder)
        return agent

    def reload(self, folder: Path) -> None:
        """Take over what an agent with the same parameters saved; ValueError where it is damaged or does not fit."""
        stored = storage.Stored(folder, "saved agent")
        state, about = stored.arrays("agent.safetensors"), read_about(folder)
        with storage.refusing(folder):
            self.check_state(state)
            self.restore(state)
            self.rng.bit_generator.state = about["rng"]
        self.is_learnt = about["is_learnt"]

    def check_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """ValueError where arrays are not such as `state` gives, by name, shape, type and range."""
        check_arrays(f"saved {self.name}", self.state(), state)


def refuse_other_task(folder: Path, about: Mapping[str, Any], problem: Problem) -> None:
    """ValueError where an agent was saved for another task, with what differs, or says of none."""
    if "task" not in about:
        raise ValueError(
            f"{Path(folder) / 'agent.json'}: task is missing, so it may be of another one; transfer=True takes it over"
        )
    ours, theirs = problem.identity, about["task"]
    odd = {key: difference(theirs.get(key), ours[key]) for key in ours if theirs.get(key) != ours[key]}
    if odd:
        what = ", ".join(f"{key} {there}, here {here}" for key, (there, here) in odd.items())
        raise ValueError(f"{folder} was saved for another task: {what}; transfer=True takes it over")


def check_arrays(
    place: str, own: Mapping[str, NDArray[Any]], state: Mapping[str, NDArray[Any]], free: tuple[str, ...] = ()
) -> None:
    """ValueError where `state` has other names, shapes or types than `own`, or an integer below 0: all are counts.

    Arrays named in `free` may have any length.
    """
    if own.keys() != state.keys():
        lacks, has = (
            line_of(", ".join(sorted(names)) or "no array")
            for names in (own.keys() - state, state.keys() - own)
        )
        raise ValueError(f"{place} lacks {lacks}, and has {has} that is unknown")
    for key, value in state.items():
        there = own[key]
        if value.ndim != there.ndim or (key not in free and value.shape != there.shape):
            raise ValueError(f"{place}: {key} has shape {value.shape}, this task needs {there.shape}")
        if value.dtype != there.dtype:
            raise ValueError(f"{place}: {key} is of {value.dtype}, expected {there.dtype}")
        check_within(f"{place}: {key}", value, 0 if value.dtype.kind == "i" else -np.inf)


def check_within(name: str, value: NDArray[Any], low: float, high: float = np.inf) -> None:
    """ValueError that names an array which holds a number outside [low, high]."""
    if value.size and not (value.min() >= low and value.max() <= high):
        raise ValueError(f"{name} leaves [{low}, {high}]")


def read_about(folder: Path) -> dict[str, Any]:
    """A saved agent's name, parameters, generator and task; ValueError where the folder holds none."""
    kinds = {"schema": str, "name": str, "params": dict, "rng": dict, "is_learnt": bool}
    about = storage.Stored(folder, "saved agent").json("agent.json", kinds)
    place = Path(folder) / "agent.json"
    if about["schema"] != SCHEMA:
        raise ValueError(f"{place}: schema is {said(about['schema'])}, expected {SCHEMA!r}")
    storage.check_keys(about, {"task": dict} if "task" in about else {}, place)
    return about


def parse_params(name: str, config: type[Any], params: Mapping[str, Any]) -> Any:
    """The agent's parameters as its dataclass; ValueError names an unknown one, or one of another type."""
    allowed = [field.name for field in fields(config)]
    if unknown := sorted(set(params) - set(allowed)):
        what = ", ".join(allowed) or "none, it has no parameters"
        raise ValueError(f"agent {name} has no parameter {', '.join(map(repr, unknown))}; allowed: {what}")
    types = get_type_hints(config)
    return config(**{key: _typed(f"agent {name}: {key}", value, types[key]) for key, value in params.items()})


KINDS = {bool: "True or False", int: "a whole number", float: "a finite number", str: "a text"}


def _typed(what: str, value: Any, kind: type[Any]) -> Any:
    """A parameter's value as its dataclass declares it; ValueError for another type."""
    if isinstance(value, np.generic):
        value = value.item()
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind is float and is_number and -1e300 < value < 1e300:
        return value
    if kind is not float and type(value) is kind:
        return value
    raise ValueError(f"{what} is {value!r}, expected {KINDS[kind]}")


def check_range(name: str, value: float, low: float, high: float = np.inf) -> None:
    """ValueError that names the parameter unless low <= value <= high."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"{name} is {value!r}, expected a number from {low} to {high}")
