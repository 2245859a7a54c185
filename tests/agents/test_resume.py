"""A run that is killed and resumed equals an uninterrupted one: state of the environment and of every learner."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from zoo import LIGHT

from agents import AGENTS, agent_class
from agents.base import BaseAgent
from agents.torch_utils import moments_of, weights_of
from recgym.bench.checkpoint import FOLDER
from recgym.bench.experiment import Experiment
from recgym.bench.trainer import TrainingPlan, train
from recgym.cli.training import resume_message
from recgym.sim.synthetic import synthetic
from recgym.storage import Stored, locked

LEARNERS = [row.name for row in AGENTS if agent_class(row.name).learn is not BaseAgent.learn]


SB3 = ["sb3-dqn", "sb3-ppo"]  # their loop is not ours: they go on from their weights


def plan_of(name, world, steps=2_000):
    experiment = Experiment(
        name="train",
        env_id="recgym/Ecommerce-v1",
        kwargs={"world": world, "horizon": 8},
        env_steps=steps,
        offline_sessions=60,
        eval_sessions=20,
    )
    return TrainingPlan(
        agent=name, params=LIGHT.get(name, {}), seed=3, device="cpu", every=steps // 5
    ), experiment


def train_and_die(name, world, out):
    """Train in a process of its own that is killed in the middle; its exit."""
    child = os.fork()
    if child == 0:

        def die(stage, steps, figures):
            if stage == "train" and steps > 1_200:
                os.kill(os.getpid(), signal.SIGKILL)

        train(*plan_of(name, world), out, listeners=(die,))
        os._exit(0)
    return os.waitpid(child, 0)[1]


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """What killed runs of every learner and of SB3's agents left, and the world's folder."""
    folder = tmp_path_factory.mktemp("killed")
    synthetic(num_items=12).save(folder / "world")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}  # the child imports helpers of tests/
    done = subprocess.run(
        [sys.executable, __file__, str(folder)], capture_output=True, text=True, check=True, env=env
    )
    assert json.loads(done.stdout) == {name: signal.SIGKILL for name in LEARNERS + SB3}, done.stderr
    return folder


def curve_of(folder):
    """Stage, steps, figure, value: all but the seconds."""
    return [(row[0], row[1], row[3], row[4]) for row in json.loads((folder / "curve.json").read_text())]


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.slow
def test_killed_and_resumed_equals_uninterrupted(name, killed, tmp_path):
    world, out = str(killed / "world"), killed / name
    left = [folder.name for folder in (out / FOLDER).iterdir() if folder.name.isdecimal()]
    assert len(left) == 1
    assert 400 <= int(left[0]) <= 1_500  # in the middle, before the kill
    assert not (out / "training.json").exists()
    resumed = train(*plan_of(name, world), out, resume=True)
    whole = train(*plan_of(name, world), tmp_path / "whole")
    assert resumed["final"] == whole["final"]
    assert resumed["budget"] == whole["budget"]
    assert curve_of(out) == curve_of(tmp_path / "whole")
    assert len({steps for _, steps, _, _ in curve_of(out)}) > 4
    first, second = load_file(out / "agent.safetensors"), load_file(tmp_path / "whole" / "agent.safetensors")
    assert first.keys() == second.keys()
    for key, value in second.items():
        np.testing.assert_array_equal(first[key], value, err_msg=key)
    assert (out / "agent.json").read_text() == (tmp_path / "whole" / "agent.json").read_text()
    assert not (out / FOLDER).exists()
    assert train(*plan_of(name, world), out, resume=True) == resumed  # it ended: nothing is left to do


@pytest.mark.parametrize("name", SB3)
@pytest.mark.slow
def test_a_killed_agent_of_sb3_goes_on_from_its_weights(name, killed, monkeypatch):
    world, out, begun, stages = str(killed / "world"), killed / name, [], []
    (left,) = [folder for folder in (out / FOLDER).iterdir() if folder.name.isdecimal()]
    steps = int(left.name)
    assert 400 <= steps <= 1_500
    files = [file for file in left.rglob("*") if file.is_file()]
    assert {file.suffix for file in files} == {".json", ".safetensors", ""}  # SHA256SUMS
    kept, moments = load_file(left / "agent" / "agent.safetensors"), load_file(left / "state.safetensors")
    learn = agent_class(name).algorithm.learn

    def watch(model, total, *args, **kwargs):
        begun.append((model.num_timesteps, weights_of(model.policy), moments_of(model.policy.optimizer)))
        return learn(model, total, *args, **kwargs)

    monkeypatch.setattr(agent_class(name).algorithm, "learn", watch)
    resumed = train(*plan_of(name, world), out, resume=True, listeners=(lambda *each: stages.append(each),))
    ((at, weights, momentum),) = begun
    assert at == steps
    assert stages[0] == ("resumed", steps, {})
    assert weights.keys() == kept.keys()
    for key, value in kept.items():
        np.testing.assert_array_equal(weights[key], value, err_msg=key)
    assert len(momentum) > 4
    for key, value in momentum.items():
        np.testing.assert_array_equal(moments[f"agent/{key}"], value, err_msg=key)
    curve = [row[1] for row in curve_of(out)]
    assert curve == sorted(curve)
    assert curve[0] < steps < curve[-1]
    assert 2_000 <= curve[-1] < 2_300
    assert resumed["final"]["return"]["n"] == 20
    assert not (out / FOLDER).exists()
    final = load_file(out / "agent.safetensors")
    assert any((final[key] != value).any() for key, value in kept.items())


def test_a_message_says_how_a_training_resumes():
    assert resume_message("resumed", "ucb1", 1_200) == (
        "ucb1 resumes after 1,200 environment steps, with the result of an uninterrupted training (to the bit on the "
        "CPU with one thread)"
    )
    assert "weights alone: replay, random numbers and sessions start anew" in resume_message(
        "resumed", "sb3-dqn", 1_200
    )


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    synthetic(num_items=12).save(tmp_path / "world")
    world = str(tmp_path / "world")

    def stop(stage, steps, figures):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(*plan_of("ucb1", world), tmp_path / "run", listeners=(stop,))
    with pytest.raises(
        ValueError, match="run: holds a stopped training with --steps 2000, not 1500; give the same,"
    ):
        train(*plan_of("ucb1", world, 1_500), tmp_path / "run", resume=True)
    with pytest.raises(ValueError, match=r"holds a stopped training with agent .*'ucb1'.*, not .*'thompson'"):
        train(*plan_of("thompson", world), tmp_path / "run", resume=True)


def entries(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_stopped_training_can_be_started_again(tmp_path):
    synthetic(num_items=12).save(tmp_path / "world")
    (tmp_path / "runs").mkdir()
    world, out, stages = str(tmp_path / "world"), tmp_path / "runs" / "shop", []

    def stop(stage, steps, figures):
        stages.append(stage)
        if stage == "train" and steps > 900:
            raise KeyboardInterrupt

    with pytest.raises(ValueError, match="agent 'nobody' is unknown"):
        train(*plan_of("nobody", world), out)
    assert entries(tmp_path / "runs") == []
    out.mkdir()  # empty, as earlier versions left it
    with pytest.raises(KeyboardInterrupt):
        train(*plan_of("ucb1", world), out, listeners=(stop,))
    assert (entries(tmp_path / "runs"), entries(out)) == (["shop"], ["checkpoint"])
    with pytest.raises(
        ValueError, match="shop: holds a stopped training with --steps 2000, not 1500; give the same,"
    ):
        train(*plan_of("ucb1", world, 1_500), out)
    resumed = train(*plan_of("ucb1", world), out, listeners=(lambda stage, *_: stages.append(stage),))
    assert stages.count("resumed") == 1
    whole = train(*plan_of("ucb1", world), tmp_path / "whole")
    assert resumed["final"] == whole["final"]
    assert entries(tmp_path / "runs") == ["shop"]


def test_a_trained_agent_stays_until_the_new_one_is_whole(tmp_path):
    synthetic(num_items=12).save(tmp_path / "world")
    world, out = str(tmp_path / "world"), tmp_path / "shop"
    first = train(*plan_of("ucb1", world), out)
    with pytest.raises(ValueError, match=r"holds a trained agent; name another folder \(--from .*--replace"):
        train(*plan_of("thompson", world), out)

    def stop(stage, steps, figures):
        if steps > 900:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(*plan_of("thompson", world), out, replace=True, listeners=(stop,))
    assert json.loads((out / "training.json").read_text())["agent"] == first["agent"]
    Stored(out, "saved agent").read("agent.safetensors")
    second = train(*plan_of("thompson", world), out)  # begun with --replace, it goes on without
    assert second["final"] == train(*plan_of("thompson", world), tmp_path / "whole")["final"]
    assert entries(out) == ["SHA256SUMS", "agent.json", "agent.safetensors", "curve.json", "training.json"]
    with locked(out, ""), pytest.raises(ValueError, match="another training is writing there"):
        train(*plan_of("ucb1", world), out, replace=True)


if __name__ == "__main__":
    place = Path(sys.argv[1])
    train(*plan_of("dcf-dqn", str(place / "world"), 400), place / "first")  # forks share what it loads
    print(
        json.dumps({name: train_and_die(name, str(place / "world"), place / name) for name in LEARNERS + SB3})
    )
