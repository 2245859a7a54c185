"""Random damage to stored worlds, agents, checkpoints, results and searches; each is read in its own process.

`python tests/damage.py --count 300 --seed 0` prints for each kind the number that were read unchanged, refused in one
line, and read with other numbers (in range, with new checksums), and lists the failures: signals, tracebacks, other
numbers under the old checksums, and more than a second or 500 MB beyond the import.
"""

import argparse
import contextlib
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import traceback
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before torch: a fork of a process with OpenMP threads hangs

import gymnasium
import numpy as np
from harms import harm

from agents import Problem, agent_class
from recgym.bench.experiment import Experiment, Preset
from recgym.bench.launch import launch
from recgym.bench.report import write_report
from recgym.bench.search_spaces import space_of
from recgym.bench.trainer import TrainingPlan, train
from recgym.bench.tuning import SearchPlan, tune
from recgym.envs.world_lookup import load_world
from recgym.fidelity.card import card_markdown
from recgym.sim.posterior import Posterior
from recgym.sim.synthetic import synthetic
from recgym.sim.world import World

AGENTS = ("ucb1", "item-knn", "neural-linear", "dcf-dqn")
TRAINED = ("sarsa", "neural-linear", "dcf-dqn")
LIGHT = {
    "dcf-dqn": {"epochs": 1, "width": 8, "hidden": 8, "warmup": 100, "replay": 500, "batch_size": 32},
    "neural-linear": {"width": 8, "memory": 500},
}
SECONDS, MEGABYTES = 1.0, 500


def digest(*parts):
    found = hashlib.sha256()
    for part in parts:
        found.update(part if isinstance(part, bytes) else repr(part).encode())
    return found.hexdigest()


def plan_of(name, world):
    experiment = Experiment(
        name="train",
        env_id="recgym/Ecommerce-v1",
        kwargs={"world": str(world), "horizon": 8},
        env_steps=700,
        offline_sessions=40,
        eval_sessions=4,
    )
    return TrainingPlan(agent=name, params=LIGHT.get(name, {}), seed=3, device="cpu", every=300), experiment


def problem_of(name, world):
    needs = agent_class(name).requirements(LIGHT.get(name, {}))[0]
    return Problem.of(
        gymnasium.make_vec("recgym/Ecommerce-v1", num_envs=4, world=str(world), observation=needs)
    )


# what is stored, and how it is read: a digest of all that was read and of what it does


def read_world(folder, root):
    world = load_world(folder)
    env = gymnasium.make_vec("recgym/Ecommerce-v1", num_envs=4, world=world)
    env.reset(seed=1)
    rewards = [env.step(np.full(4, i % world.num_items))[1].tolist() for i in range(12)]
    return digest(world.sha256, json.dumps(world.card), rewards, card_markdown(world))


def read_agent(folder, root):
    name = folder.name.partition("+")[0]
    problem = problem_of(name, root / "world")
    agent = agent_class(name).load(folder, problem)
    rng = np.random.default_rng(0)
    spaces = [problem.observation_space for _ in range(4)]
    for i, space in enumerate(spaces):
        space.seed(i)
    seen = [space.sample() for space in spaces]
    batch = {key: np.stack([each[key] for each in seen]) for key in seen[0]}
    batch["shown"] = rng.integers(problem.num_items, size=batch["shown"].shape).astype(np.int32)
    actions = [agent.act(batch, explore=explore).tolist() for explore in (False, True)]
    return digest(actions, *(value.tobytes() for _, value in sorted(agent.state().items())))


def read_checkpoint(folder, root):
    name = folder.name.partition("+")[0]
    about = train(*plan_of(name, root / "world"), folder, resume=True)
    return digest(about["final"], (folder / "agent.safetensors").read_bytes())


def read_results(folder, root):
    with contextlib.suppress(FileNotFoundError):
        (folder / "README.md").unlink()
    write_report(folder)
    return digest((folder / "README.md").read_bytes())


def search_plan(root):
    experiment = plan_of("ucb1", root / "world")[1]
    return SearchPlan(agent="ucb1", experiment=experiment, space=space_of("ucb1"), trials=3, seeds=1)


def read_search(folder, root):
    summary = tune(search_plan(root), folder)
    return digest(json.dumps([summary[key] for key in ("trials", "best_params")]))


def world_of_all_arrays():
    """A world with pages in an order, and with a posterior of its users."""
    world = synthetic(3, num_items=12, num_users=20, num_categories=3)
    page = np.arange(12) // 4
    chain = np.random.default_rng(0).dirichlet(np.ones(3), 4)
    world = world.with_arrays(
        category=page, page=page * 0, page_items=[2], page_chain=chain / chain.sum(1, keepdims=True)
    )
    spreads = {name: np.full(getattr(world.arrays, name).shape, 0.25) for name in Posterior._fields}
    about = {name: getattr(world, name) for name in ("categories", "contexts", "user_feature_names")}
    world = World.build(world.name, world.domain, world.arrays._asdict(), **about, user_features=world.user_features,
                        posterior=spreads)  # fmt: skip
    return world.with_card(terms=[], notes=["made up"])


