"""Judged runs with normal returns, as if agents had been judged."""

import numpy as np

from recgym.bench.judged_runs import JudgedRun

MEANS = {"random": 1.0, "oracle-plan": 3.0, "dcf-dqn": 2.4, "ucb1": 1.5, "linucb": 2.4}


def run(experiment, agent, seed, mean):
    rng = np.random.default_rng([seed, *agent.replace("linucb", "dcf-dqn").encode(), *experiment.encode()])
    if agent == "linucb":  # the returns of dcf-dqn, a little more in one seed and less in the next
        mean += 0.01 * (-1) ** seed
    record = {
        "run_id": f"{experiment}-{agent}-{seed:03d}-abcdef12",
        "experiment": experiment,
        "env": {"id": f"recgym/{experiment}-v0", "kwargs": {}, "world": "w", "world_sha256": "w"},
        "agent": {"name": agent, "params": {}},
        "budget": {"env_steps": 100},
        "seed": {"run": seed},
        "timing": {"prepare_s": 0.0, "train_s": 1.0},
    }
    facts = {"planning": None, "reward_is_assumed": 0}
    return JudgedRun(record, 7 * seed, mean + rng.normal(0, 0.2, 50), 5.0, 0.5, 0.5, 0.5, facts)


def runs(experiments=("content", "social"), seeds=10, means=MEANS):
    return [
        run(experiment, agent, seed, mean + 0.02 * seed)
        for experiment in experiments
        for agent, mean in means.items()
        for seed in range(seeds)
    ]
