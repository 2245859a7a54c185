"""The cycle of a platform: a trained agent is refitted on a new log, then trained online again."""

import json

import numpy as np
import pytest
from refusals import refused
from safetensors.numpy import load_file
from zoo import LIGHT

from agents import Problem, make_agent
from recgym.logs.log import Log
from recgym.logs.sample import sample_log
from recgym.rollout.play import make_vector
from recgym.sim.synthetic import synthetic

ENV = "recgym/Ecommerce-v1"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A world, a fresh log of it, one of another catalogue, one of another domain."""
    folder = tmp_path_factory.mktemp("refit")
    synthetic(4).save(folder / "world")
    sample_log(synthetic(4), "logged", 120, 7).write(folder / "fresh")
    sample_log(synthetic(4, num_items=60), "logged", 60, 7).write(folder / "bigger")
    sample_log(synthetic(4, domain="content"), "logged", 60, 7).write(folder / "content")
    return folder


@pytest.fixture
def train(run, place):
    """Run `recgym train` in the small world."""

    def call(agent, *arguments, steps=600):
        params = json.dumps(LIGHT.get(agent, {}))
        sizes = ("--world", place / "world", "--steps", steps, "--sessions", 20, "--offline", 60)
        return run("train", agent, ENV, *sizes, "--params", params, *arguments)

    return call


def beside_progress(err):
    """Lines of stderr but those on stages and steps, and on what to do next."""
    said = err.partition("next, in Python:\n")[0].splitlines()
    return [line for line in said if not line.startswith(("dcf-dqn: ", "ucb1: "))]


def weights(folder):
    return load_file(folder / "agent.safetensors")


def prepared(name, place, log):
    """The same agent, made in this process and prepared on the log only."""
    env = make_vector(ENV, 2, world=str(place / "world"), observation="history")
    agent = make_agent(name, Problem.of(env), 0, **LIGHT.get(name, {}))
    agent.prepare(log, 0)
    return agent


def test_a_deep_agent_goes_on_from_its_weights_and_counts(train, place, tmp_path):
    first, second, alone = (tmp_path / name for name in ("first", "second", "alone"))
    assert train("dcf-dqn", "--out", first)[0] == 0
    code, out, err = train("dcf-dqn", "--out", second, "--from", first, "--log", place / "fresh")
    assert (code, beside_progress(err)) == (0, [f"wrote {second}"])
    assert out.startswith("return: ")
    assert train("dcf-dqn", "--out", alone, "--log", place / "fresh")[0] == 0
    before, after, new = weights(first), weights(second), weights(alone)
    steps, updates, _ = after["counts"] - before["counts"]
    assert 600 <= steps < 600 + 128  # a vector step is not cut
    assert before["counts"][0] >= 600
    assert updates > 0
    embedding = "online.items.ids.weight"
    assert (after[embedding] != before[embedding]).any()
    assert (after[embedding] != new[embedding]).any()
    about = json.loads((second / "training.json").read_text())
    assert about["budget"] == {"env_steps": 600, "offline_rows": len(Log.read(place / "fresh"))}
    stages = [row[0] for row in json.loads((second / "curve.json").read_text())]
    assert stages[0] == "prepare"
    assert stages[-1] == "train"


def test_a_bandit_goes_on_counting(train, place, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    assert train("ucb1", "--out", first)[0] == 0
    assert train("ucb1", "--out", second, "--from", first)[0] == 0
    more = weights(second)["pulls"] - weights(first)["pulls"]
    assert weights(first)["pulls"].sum() >= 600
    assert more.min() >= 0
    assert 600 <= more.sum() < 600 + 256
    refused(
        train("ucb1", "--out", tmp_path / "third", "--from", first, "--log", place / "fresh"),
        f"--log {place / 'fresh'}: agent ucb1 has no offline stage",
    )


def test_neighbours_are_those_of_the_fresh_log(train, place, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    assert train("item-knn", "--out", first)[0] == 0
    assert train("item-knn", "--out", second, "--from", first, "--log", place / "fresh")[0] == 0
    old, new = weights(first), weights(second)
    mine = prepared("item-knn", place, Log.read(place / "fresh"))
    for name, value in mine.state().items():
        if name not in ("mix",):  # fitted to rows that the seed draws
            np.testing.assert_array_equal(new[name], value, err_msg=name)
    assert not np.array_equal(old["expected"], new["expected"])


def test_a_wrong_agent_or_log_is_one_line(train, run, place, tmp_path):
    first, out = tmp_path / "first", ("--out", tmp_path / "out")
    assert train("item-knn", "--out", first)[0] == 0
    nowhere = tmp_path / "nowhere"
    refused(train("item-knn", *out, "--from", nowhere), f"--from: {nowhere} holds no saved agent")
    refused(
        train("item-knn", *out, "--log", nowhere),
        f"--log: {nowhere}: there is no such file or folder",
    )
    refused(train("user-knn", *out, "--from", first), f"--from {first}: holds the agent 'item-knn'")
    refused(
        train("item-knn", *out, "--log", place / "content"),
        f"--log: {place / 'content'}: this log has the domain content, not 'ecommerce'",
    )
    refused(train("item-knn", *out, "--log", place / "bigger"), "item indices reach 59, this task has 30")
    other = ("train", "item-knn", ENV, "--steps", 50, "--sessions", 20)  # the shipped world's catalogue
    there = f"--from {first}: trained in {ENV}, world {place / 'world'}; here"
    advice = f"{ENV}, world ecommerce-2: say --world {place / 'world'}"
    refused(run(*other, *out, "--from", first), f"{there} {advice}")
    page = ("train", "item-knn", "recgym/EcommerceSlate-v1", "--world", place / "world")
    refused(run(*page, *out, "--from", first), f"{there} recgym/EcommerceSlate-v1, world {place / 'world'}\n")
    paid = ("--env-args", '{"reward": "revenue"}')
    refused(train("item-knn", *out, "--from", first, *paid), there, 'with {"reward": "revenue"}')
    (first / "training.json").unlink()  # as `agent.save` writes it
    synthetic(5).save(tmp_path / "alike")
    other = ("train", "item-knn", ENV, "--world", tmp_path / "alike", "--steps", 50, "--sessions", 20)
    refused(
        run(*other, *out, "--from", first),
        f"--from: the agent in {first} was made for another world than the env",
    )
    assert not (tmp_path / "out").exists()


def test_resuming_prints_what_is_done(train, tmp_path):
    out = tmp_path / "out"
    code, figures, err = train("ucb1", "--out", out, "--resume")
    assert code == 0
    assert beside_progress(err) == [f"{out}: there is no checkpoint; the training starts", f"wrote {out}"]
    code, again, err = train("ucb1", "--out", out, "--resume")
    assert (code, again) == (0, figures)
    ended = "the training of 600 environment steps had ended; nothing is left to do"
    assert err.splitlines() == [f"{out}: {ended}"]
    refused(train("ucb1", "--out", out, "--resume", steps=700), "ended after 600 environment steps, not 700")
