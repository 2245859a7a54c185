"""Known problems that agents learn, and their scores."""

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from sklearn.linear_model import Ridge

from agents import Problem, Transition


class Toy:
    """Tables as a native vector environment with NEXT_STEP autoreset.

    Args:
        move: (S, A) next state, or None where it is drawn evenly.
        pay: (S, A) reward.
        ends: (S, A) whether the session is terminated by it.
    """

    metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012 - Gymnasium's form

    def __init__(self, num_envs, move, pay, ends, horizon):
        self.num_envs, self.move, self.pay, self.ends, self.horizon = num_envs, move, pay, ends, horizon
        self.single_action_space = spaces.Discrete(pay.shape[1])
        self.rng = np.random.default_rng(0)

    def problem(self):
        num_states, num_actions = self.pay.shape
        zeros = np.zeros(num_actions)
        items = {name: zeros for name in ("price", "price_ratio", "seconds")}
        return Problem(
            env_id="toy",
            num_items=num_actions,
            num_users=1,
            slate_size=1,
            horizon=self.horizon,
            event_names=("click",),
            items={**items, "category": zeros.astype(int), "page": zeros.astype(int)},
            observation_space=spaces.Discrete(num_states),
            reward_range=(0.0, 1.0),
            reward_weights={"click": 1.0},
        )

    def _start(self, rows):
        self.state[rows] = self.rng.integers(len(self.pay), size=rows.sum()) if self.move is None else 0
        self.step_number[rows] = 0

    def reset(self, seed=None, options=None):
        self.rng = np.random.default_rng(seed)
        self.state, self.step_number = np.zeros(self.num_envs, int), np.zeros(self.num_envs, int)
        self.over = np.zeros(self.num_envs, bool)
        self._start(~self.over)
        return self.state.copy(), {}

    def step(self, action):
        live, at = ~self.over, (self.state, action)
        reward = np.where(live, self.pay[at], 0.0)
        terminated = live & self.ends[at]
        moved = self.rng.integers(len(self.pay), size=self.num_envs) if self.move is None else self.move[at]
        self.state = np.where(live, moved, self.state)
        self.step_number += live
        truncated = live & (self.step_number >= self.horizon)
        self._start(self.over)
        self.over = terminated | truncated
        return self.state.copy(), reward, terminated, truncated, {}


def one(state, action, reward, after, terminated=False, truncated=False):
    arrays = (np.array([v]) for v in (state, action, float(reward), after, terminated, truncated))
    return Transition(*arrays)


def bandit_problem(num_items, slate_size=1, reward_range=(0.0, 1.0)):
    env = Toy(1, None, np.zeros((1, num_items)), np.zeros((1, num_items), bool), horizon=5)
    problem = env.problem()
    changes = {"slate_size": slate_size, "reward_range": reward_range}
    return Problem(**{**vars(problem), **changes})


def pulls(arms, rewards):
    count = len(arms)
    nothing, never = np.zeros(count), np.zeros(count, bool)
    return Transition(nothing, np.array(arms), np.array(rewards, float), nothing, never, never)


def score(agent, world, num=300):
    kwargs = {"world": world, "observation": agent.observation, "horizon": 20}
    env = gymnasium.make_vec("recgym/Social-v2", num_envs=num, **kwargs)
    agent.bind(env)
    observation, _ = env.reset(seed=77)
    total, live = np.zeros(num), np.ones(num, bool)
    while live.any():
        observation, reward, terminated, truncated, _ = env.step(agent.act(observation))
        total += np.where(live, reward, 0.0)
        live &= ~(terminated | truncated)
    return total.mean()


def sklearn_ridge(x, y, ridge, weight=1.0):
    return Ridge(alpha=ridge, fit_intercept=False, solver="cholesky").fit(x, y, np.full(len(y), weight)).coef_
