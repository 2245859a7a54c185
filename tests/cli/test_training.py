"""The command train."""

import contextlib
import io
import json
import re
import textwrap
from dataclasses import replace

import gymnasium
import numpy as np
import pytest
from refusals import refused

from agents import agent_class, make_agent
from agents.problem import Problem
from recgym.cli.agent_options import with_stage
from recgym.cli.training import _print_judged, _ProgressListener
from recgym.logs.sample import sample_log
from recgym.rollout.play import make_vector
from recgym.sim.synthetic import synthetic
from recgym.sim.world import World


def test_unknown_agents_and_wrong_worlds_are_one_line(run, world):
    refused(
        run("train", "nobody", "recgym/Ecommerce-v1", "--world", world), "agent 'nobody' is unknown", "ucb1"
    )
    refused(
        run("train", "ucb1", "recgym/Content-v1", "--world", world), "is of domain ecommerce", "needs content"
    )


def test_the_stage_is_a_parameter_of_agents_with_stages():
    assert with_stage("genrec", {"width": 8}, "sft") == {"width": 8, "stage": "sft"}
    assert with_stage("ucb1", {}, None) == {}


def test_a_stage_that_cannot_be_is_one_line(run, world):
    train = ("train", "genrec", "recgym/Ecommerce-v1", "--world", world, "--stage")
    refused(run(*train, "last"), "stage is 'last', allowed: 'pretrain', 'sft', 'rl'")
    refused(
        run(*train, "rl", "--params", '{"stage": "sft"}'), "--stage: the stage is given by --params as well"
    )
    refused(
        run("train", "ucb1", "recgym/Ecommerce-v1", "--stage", "rl"), "--stage rl: agent ucb1 has no stages"
    )


def test_train_saves_an_agent_that_loads(run, world, tmp_path, monkeypatch):
    folder = tmp_path / "agent"
    arguments = (
        "train",
        "ucb1",
        "recgym/Ecommerce-v1",
        "--world",
        world,
        "--steps",
        "2000",
        "--sessions",
        "40",
    )
    code, out, said = run(*arguments, "--out", folder, "--seed", "3")
    assert code == 0
    assert out.startswith("return: ")
    reported = [line for line in said.splitlines() if line.startswith("ucb1: ")]
    assert reported[-2:] == ["ucb1: train, 2,000 of 2,000 steps", "ucb1: judged"], "no terminal, no bar"
    assert len(reported) == len(set(reported)) <= 7
    head, _, python = said.partition(f"wrote {folder}\nnext, in Python:\n")
    assert head
    with contextlib.redirect_stdout(io.StringIO()) as drawn:
        exec(textwrap.dedent(python), {})  # as a user would paste it
    assert "step 1 of 50" in drawn.getvalue()
    assert "agent ucb1" in drawn.getvalue()
    monkeypatch.chdir(tmp_path)
    pictured = textwrap.dedent(python).replace('"ansi"', '"rgb_array"').replace("# import", "import")
    with contextlib.redirect_stdout(io.StringIO()):
        exec(pictured, {})
    assert (tmp_path / "session.png").read_bytes()[1:4] == b"PNG"
    about = json.loads((folder / "training.json").read_text())
    assert (about["agent"]["name"], about["budget"]["env_steps"]) == ("ucb1", 2000)
    rows = re.findall(
        r"^(random|ucb1|oracle) +([\d.]+)(?: +([+-][\d.]+) \[[+-][\d.]+, [+-][\d.]+\])? *$", out, re.M
    )
    assert [name for name, _, _ in rows] == ["random", "ucb1", "oracle"]
    returns = [float(value) for _, value, _ in rows]
    assert returns[1] == pytest.approx(about["final"]["return"]["mean"], abs=0.01)
    assert returns[0] < returns[2]
    assert [gain for _, _, gain in rows] == ["", *(f"{value - returns[0]:+.2f}" for value in returns[1:])]
    assert "(40 sessions)" in out
    kind = agent_class("ucb1")
    env = make_vector("recgym/Ecommerce-v1", 4, world=world, observation=kind.observation)
    agent = kind.load(folder, Problem.of(env))
    observation, _ = env.reset(seed=0)
    assert np.asarray(agent.act(observation)).shape == (4,)
    left = folder.with_name(f".{folder.name}.tmp-0123abcd")  # of a training that was killed as it ended
    left.mkdir()
    refused(run(*arguments, "--out", folder, "--seed", "3"), "holds a trained agent", "--from", "--replace")
    assert not left.exists()
    again = run(*arguments, "--out", folder, "--seed", "3", "--replace")
    assert again[:2] == (0, out)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes").write_text("kept")
    refused(run(*arguments, "--out", tmp_path / "other"), "--out", "holds no agent that `recgym train` wrote")


