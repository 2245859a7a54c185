"""Logs sampled from a world, for the offline stage of agents."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from recgym.arrays import Bools, Doubles
from recgym.checks import MAX_COUNT, checked_seed, quoted, whole_number
from recgym.logs.columns import Source
from recgym.logs.log import Log
from recgym.logs.policy_checks import checked_choice
from recgym.memory import require_memory
from recgym.sim.engine import Engine
from recgym.sim.logging_policy import LoggedPolicy
from recgym.sim.random_policy import random_policy
from recgym.sim.reward_arrays import make_reward
from recgym.sim.session_arrays import session_bytes
from recgym.sim.state import Slates
from recgym.sim.world import World

Policy = Callable[[Engine], tuple[Slates, Doubles]]


def _checked(world: Any) -> Any:
    """A World or an environment of recgym; ValueError for another object."""
    if isinstance(world, World) or hasattr(getattr(world, "unwrapped", None), "privileged"):
        return world
    raise ValueError(f"world is {quoted(world)}, expected a World or an environment of recgym")


def sample_log(
    world: Any,
    policy: str | Policy = "logged",
    sessions: int = 1_000,
    seed: int = 0,
    *,
    slate_size: int | None = None,
    horizon: int | None = None,
    rules: bool = True,
) -> Log:
    """Samples sessions of a world under a policy, one row per shown item.

    Args:
        world: a World, or an environment, whose users, slate size, horizon, rules and first items are used.
        policy: "logged" (the logging policy of the world), "random" (uniform), or a function of the engine that returns
            slates (B, K), whole numbers, and propensities (B, K) in (0, 1].
        sessions: number of sessions.
        seed: session i has the random numbers of the first episode of an environment with the seed `seed` + i.
        slate_size: K; default 1, or that of the environment.
        horizon: number of steps after which a session is truncated; default 50, or that of the environment.
        rules: whether the rules of an environment are kept; False: the log is of the time before them.

    Returns:
        Log with propensities, events, watch time, `context_index` and horizon, on the world's indices. `time` is null.
        Where items stand for pages, `item` is that of the observation, and `named` the policy's, with its propensity.

    Raises:
        ValueError: an argument, or what a function returns, is out of range, or the policy cannot keep a slate's rule.
    """
    env: Any = None
    if not isinstance(_checked(world), World):
        env, own = world.unwrapped, world.unwrapped.privileged()
        slate_size = own.slate_size if slate_size is None else slate_size
        horizon = min(own.horizon, _limit(world)) if horizon is None else horizon
        world = own.world
    slate_size = whole_number(1 if slate_size is None else slate_size, "slate_size", 1)
    horizon = whole_number(50 if horizon is None else horizon, "horizon", 1, MAX_COUNT)
    if not callable(policy) and not (isinstance(policy, str) and policy in ("logged", "random")):
        raise ValueError(
            f"policy is {quoted(policy)}, allowed: 'logged', 'random' or a function of the engine"
        )
    sessions, seed = whole_number(sessions, "sessions", 1, MAX_COUNT), checked_seed(seed)
    require_memory(sessions * session_bytes(world, slate_size), "sessions", sessions)
    engine = Engine(world, sessions, slate_size=slate_size, horizon=horizon, reward=make_reward(world, {}))
    _begin(engine, seed, None if env is None else env.arguments.users)
    open_items = None if env is None else env.open_items(engine, rules=rules)
    steps = _all_steps(engine, _choice(policy, engine, open_items), open_items)
    columns = {name: np.concatenate([step[name] for step in steps]) for name in steps[0]}
    columns["slate"] = columns["session"] * horizon + columns["step"]
    if not world.arrays.watch[0]:
        del columns["watch_ms"]
    source = Source(
        name=f"sampled from the world {world.name}",
        licence=str(world.card.get("licence", "as the world's")),
        citation=str(world.card.get("citation", "")),
        note=f"simulated, not logged: {sessions} sessions, policy {policy if isinstance(policy, str) else 'given'}, "
        f"seed {seed}",
    )
    log = Log.build(columns, users=_users(world), items=_items(world), domain=world.domain, source=source)
    return replace(log, indexed_by=world.index_digest, horizon=horizon)


def _begin(engine: Engine, seed: int, users: Any) -> None:
    """Begins the first episode of all sessions, with users of these indices; None: of the population."""
    engine.seed(np.arange(engine.num, dtype=np.uint64) + np.uint64(seed % (1 << 64)))
    if users is not None:
        engine.draw_from(engine.population(np.array(sorted(users), np.int64)))
    engine.reset()


def _limit(env: Any) -> int:
    """Steps after which an environment is truncated by its spec."""
    limit = None if env.spec is None else env.spec.max_episode_steps
    return MAX_COUNT if limit is None else int(limit)


def _choice(policy: str | Policy, engine: Engine, open_items: Any) -> Policy:
    """The policy over the items that may be shown; `open_items` is the environment's `OpenItems`, or None."""
    if callable(policy):
        return policy
    if open_items is None or not open_items.is_limited:
        return LoggedPolicy(engine.world) if policy == "logged" else random_policy
    if engine.slate_size > 1 and (rule := open_items.rules.of_slate):
        raise ValueError(
            f"the policy {policy!r} does not keep the rule {rule} of the environment, which depends on the other items "
            "of a slate: rules=False draws a log without rules, a function of the engine may keep them"
        )
    if policy == "logged":
        logged = LoggedPolicy(engine.world)
        return lambda engine: logged(engine, open_items.at_top())
    return lambda engine: _random_among(engine, open_items.at_top())


