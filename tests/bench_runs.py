"""A small preset for tests of the benchmark, and the folders of its runs."""

from recgym.bench.experiment import Experiment, Preset
from recgym.envs import ENVIRONMENTS


def env_of(domain):
    """The environment of a domain that shows one item."""
    return next(row.id for row in ENVIRONMENTS if (row.domain, row.slate_size) == (domain, 1))


AGENTS = ("random", "popularity", "oracle", "oracle-plan", "ucb1")


def small(worlds, **changes):
    rows = tuple(
        Experiment(
            name=domain,
            env_id=env_of(domain),
            kwargs={"world": str(folder)},
            env_steps=600,
            offline_sessions=60,
            eval_sessions=40,
        )
        for domain, folder in worlds.items()
    )
    plan = {"oracle-plan": {"simulations": 3}}
    settings = {"experiments": rows, "seeds": 2, "agents": AGENTS, "params": plan} | changes
    return Preset(name="quick", about="", **settings)


def folders(out):
    return sorted(path.parent for path in out.glob("*/run.json"))