class Stop(Exception):
    """Raised in the middle of a training."""


def make(root, kinds):
    """Undamaged folders of each kind, and the function that reads them."""
    world = world_of_all_arrays()
    world.save(root / "world")
    for name in AGENTS:
        env = gymnasium.make_vec(
            "recgym/Ecommerce-v1", num_envs=4, world=str(root / "world"), observation="history"
        )
        agent = agent_class(name)(problem_of(name, root / "world"), **LIGHT.get(name, {}))
        if name == "item-knn":
            from recgym.logs.sample import sample_log

            agent.prepare(sample_log(world, sessions=40, seed=1), 1)
        else:
            agent.train(env, 300, 1)
        agent.save(root / name)

    def stop(stage, steps, figures):
        if stage == "train" and steps > 500:
            raise Stop

    for name in TRAINED:
        with contextlib.suppress(Stop):
            train(*plan_of(name, root / "world"), root / "checkpoints" / name, listeners=(stop,))
    if "results" in kinds:
        _, row = plan_of("random", root / "world")
        launch(Preset(name="quick", about="", experiments=(row,), seeds=1, agents=("random", "ucb1", "oracle")),
               root / "results" / "quick", workers=1)  # fmt: skip
    if "search" in kinds:
        tune(search_plan(root), root / "search")
    return {
        "world": ([root / "world"], read_world),
        "agent": ([root / name for name in AGENTS], read_agent),
        "checkpoint": ([root / "checkpoints" / name for name in TRAINED], read_checkpoint),
        "results": ([root / "results"], read_results),
        "search": ([root / "search"], read_search),
    }


def outcome_of(read, folder, root, expected):
    """Result of reading in its own process, with CPU seconds and megabytes beyond this process."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ours)
        signal.alarm(60)
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
            os.dup2(nowhere.fileno(), 2)
        try:
            word = "same" if read(folder, root) == expected else "other"
        except (ValueError, OSError) as error:
            word = "refused " + str(error) if "\n" not in str(error) else "lines " + str(error)
        except BaseException:
            word = "traceback " + traceback.format_exc()
        os.write(theirs, word.encode()[:4000])
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours, "rb") as pipe:
        word = pipe.read().decode(errors="replace")
    _, status, usage = os.wait4(child, 0)
    here = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if os.WIFSIGNALED(status):
        word = f"signal {os.WTERMSIG(status)}"
    return word, usage.ru_utime + usage.ru_stime, (usage.ru_maxrss - here) / 1024


def run(count, seed, kinds):
    """Counts by kind, and the failures."""
    table, bad = {}, []
    with tempfile.TemporaryDirectory() as place:
        root = Path(place).resolve()
        whole = make(root, kinds)
        for kind in kinds:
            folders, read = whole[kind]
            scratch = root / "scratch" / kind
            scratch.mkdir(parents=True)
            expected = {}
            for folder in folders:  # warm: compiled here, once
                copy = shutil.copytree(folder, scratch / (folder.name + "+whole"))
                expected[folder] = read(copy, root)
            counts = dict.fromkeys(("same", "refused", "other in range"), 0)
            for number in range(count):
                rng = random.Random(f"{seed} {kind} {number}")
                folder = rng.choice(folders)
                copy = shutil.copytree(folder, scratch / f"{folder.name}+{number}")
                how, is_deep = harm(rng, copy)
                word, seconds, megabytes = outcome_of(read, copy, root, expected[folder])
                shutil.rmtree(copy)
                first = word.split(" ", 1)[0]
                if first == "other" and is_deep:
                    first = "other in range"
                counts[first] = counts.get(first, 0) + 1
                is_slow = first == "refused" and (seconds > SECONDS or megabytes > MEGABYTES)
                if first not in ("same", "refused", "other in range") or is_slow:
                    bad.append(f"{kind} {number} {folder.name} {how} {'deep' if is_deep else ''}: {word[-600:]} "
                               f"({seconds:.1f} s, {megabytes:.0f} MB)")  # fmt: skip
            table[kind] = counts
    return table, bad


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", default="world,agent,checkpoint,results,search")
    words = parser.parse_args()
    table, bad = run(words.count, words.seed, words.kinds.split(","))
    print(json.dumps({"counts": table, "bad": bad}, indent=1))
    sys.exit(bool(bad))