def test_a_log_of_responses_alone_is_remarked(run, world, tmp_path):
    log = sample_log(World.load(world), sessions=60, seed=1)
    responses = replace(log, rows=log.rows.filter(log.rows["click"]))
    words = ("train", "item-knn", "recgym/Ecommerce-v1", "--world", world, "--steps", 64, "--sessions", 10)
    for name, table, remarks in (
        ("whole", log, []),
        (
            "responses",
            responses,
            [
                "all rows are responses (click): the log does not say what was shown without one, "
                "so how often users respond is assumed"
            ],
        ),
    ):
        table.write(tmp_path / name)
        code, out, err = run(*words, "--log", tmp_path / name, "--out", tmp_path / f"{name} agent")
        assert (code, out.startswith("return: ")) == (0, True), err
        before = err[: err.index("wrote ")]
        said = [line for line in before.splitlines() if not line.startswith("item-knn: ")]
        assert said == [f"--log {tmp_path / name}: {line}" for line in remarks]


def test_figures_of_an_agent_end_with_what_they_rest_on(capsys, tmp_path):
    def said(env, **kwargs):
        _print_judged({"final": {}, "env": {"id": env, "kwargs": kwargs}})
        return capsys.readouterr().out.splitlines()

    assert said("recgym/Ecommerce-v1") == []
    paid = "The reward (revenue) pays for purchase, assumed in ecommerce-2, not fitted."
    assert said("recgym/Ecommerce-v1", reward="revenue") == [paid]
    unlike = "The card of content-2 says that its visits are unlike the log's: recgym card content-2"
    assert said("recgym/Content-v1") == [unlike]
    world = synthetic(4, domain="ecommerce")
    figure = {
        "id": "held_out_log_loss",
        "figure": "log-loss of leaving",
        "judges": "users",
        "world": 0.5,
        "toy": 0.4,
    }
    figure |= {"toy_name": "step number", "log": None, "low": None, "high": None, "noise": 0.0, "n": 9}
    place = world.with_card(figures=[figure]).save(tmp_path / "mine")
    loses = "it loses to a baseline in a held-out item over the catalogue"
    worse = f"The card of {world.name} says that {loses}: recgym card {place}"
    assert said("recgym/Ecommerce-v1", world=str(place)) == [worse]


def test_progress_ends_at_the_budget(capsys, tmp_path):
    """The last round of parallel sessions may go beyond it."""

    class Bar:
        disable = True

        def add_task(self, *of, **options):
            return 0

        def update(self, task, *, completed, description):
            self.completed = completed

    listener = _ProgressListener(Bar(), "ucb1", tmp_path, 100)
    listener("train", 240, {})
    assert capsys.readouterr().err == "ucb1: train, 100 of 100 steps\n"
    assert listener.bar.completed == 100


@pytest.mark.parametrize("command", ["train", "tune"])
def test_a_wrong_parameter_names_the_option_and_the_agent(run, command, tmp_path):
    words = command, "ucb1", "recgym/Ecommerce-v1", "--out", tmp_path / "x", "--params"
    refused(run(*words, '{"scale": -1}'), "recgym: --params: agent ucb1: scale is -1, expected")
    refused(run(*words, '{"alpha": 1}'), "recgym: --params: agent ucb1 has no parameter 'alpha'")


@pytest.mark.parametrize(
    ("agent", "options", "remarks"),
    [
        ("item-knn", ["--steps", 64], ["item-knn: has no online stage: --steps has no effect"]),
        ("item-knn", ["--offline", 60], []),
        ("ucb1", ["--steps", 64, "--offline", 60], ["ucb1: has no offline stage: --offline has no effect"]),
        (
            "friends",
            ["--offline", 60],
            ["friends: recgym/Ecommerce-v1 shows no friends: it acts as popularity does"],
        ),
    ],
)
def test_what_has_no_effect_is_said_in_one_line(run, world, tmp_path, agent, options, remarks):
    words = (
        "train",
        agent,
        "recgym/Ecommerce-v1",
        "--world",
        world,
        "--sessions",
        10,
        "--out",
        tmp_path / "agent",
    )
    code, _, err = run(*words, *options)
    assert code == 0, err
    assert [line for line in err.splitlines() if "no effect" in line or "no friends" in line] == remarks


def test_friends_are_seen_where_they_are_suggested():
    env = gymnasium.make("recgym/SocialFriends-v3")
    assert make_agent("friends", env).sees_friends
    assert not make_agent("friends", gymnasium.make("recgym/Content-v1")).sees_friends
