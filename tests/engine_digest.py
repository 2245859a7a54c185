"""Digest of an engine's results."""

import numpy as np

from recgym.sim.engine import Engine
from recgym.sim.logging_policy import LoggedPolicy
from recgym.sim.lookahead import plan
from recgym.sim.random_policy import random_policy
from recgym.sim.reward_arrays import make_reward
from recgym.sim.synthetic import synthetic

DOMAINS = ("ecommerce", "content", "social")


def trace(world, seeds, slots=1, threads=1, steps=12):
    """Feedback and final state of sessions that choose items by their own step and user, resets included."""
    reward = make_reward(world, {event.name: 1.0 for event in world.events})
    engine = Engine(world, len(seeds), slate_size=slots, horizon=5, reward=reward, threads=threads)
    engine.seed(np.asarray(seeds, np.uint64))
    engine.reset()
    rows, over = [], np.zeros(len(seeds), np.bool_)
    for _ in range(steps):
        base = engine.sessions.user.astype(np.int64) + engine.sessions.step
        slate = (base[:, None] + 3 * np.arange(slots)) % world.num_items
        features = np.empty((engine.num, engine.features_width), np.float32)
        f = engine.step(slate, None, over, features)
        over = f.left | f.horizon
        rows.append([*f, features])
    state = [array for name, array in engine.sessions._asdict().items() if name != "seed"]
    return [np.stack(parts, 1) for parts in zip(*rows, strict=True)] + state


def digest():
    """Integers and booleans of a hundred sessions of each domain, and of planner and logging policy."""
    parts = []
    for domain in DOMAINS:
        world = synthetic(domain=domain, num_items=12)
        for slots in (1, 3):
            parts += [a for a in trace(world, range(100), slots, steps=6) if a.dtype.kind in "iub"]
        engine = Engine(
            world, 20, slate_size=2, horizon=5, reward=make_reward(world, {world.events[0].name: 1.0})
        )
        engine.seed(np.arange(20, dtype=np.uint64))
        engine.reset()
        parts += [LoggedPolicy(world)(engine)[0], random_policy(engine)[0], plan(engine, simulations=2)]
    return hash(b"".join(np.ascontiguousarray(part).tobytes() for part in parts))
