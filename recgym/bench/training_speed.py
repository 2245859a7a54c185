"""How long training takes: DCF-DQN, its offline stage included, against Stable-Baselines3's DQN, by the clock.

In one world, of ten items, one pays; its log is of a time when another one did. The other is ecommerce-1 cut to the 50
products that were clicked most, with a log of its own. A score is 0 for random and 1 for oracle-plan, on the same
sessions. Judging stops the clock.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from recgym.bench.rollout import make_vector, play
from recgym.bench.run import sampled_log
from recgym.logs import Log
from recgym.logs.sample import sample_log
from recgym.sim.synthetic import synthetic
from recgym.sim.world import World

SESSIONS = 500  # that judge
EVERY = 256  # [environment steps] between DCF-DQN's judgements
SB3_DEFAULTS = {
    "learning_rate": 1e-4,
    "discount": 0.99,
    "batch_size": 32,
    "buffer_size": 1_000_000,
    "learning_starts": 100,
    "target_update_interval": 10_000,
    "exploration_fraction": 0.1,
}


class Trained(NamedTuple):
    """One training."""

    where: str
    agent: str
    how: str
    steps: int  # environment steps
    seconds: float  # of training, the offline stage included
    score: float


def ten_items(best: int = 7) -> World:
    """Users alike, one item that pays and does not tire; the others seldom."""
    world = synthetic(domain="social", num_items=10, num_users=20, spread=0.0)
    bias = np.full(10, -1.5)
    bias[best] = 1.5
    flat = {name: np.zeros_like(getattr(world.arrays, name)) for name in ("push", "leave_item", "user_bias")}
    world = world.with_arrays(item_bias=bias, factors=np.zeros_like(world.arrays.factors), **flat)
    return world.with_params(outside=0.0, kappa=0.0, rho=0.0, theta=0.0, leave_repeat=0.0, leave_idle=0.0)


def stale_log() -> Log:
    """An earlier period's: item 3 was the one that people took."""
    return sample_log(ten_items(best=3), "random", 300, 1)


class Task(NamedTuple):
    """Where the two are compared."""

    where: str
    env_id: str
    kwargs: dict[str, Any]
    log: Callable[[], Log]  # what the offline stage learns from
    params: dict[str, Any]  # of DCF-DQN


def tasks() -> Iterator[Task]:
    """A world where the log is misleading, and a logged one small enough for SB3's defaults."""
    small = {"width": 16, "hidden": 32, "batch_size": 64, "steps_per_update": 32, "warmup": 200}
    yield Task(
        "ten items",
        "recgym/Social-v1",
        {"world": ten_items(), "horizon": 20},
        stale_log,
        # a log of another time is not replayed
        {**small, "log_weight": 0.0, "online_rate": 2e-3, "epsilon_steps": 3_000},
    )
    shop, kwargs = "recgym/Ecommerce-v0", {"n_items": 50}
    yield Task(
        "50 products",
        shop,
        kwargs,
        lambda: sampled_log(make_vector(shop, 1, **kwargs), sessions=2_000, seed=1),
        {"discount": 0.9, "steps": 3, "online_rate": 2e-3},
    )


class _Reached(Exception):
    pass


class _Until:
    """A checkpointer that keeps nothing: it judges now and then, its clock stopped, and ends what is good enough."""

    def __init__(self, judge: Callable[[], float], target: float) -> None:
        self.judge, self.target = judge, target
        self.begun, self.judging, self.due = time.perf_counter(), 0.0, 0
        self.steps, self.score = 0, 0.0

    @property
    def seconds(self) -> float:
        """Of training."""
        return time.perf_counter() - self.begun - self.judging

    def resume(self) -> None:
        """There is nothing to go on from."""

    def keep(self, steps: int, loop_state: Any) -> None:
        """Judge, if it is time to."""
        if steps < self.due:
            return
        self.due = steps + EVERY
        stopped = time.perf_counter()
        self.steps, self.score = steps, self.judge()
        self.judging += time.perf_counter() - stopped
        if self.score >= self.target:
            raise _Reached


def measure_training(task: Task, steps: int = 20_000, seed: int = 0) -> Iterator[Trained]:
    """SB3's DQN with its defaults, singly and in our vector of eight, then DCF-DQN up to the first's score."""
    from agents import agent_class, make_agent
    from agents.problem import Problem

    def make(name: str, num_envs: int, **params: Any) -> tuple[Any, Any]:
        env = make_vector(task.env_id, num_envs, **task.kwargs, observation=agent_class(name).observation)
        return make_agent(name, Problem.of(env), seed, **params), env

    def mean_return(agent: Any) -> float:
        def same(env: Any) -> Any:
            agent.bind(env)
            return agent

        kwargs = {**task.kwargs, "observation": type(agent).observation}
        columns, _ = play(task.env_id, kwargs, same, 10**6, SESSIONS)
        return float(columns["return"].mean())

    low = mean_return(make("random", 1)[0])
    high = mean_return(make("oracle-plan", 1, simulations=30)[0])

    def score(agent: Any) -> float:
        return (mean_return(agent) - low) / (high - low)

    def sb3(num_envs: int, how: str) -> Trained:
        agent, env = make("sb3-dqn", num_envs, **SB3_DEFAULTS)
        begun = time.perf_counter()
        agent.train(env, steps, seed)
        return Trained(task.where, "sb3-dqn", how, steps, time.perf_counter() - begun, score(agent))

    # compile and import before the clock starts
    for name, params in (("sb3-dqn", SB3_DEFAULTS), ("dcf-dqn", task.params)):
        agent, env = make(name, 8, **params)
        agent.train(env, 400, seed)
    single = sb3(1, "one environment, SB3's defaults")
    yield single
    yield sb3(8, "our vector of 8, SB3's defaults")
    agent, env = make("dcf-dqn", 64, **task.params)
    log = task.log()
    clock = _Until(lambda: score(agent), single.score)
    agent.prepare(log, seed)
    try:
        agent.train(env, steps, seed, checkpointer=clock)
        clock.steps, clock.score = steps, score(agent)
    except _Reached:
        pass
    how = "our vector of 64, offline stage first"
    yield Trained(task.where, "dcf-dqn", how, clock.steps, clock.seconds, clock.score)


def decision_ms(num_items: int = 100_000, batch: int = 256, repeats: int = 10) -> float:
    """Milliseconds of one decision of DCF-DQN for so many sessions over so many items: the best of some."""
    from agents import make_agent
    from agents.problem import Problem

    world = synthetic(domain="social", num_items=num_items)
    env = make_vector("recgym/Social-v1", batch, world=world, observation="history", n_items="all")
    agent = make_agent("dcf-dqn", Problem.of(env), epochs=0)
    observation, _ = env.reset(seed=0)
    agent.act(observation)  # lays the catalogue out
    best = np.inf
    for _ in range(repeats):
        begun = time.perf_counter()
        agent.act(observation)
        best = min(best, time.perf_counter() - begun)
    return 1e3 * best
