"""Whether item numbers carry something: how an agent that shows items 0, 1, 2, ... scores.

    python -m recgym.bench.number_order recgym/Content-v1    # the first numberings by which it earns what chance earns

A random order of items is good or bad by chance for an agent that shows them in order, because a session sees few of
them. Of random orders, that of the first seed is taken by which this agent earns what an order that is drawn anew for
every session earns: rerandomisation (Morgan and Rubin, 2012, "Rerandomization to improve covariate balance in
experiments", Annals of Statistics 40).

Axes: B sessions, N items, K slate positions.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from recgym.arrays import Ints
from recgym.envs import EnvRow, row_of
from recgym.envs.arguments import Arguments
from recgym.envs.task_engine import make_engine, task_world
from recgym.sim.engine import Engine
from recgym.sim.random_policy import random_policy

Policy = Callable[[Engine, int], Ints]  # slates (B, K) of a step
MOST = 0.01  # |score| by which an order is taken


def mean_return(engine: Engine, policy: Policy, seed: int = 0) -> float:
    """Mean return of the sessions of an engine; session i has the seed `seed` + i."""
    engine.seed(np.arange(engine.num, dtype=np.uint64) + np.uint64(seed))
    engine.reset()
    running, total = np.ones(engine.num, np.bool_), np.zeros(engine.num)
    for step in range(engine.horizon):
        feedback = engine.step(policy(engine, step), running)
        total += feedback.reward
        running &= ~(feedback.left | feedback.horizon)
        if not running.any():
            break
    return float(total.mean())


def in_order(engine: Engine, step: int) -> Ints:
    """The next items by their numbers, from 0 on."""
    slots, num = engine.slate_size, engine.world.num_items
    return np.tile((step * slots + np.arange(slots)) % num, (engine.num, 1))


def in_own_orders(engine: Engine, seed: int) -> Policy:
    """The same with an order of the items for each session, drawn uniformly."""
    rng, num, slots = np.random.default_rng(seed), engine.world.num_items, engine.slate_size
    size = min(engine.horizon * slots, num)
    order = np.stack([rng.permutation(num)[:size] for _ in range(engine.num)])

    def policy(engine: Engine, step: int) -> Ints:
        return order[:, (step * slots + np.arange(slots)) % num]

    return policy


def greedy(engine: Engine, step: int) -> Ints:
    """The items with the largest expected reward; it reads the simulator."""
    best = np.argsort(-engine.expected_reward(), axis=1, kind="stable")
    return best[:, : engine.slate_size].astype(np.int64)


def engine_of(row: EnvRow, num: int) -> Engine:
    """The engine of an environment's row with its defaults."""
    asked = Arguments.parse({"row": row._asdict()})
    return make_engine(asked, task_world(asked), num)[0]


@dataclass(frozen=True)
class OrderScale:
    """What the numbering of an environment is compared with: returns that do not depend on it."""

    chance: float  # return of items in an order drawn anew for every session
    span: float  # return of the greedy oracle, less that of random slates
    sessions: int

    @classmethod
    def of(cls, row: EnvRow, sessions: int) -> "OrderScale":
        """Measured in `sessions` sessions, the oracle in at most 1,000."""
        engine, few = engine_of(row, sessions), engine_of(row, min(sessions, 1_000))
        random = mean_return(engine, lambda engine, step: random_policy(engine)[0])
        return cls(mean_return(engine, in_own_orders(engine, 0)), mean_return(few, greedy) - random, sessions)

    def score(self, row: EnvRow) -> float:
        """(return of items 0, 1, 2, ... - that of own orders) / (oracle - random): 0 if numbers carry nothing."""
        return (mean_return(engine_of(row, self.sessions), in_order) - self.chance) / self.span


def first_seeds(row: EnvRow, sessions: int, most: int, count: int = 1) -> dict[int, float]:
    """Of the numberings 0 to `most` - 1 the first `count` with a score of at most MOST, with their scores."""
    scale, found = OrderScale.of(row, sessions), dict[int, float]()
    for seed in range(most):
        score = scale.score(row._replace(numbering=seed))
        if abs(score) <= MOST:
            found[seed] = score
        if len(found) == count:
            break
    return found


if __name__ == "__main__":
    for env_id in sys.argv[1:]:
        asked = row_of(env_id)
        by_exposure = OrderScale.of(asked, 20_000).score(asked._replace(numbering=None))
        print(f"{env_id} {by_exposure:.3f} by exposure; {first_seeds(asked, 100_000, 200)}")
