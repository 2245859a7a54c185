"""A task: a world, the arguments of an environment checked, its spaces, its observation and its reward.

Axes: B sessions, N items, K slate positions, C categories, E events, F public user features, H history.
"""

from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from recgym.checks import said
from recgym.envs import EnvRow
from recgym.envs.arguments import OBSERVATIONS as OBSERVATIONS
from recgym.envs.arguments import Arguments as Arguments
from recgym.envs.rewards import RewardSpec, parse_reward, task_reward
from recgym.observation import HISTORY_LENGTH
from recgym.sim import observations
from recgym.sim.engine import Engine
from recgym.sim.friend_requests import most_candidates, suggesting
from recgym.sim.schema import FRIENDS
from recgym.sim.world import MEMBERS, World
from recgym.storage import Stored

WORLDS = Path(__file__).parent.parent / "worlds"
Observation = NDArray[Any] | dict[str, NDArray[Any]]


def shipped_worlds() -> tuple[str, ...]:
    """Names of the worlds in the package."""
    return tuple(sorted(folder.parent.name for folder in WORLDS.glob("*/world.json")))


def world_of(row: EnvRow, world: str | Path | World | None = None, member: int | None = None) -> World:
    """The world that is asked for; None: the table's, which no folder of that name can stand in for."""
    if world is None and member is None and row.world in shipped_worlds():
        return World.load(WORLDS / row.world)
    return load_world(row.world if world is None else world, member)


def load_world(world: str | Path | World, member: int | None = None) -> World:
    """A shipped world by name, a folder that `recgym fit` wrote, or a World as it is; ValueError lists the names.

    A name that is both shipped and a folder here is refused: `./name` means the folder. `member` is the number of a
    bootstrap world of that folder's ensemble.
    """
    if member is not None:
        return load_member(world, member)
    if isinstance(world, World):
        return world
    if not isinstance(world, str | Path) or world == "":
        raise ValueError(f"world is {said(world)}, expected a name, a folder or a World")
    if str(world) in shipped_worlds():
        if (Path(world) / "world.json").is_file():
            raise ValueError(
                f"world {str(world)!r} is shipped, and a folder here has that name: say './{world}' for it"
            )
        return World.load(WORLDS / world)
    if Path(world).is_dir():
        return World.load(world)
    raise ValueError(
        f"world {str(world)!r} is unknown: neither shipped ({', '.join(shipped_worlds())}) nor a folder"
    )


def load_member(world: str | Path | World, member: int) -> World:
    """Bootstrap world `member` of a folder; ValueError says which there are, and where the ensemble is not whole."""
    place = world.name if isinstance(world, World) else str(world)
    names = [] if isinstance(world, World) else [entry.name for entry in (Path(place) / MEMBERS).glob("*")]
    if str(member) not in names:
        known = ", ".join(sorted(names)) or "none; recgym fit --ensemble 5 makes them"
        raise ValueError(f"member is {member}, world {place!r} has {known}")
    listed = Stored(place, "world").digests or {}
    whole = {name.split("/")[1] for name in listed if name.startswith(f"{MEMBERS}/")}
    if lost := sorted(whole - set(names)):
        raise ValueError(f"{place}: the ensemble is not whole: members {', '.join(lost)} are missing")
    return World.load(Path(place) / MEMBERS / str(member))


def feature_blocks(engine: Engine) -> dict[str, int]:
    """Blocks of the observation "features" in order, with their widths; all values lie in [-1, 1]."""
    world = engine.world
    candidates = world.num_items if world.arrays.choice[0] == FRIENDS else 0
    return {
        "public user features": world.user_features.shape[1],
        "category histogram of what was shown (decay 0.8)": len(world.categories),
        "category histogram of positive answers (decay 0.8)": len(world.categories),
        "category of the last item, one-hot": len(world.categories),
        "price of the last item (standardised log price / 3)": 1,
        "events of the last slate": len(world.events),
        "positive answers in a row in one category / 10": 1,
        "step / horizon": 1,
        "context on the circle, sine and cosine": 2,
        "page of the last item / number of pages": 1,
        "friends in common with each candidate (log1p / log 51)": candidates,
        "friends of each candidate (log1p / log 151)": candidates,
        "items in common with each candidate / 25": candidates,
        "refusals of each candidate / 5": candidates,
        "whether each candidate was accepted": candidates,
    }


