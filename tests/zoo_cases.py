"""Every agent with small settings, and environments that it reads."""

from zoo import LIGHT

from agents import AGENTS, Problem, agent_class, make_agent
from recgym.rollout.play import make_vector
from recgym.sim.synthetic import synthetic

ENV, SLATE = "recgym/Ecommerce-v1", "recgym/EcommerceSlate-v1"


WORLD = synthetic(3, num_items=30, num_users=40)


NAMES = [row.name for row in AGENTS]


SETTINGS = {name: LIGHT.get(name, {}) for name in NAMES}


LEARNT = {"sb3-dqn", "sb3-qrdqn", "sb3-ppo", "sb3-maskable-ppo"}  # from a log with state="deep-cf"


CASES = [(name, SETTINGS[name]) for name in NAMES] + [
    (name, {"state": "deep-cf", "width": 8}) for name in sorted(LEARNT)
]


OBSERVATIONS = ("features", "history", "tabular", "features+history")


def env_for(name, params, num=4, task=ENV, **kwargs):
    kind = agent_class(name)
    observation = kind.requirements(params, 6 if task == SLATE else 1)[0]
    return make_vector(task, num, **{"world": WORLD, "observation": observation, **kwargs})


def made(name, params, **kwargs):
    env = env_for(name, params, **kwargs)
    return make_agent(name, Problem.of(env), 0, **params), env


def one_line(error):
    return "\n" not in str(error.value)
