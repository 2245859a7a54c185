"""The command export: what each source takes, and errors of one line."""

import sys

import gymnasium as gym
import numpy as np
import pytest
from refusals import refused

from recgym.bench import minari_export
from recgym.bench.played_sessions import replay
from recgym.logs import sample_log

SHOP = "recgym/Ecommerce-v1"


@pytest.fixture
def log(world, tmp_path):
    sample_log(gym.make(SHOP, world=world), "random", 4, seed=2).write(tmp_path / "log")
    return tmp_path / "log"


def test_a_log_and_an_environment_are_played_and_named(run, world, log, monkeypatch):
    seen = []

    def written(played, name):
        seen.append((name, played.policy, len(played.seeds)))
        return minari_export.Exported(name, 9, np.array([len(each.actions) for each in replay(played)]))

    monkeypatch.setattr(minari_export, "write_minari", written)
    world = "--env-args", f'{{"world": "{world}"}}'
    code, _, err = run("export", "minari", log, "--env", SHOP, "--seed", 2, *world)
    assert code == 0
    assert err.startswith("wrote recgym/ecommerce-v1/log-v0: 4 episodes, 9 steps, mean return ")
    code, _, _ = run(
        "export", "minari", SHOP, "--policy", "random", "--sessions", 3, "--name", "a/b-v1", *world
    )
    assert code == 0
    assert seen == [("recgym/ecommerce-v1/log-v0", "log", 4), ("a/b-v1", "random", 3)]


def test_wrong_arguments_are_one_line(run, world, log, tmp_path, monkeypatch):
    own = "--env", SHOP, "--env-args", f'{{"world": "{world}"}}'
    refused(run("export", "csv", SHOP), "the format is 'csv', expected minari")
    refused(run("export", "minari", log), "--env names the environment that it was sampled from")
    refused(run("export", "minari", log, *own, "--policy", "random"), "--policy is not for a log")
    refused(run("export", "minari", log, "--env", SHOP), f"{log}: it was not sampled from {SHOP}")
    refused(run("export", "minari", SHOP, "--env", SHOP), "--env is not for an environment")
    refused(run("export", "minari", tmp_path / "none"), "none")
    refused(run("export", "minari", tmp_path), str(tmp_path))
    refused(run("export", "minari", SHOP, "--policy", "best"), "policy is 'best'")
    refused(run("export", "minari", SHOP, "--env-args", '{"horizon": 0}'), "--env-args", "horizon")
    for name in ("minari", "h5py"):
        monkeypatch.setitem(sys.modules, name, None)
    refused(run("export", "minari", log, *own, "--seed", 2), "this needs h5py: pip install 'recgym[minari]'")