def _random_among(engine: Engine, allowed: Bools) -> tuple[Slates, Doubles]:
    """Slates (B, K) uniform over the allowed items (B, N) of each session, without repeats, and their propensities."""
    slates = np.zeros((engine.num, engine.slate_size), np.int64)
    propensity, count = np.empty(slates.shape), allowed.sum(axis=1)
    for num in np.unique(count):
        rows = np.flatnonzero(count == num)
        ranks, drawn = random_policy(engine, np.arange(num))
        items = np.nonzero(allowed[rows])[1].reshape(len(rows), num)
        slates[rows], propensity[rows] = np.take_along_axis(items, ranks[rows], axis=1), drawn[rows]
    return slates, propensity


def _all_steps(engine: Engine, choose: Policy, open_items: Any) -> list[dict[str, Any]]:
    """Rows of each step; ValueError if they, and their copy in the log, do not fit into memory, or break a rule."""
    steps: list[dict[str, Any]] = []
    size = 0
    for step in _steps(engine, choose, open_items):
        steps.append(step)
        size += sum(column.nbytes for column in step.values())
        require_memory(2 * size, "sessions", engine.num)
    return steps


def _steps(engine: Engine, choose: Policy, open_items: Any) -> Any:
    """Rows of each step of all sessions that have not ended."""
    running = np.ones(engine.num, np.bool_)
    slots, pages = engine.slate_size, bool(engine.world.arrays.whole_pages[0])
    while running.any():
        rows = np.flatnonzero(running)
        slates, propensity = checked_choice(choose(engine), running, slots, engine.world.num_items)
        if open_items is not None:
            open_items.refuse(slates, running)
        step = engine.sessions.step[rows]
        feedback = engine.step(slates, running)
        shown = engine.sessions.items[:, -1:] if pages else slates
        events = feedback.events[rows].ravel()
        yield {
            "user": np.repeat(engine.sessions.user[rows], slots),
            "item": shown[rows].ravel().astype(np.int32),
            **({"named": slates[rows].ravel().astype(np.int32)} if pages else {}),
            "session": np.repeat(rows.astype(np.int64), slots),
            "step": np.repeat(step, slots).astype(np.int32),
            "position": np.tile(np.arange(slots, dtype=np.int16), len(rows)),
            "propensity": np.clip(propensity[rows].ravel(), 1e-300, 1.0),
            "watch_ms": feedback.watch[rows].ravel().astype(np.int32),
            "context_index": np.repeat(engine.sessions.context[rows], slots),
            **{
                event.name: ((events >> e) & 1).astype(np.bool_)
                for e, event in enumerate(engine.world.events)
            },
        }
        running = running & ~(feedback.left | feedback.horizon)


def _users(world: World) -> Any:
    ids = [str(i) for i in range(world.num_users)]
    features = {name: world.user_features[:, j] for j, name in enumerate(world.user_feature_names)}
    return pa.table({"id": pa.array(ids, pa.string()), **features})


def _items(world: World) -> Any:
    arrays = world.arrays
    return pa.table(
        {
            "id": pa.array([str(i) for i in range(world.num_items)], pa.string()),
            "label": pa.array([world.item_label(i) for i in range(world.num_items)], pa.string()),
            "category": pa.array([world.categories[c] for c in arrays.category], pa.string()),
            "page": arrays.page,
            "price": arrays.price_ratio.astype(np.float64),
            "duration_ms": arrays.duration.astype(np.float64),
        }
    )