def observation_space(engine: Engine, kind: str) -> spaces.Space[Any]:
    """Space of one session's observation."""
    world, num_events = engine.world, len(engine.world.events)
    features = spaces.Box(-1.0, 1.0, (engine.features_width,), np.float32)
    if kind == "features":
        return features
    if kind == "tabular":
        return spaces.Discrete((len(world.categories) + 1) * observations.TABULAR_STATES)
    history: dict[str, spaces.Space[Any]] = {
        "user": spaces.Discrete(world.num_users),
        "shown": spaces.Box(0, world.num_items, (HISTORY_LENGTH,), np.int32),
        "events": spaces.Box(0.0, 1.0, (HISTORY_LENGTH * num_events,), np.float32),
        "context": spaces.Box(-1.0, 1.0, (3,), np.float32),
    }
    return spaces.Dict(history if kind == "history" else {"features": features, **history})


def observation_of(engine: Engine, kind: str, features: NDArray[np.float32] | None) -> Observation:
    """The batch's observation, fresh arrays; the engine's tick has written the features where they are asked for."""
    if kind == "features" and features is not None:
        return features
    if kind == "tabular":
        states = np.empty(engine.num, np.int64)
        observations.tabular(engine.sessions, states)
        return states
    world, num = engine.world, engine.num
    batch: dict[str, NDArray[Any]] = {
        "user": np.empty(num, np.int64),
        "shown": np.empty((num, HISTORY_LENGTH), np.int32),
        "events": np.empty((num, HISTORY_LENGTH * len(world.events)), np.float32),
        "context": np.empty((num, 3), np.float32),
    }
    observations.history(engine.sessions, world.num_items, engine.horizon, len(world.contexts), **batch)
    return batch if features is None else {"features": features, **batch}


def action_space(engine: Engine) -> spaces.Discrete | spaces.MultiDiscrete:
    """Discrete over the items, or one of them for each position of the slate."""
    if engine.slate_size == 1:
        return spaces.Discrete(engine.world.num_items)
    return spaces.MultiDiscrete([engine.world.num_items] * engine.slate_size)


def task_world(arguments: Arguments) -> World:
    """The world that the arguments ask for, cut to its items; ValueError where it is not one for this task."""
    world = world_of(arguments.row, arguments.world, arguments.member)
    friends = arguments.domain == "friends"
    needed = "social" if friends else arguments.domain
    if world.domain != needed:
        raise ValueError(f"world {world.name} is of domain {world.domain}, this environment needs {needed}")
    most = most_candidates(world) if friends else world.num_items
    if arguments.n_items is None:
        count = min(arguments.row.n_items or most, most)
    else:
        count = most if arguments.n_items == "all" else int(arguments.n_items)
    return suggesting(world, count) if friends else world.subset(count)


def make_engine(arguments: Arguments, world: World, num: int, threads: int = 1) -> tuple[Engine, RewardSpec]:
    """The engine of that task on that world, and its reward."""
    spec = parse_reward(world, task_reward(arguments, world))
    horizon = min(arguments.horizon, arguments.max_episode_steps or arguments.horizon)
    engine = Engine(
        world,
        num,
        slate_size=int(arguments.slate_size),
        horizon=int(horizon),
        reward=spec.arrays(world),
        threads=threads,
    )
    return engine, spec


def item_table(world: World) -> dict[str, NDArray[Any]]:
    """Public facts of the items, arrays (N,): category, page, price (standardised log), price_ratio, seconds."""
    arrays = world.arrays
    return {
        "category": arrays.category.copy(),
        "page": arrays.page.copy(),
        "price": arrays.price.copy(),
        "price_ratio": arrays.price_ratio.copy(),
        "seconds": (arrays.duration / 1000.0).astype(np.float32),
    }
