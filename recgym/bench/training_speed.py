"""Wall time of training: DCF-DQN, offline stage included, against the DQN of Stable-Baselines3.

Two tasks. In a world of ten items one item has a high response rate, and the log is from a period in which another item
had. The second is ecommerce-1 with the 50 most clicked products and a log sampled from it. A score is 0 for random and
1 for oracle-plan, on the same sessions. The clock is stopped during evaluation.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from recgym.bench.run import sampled_log
from recgym.logs import Log
from recgym.logs.sample import sample_log
from recgym.rollout.play import bound, make_vector, play
from recgym.sim.synthetic import synthetic
from recgym.sim.world import World

NUM_EVAL_SESSIONS = 500
STEPS_PER_EVALUATION = 256  # environment steps of DCF-DQN
SB3_DEFAULTS = {
    "learning_rate": 1e-4,
    "discount": 0.99,
    "batch_size": 32,
    "buffer_size": 1_000_000,
    "learning_starts": 100,
    "target_update_interval": 10_000,
    "exploration_fraction": 0.1,
}


class TimedTraining(NamedTuple):
    """Time and score of a training."""

    where: str
    agent: str
    how: str
    steps: int  # environment steps
    seconds: float  # of training, the offline stage included
    score: float


def ten_items(best: int = 7) -> World:
    """A world of identical users without satiation; item `best` has a high response rate, the others a low one."""
    world = synthetic(domain="social", num_items=10, num_users=20, spread=0.0)
    bias = np.full(10, -1.5)
    bias[best] = 1.5
    flat = {name: np.zeros_like(getattr(world.arrays, name)) for name in ("push", "leave_item", "user_bias")}
    world = world.with_arrays(item_bias=bias, factors=np.zeros_like(world.arrays.factors), **flat)
    return world.with_params(outside=0.0, kappa=0.0, rho=0.0, theta=0.0, leave_repeat=0.0, leave_idle=0.0)


def stale_log() -> Log:
    """A log of an earlier period, in which item 3 had the high response rate."""
    return sample_log(ten_items(best=3), "random", 300, 1)


class TimingTask(NamedTuple):
    """An environment and a log for which training is timed."""

    where: str
    env_id: str
    kwargs: dict[str, Any]
    log: Callable[[], Log]  # of the offline stage
    params: dict[str, Any]  # of DCF-DQN


def tasks() -> Iterator[TimingTask]:
    """A world whose log is misleading, and a fitted one small enough for SB3's defaults; of few items, shown again."""
    small = {"width": 16, "hidden": 32, "batch_size": 64, "steps_per_update": 32, "warmup": 200}
    yield TimingTask(
        "ten items",
        "recgym/Social-v2",
        {"world": ten_items(), "horizon": 20},
        stale_log,
        # a log of another period is not replayed
        {**small, "log_weight": 0.0, "online_rate": 2e-3, "epsilon_steps": 3_000, "fresh": False},
    )
    shop, kwargs = "recgym/Ecommerce-v1", {"n_items": 50}
    yield TimingTask(
        "50 products",
        shop,
        kwargs,
        lambda: sampled_log(make_vector(shop, 1, **kwargs), sessions=2_000, seed=1),
        {"discount": 0.9, "steps": 3, "online_rate": 2e-3, "fresh": False},
    )


class _TargetReached(Exception):
    pass


class _StopAtScore:
    """A checkpointer that stores nothing: evaluates with the clock stopped, and ends the training at a target score."""

    def __init__(self, judge: Callable[[], float], target: float) -> None:
        self.judge, self.target = judge, target
        self.begun, self.judging, self.due = time.perf_counter(), 0.0, 0
        self.steps, self.score = 0, 0.0

    @property
    def seconds(self) -> float:
        """Seconds of training."""
        return time.perf_counter() - self.begun - self.judging

    def resume(self) -> None:
        """There is no checkpoint."""

    def keep(self, steps: int, loop_state: Any) -> None:
        """Evaluates, if an evaluation is due."""
        if steps < self.due:
            return
        self.due = steps + STEPS_PER_EVALUATION
        stopped = time.perf_counter()
        self.steps, self.score = steps, self.judge()
        self.judging += time.perf_counter() - stopped
        if self.score >= self.target:
            raise _TargetReached


def measure_training(
    task: TimingTask, steps: int = 20_000, seed: int = 0, sessions: int = NUM_EVAL_SESSIONS
) -> Iterator[TimedTraining]:
    """SB3's DQN with its defaults, in one environment and in a vector of 8; DCF-DQN up to the score of the first.

    Each score is of `sessions` judged sessions.
    """
    from agents import agent_class, make_agent
    from agents.problem import Problem

    def make(name: str, num_envs: int, **params: Any) -> tuple[Any, Any]:
        env = make_vector(task.env_id, num_envs, **task.kwargs, observation=agent_class(name).observation)
        return make_agent(name, Problem.of(env), seed, **params), env

    def mean_return(agent: Any) -> float:
        kwargs = {**task.kwargs, "observation": type(agent).observation}
        columns, _ = play(task.env_id, kwargs, bound(agent), 10**6, sessions)
        return float(columns["return"].mean())

    low = mean_return(make("random", 1)[0])
    high = mean_return(make("oracle-plan", 1, simulations=30)[0])

    def score(agent: Any) -> float:
        return (mean_return(agent) - low) / (high - low)

    def sb3(num_envs: int, how: str) -> TimedTraining:
        agent, env = make("sb3-dqn", num_envs, **SB3_DEFAULTS)
        begun = time.perf_counter()
        agent.train(env, steps, seed)
        return TimedTraining(task.where, "sb3-dqn", how, steps, time.perf_counter() - begun, score(agent))

    # compile and import before the clock starts
    for name, params in (("sb3-dqn", SB3_DEFAULTS), ("dcf-dqn", task.params)):
        agent, env = make(name, 8, **params)
        agent.train(env, 400, seed)
    single = sb3(1, "one environment, SB3's defaults")
    yield single
    yield sb3(8, "our vector of 8, SB3's defaults")
    agent, env = make("dcf-dqn", 64, **task.params)
    log = task.log()
    clock = _StopAtScore(lambda: score(agent), single.score)
    agent.prepare(log, seed)
    try:
        agent.train(env, steps, seed, checkpointer=clock)
        clock.steps, clock.score = steps, score(agent)
    except _TargetReached:
        pass
    how = "our vector of 64, offline stage first"
    yield TimedTraining(task.where, "dcf-dqn", how, clock.steps, clock.seconds, clock.score)


def decision_ms(num_items: int = 100_000, batch: int = 256, repeats: int = 10) -> float:
    """Milliseconds of one decision of DCF-DQN for `batch` sessions over `num_items` items: the best of `repeats`."""
    from agents import make_agent
    from agents.problem import Problem

    world = synthetic(domain="social", num_items=num_items)
    env = make_vector("recgym/Social-v2", batch, world=world, observation="history", n_items="all")
    agent = make_agent("dcf-dqn", Problem.of(env), epochs=0)
    observation, _ = env.reset(seed=0)
    agent.act(observation)  # computes the item tower of the catalogue
    best = np.inf
    for _ in range(repeats):
        begun = time.perf_counter()
        agent.act(observation)
        best = min(best, time.perf_counter() - begun)
    return 1e3 * best
