"""Logs sampled from a world, for the offline stage of agents."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from recgym.arrays import Doubles
from recgym.checks import MAX_COUNT, checked_seed, quoted, whole_number
from recgym.logs.columns import Source
from recgym.logs.log import Log
from recgym.memory import require_memory
from recgym.sim.engine import Engine
from recgym.sim.logging_policy import LoggedPolicy
from recgym.sim.random_policy import random_policy
from recgym.sim.reward_arrays import make_reward
from recgym.sim.session_arrays import session_bytes
from recgym.sim.state import Slates
from recgym.sim.world import World

Policy = Callable[[Engine], tuple[Slates, Doubles]]


def sample_log(
    world: Any,
    policy: str | Policy = "logged",
    sessions: int = 1_000,
    seed: int = 0,
    *,
    slate_size: int | None = None,
    horizon: int | None = None,
) -> Log:
    """Samples sessions of a world under a policy, one row per shown item.

    Args:
        world: a World, or an environment, whose slate size, horizon and items that are there from the start are used.
        policy: "logged" (the logging policy of the world), "random" (uniform), or a function of the engine that returns
            slates (B, K) int64 and propensities (B, K).
        sessions: number of sessions; their users are drawn from the population.
        seed: session i has the random numbers of the first episode of an environment with the seed `seed` + i.
        slate_size: K; default 1, or that of the environment.
        horizon: number of steps after which a session is truncated; default 50, or that of the environment.

    Returns:
        A log with propensities, events, watch time and `context_index`, on the indices of the world. `time` is null.
        Its source states that it was sampled.

    Raises:
        ValueError: an argument is out of range.
    """
    late: Any = None
    if not isinstance(world, World):
        own, late = world.unwrapped.privileged(), world.unwrapped.arrival > 0
        world = own.world
        slate_size = own.slate_size if slate_size is None else slate_size
        horizon = own.horizon if horizon is None else horizon
    slate_size = 1 if slate_size is None else whole_number(slate_size, "slate_size", 1)
    horizon = 50 if horizon is None else whole_number(horizon, "horizon", 1, MAX_COUNT)
    policies = _policies(world, late)
    if not callable(policy) and (not isinstance(policy, str) or policy not in policies):
        raise ValueError(
            f"policy is {quoted(policy)}, allowed: 'logged', 'random' or a function of the engine"
        )
    choose = policy if callable(policy) else policies[policy]
    sessions, seed = whole_number(sessions, "sessions", 1, MAX_COUNT), checked_seed(seed)
    require_memory(sessions * session_bytes(world, slate_size), "sessions", sessions)
    engine = Engine(world, sessions, slate_size=slate_size, horizon=horizon, reward=make_reward(world, {}))
    engine.seed(np.arange(sessions, dtype=np.uint64) + np.uint64(seed % (1 << 64)))
    engine.reset()
    steps = _all_steps(engine, choose)
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
    return replace(log, indexed_by=world.index_digest)


def _policies(world: World, late: Any) -> dict[str, Policy]:
    """Policies by name, over all items but those of `late` (N,), bool; None: over all."""
    logged = LoggedPolicy(world)
    if late is None or not late.any():
        return {"logged": logged, "random": random_policy}
    early = np.flatnonzero(~late)
    return {
        "logged": lambda engine: logged(engine, np.tile(~late, (engine.num, 1))),
        "random": lambda engine: random_policy(engine, early),
    }


def _all_steps(engine: Engine, choose: Policy) -> list[dict[str, Any]]:
    """Rows of each step; ValueError if they, and their copy in the log, do not fit into memory."""
    steps: list[dict[str, Any]] = []
    size = 0
    for step in _steps(engine, choose):
        steps.append(step)
        size += sum(column.nbytes for column in step.values())
        require_memory(2 * size, "sessions", engine.num)
    return steps


def _steps(engine: Engine, choose: Policy) -> Any:
    """Rows of each step of all sessions that have not ended."""
    running = np.ones(engine.num, np.bool_)
    slots = engine.slate_size
    while running.any():
        rows = np.flatnonzero(running)
        slates, propensity = choose(engine)
        step = engine.sessions.step[rows]
        feedback = engine.step(slates, running)
        events = feedback.events[rows].ravel()
        yield {
            "user": np.repeat(engine.sessions.user[rows], slots),
            "item": slates[rows].ravel().astype(np.int32),
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
