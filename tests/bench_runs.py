"""A small preset for tests of the benchmark, and the folders of its runs."""

from recgym.bench.experiment import Experiment, Preset

AGENTS = ("random", "popularity", "oracle", "oracle-plan", "ucb1")


def small(worlds, **changes):
    rows = tuple(
        Experiment(
            name=domain,
            env_id=f"recgym/{domain.capitalize()}-v0",
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
