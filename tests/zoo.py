"""Agents of the zoo with small settings, and tasks for them."""

import gymnasium

from agents import AGENTS, Problem, agent_class, make_agent
from recgym.logs.sample import sample_log
from recgym.sim.synthetic import synthetic

WORLDS = {domain: synthetic(domain=domain, num_items=30) for domain in ("ecommerce", "content", "social")}


TASKS = {"recgym/Ecommerce-v1": "ecommerce", "recgym/ContentSlate-v1": "content"}


LIGHT = {  # parameters that make an agent quick, for tests
    "sb3-dqn": {"learning_starts": 100, "width": 16},
    "sb3-qrdqn": {"learning_starts": 100, "width": 16, "quantiles": 5},
    "sb3-ppo": {"width": 16, "rollout": 200, "epochs": 2},
    "sb3-maskable-ppo": {"width": 16, "rollout": 200, "epochs": 2},
    "dcf-dqn": {"width": 8, "hidden": 16, "epochs": 1, "warmup": 100, "batch_size": 32},
    "deep-cf": {"width": 8, "hidden": 16, "epochs": 1},
    "gru4rec": {"width": 8, "epochs": 1},
    "sasrec": {"width": 8, "epochs": 1},
    "neural-linear": {"width": 4, "hidden": 8, "epochs": 1, "refresh": 200, "updates": 5},
    "slateq": {"width": 8, "hidden": 16, "epochs": 1, "warmup": 100, "batch_size": 32},
    "genrec": {
        "width": 8,
        "layers": 1,
        "pretrain_epochs": 1,
        "epochs": 1,
        "rollout": 200,
        "online_batch": 64,
        "epsilon": 0.7,
        "look_ahead": True,
    },
    "decision-transformer": {"width": 8, "layers": 1, "epochs": 1},
    "oracle-plan": {"simulations": 4},
}


PRIVILEGED = ("logged", "oracle", "oracle-plan")


CASES = [(row.name, task) for row in AGENTS for task in TASKS]


def make_env(task: str, name: str, num_envs: int = 16, **kwargs):
    return gymnasium.make_vec(
        task,
        num_envs=num_envs,
        world=WORLDS[TASKS[task]],
        observation=agent_class(name).requirements({}, 6 if "Slate" in task else 1)[0],
        **kwargs,
    )


def log_for(task: str):
    return sample_log(WORLDS[TASKS[task]], "logged", 60, 3, slate_size=2 if "Slate" in task else 1)


def trained(name: str, task: str, seed: int = 4, budget: int = 600):
    """An agent after both stages, the environment it acts in, and its reports."""
    env = make_env(task, name)
    agent = make_agent(name, Problem.of(env), seed, **LIGHT.get(name, {}))
    agent.bind(env)
    reports = []
    agent.prepare(log_for(task), seed)
    agent.train(env, budget, seed, lambda steps, figures: reports.append((steps, figures)))
    return agent, env, reports


def rows_of(observation, rows):
    if isinstance(observation, dict):
        return {key: value[rows] for key, value in observation.items()}
    return observation[rows]
