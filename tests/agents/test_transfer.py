"""A decoder takes over from another task what both share."""

import json

import numpy as np
import pytest
from refusals import refused
from zoo import LIGHT

from agents import Problem, make_agent
from agents.torch_utils import weights_of
from recgym.rollout.play import make_vector
from recgym.sim.synthetic import synthetic

SHOP = "recgym/Ecommerce-v1"
SMALL = {**LIGHT["genrec"], "stage": "sft"}


def agent_in(world, env=SHOP, seed=0, **params):
    vector = make_vector(env, 4, world=world, observation="history")
    return make_agent("genrec", Problem.of(vector), seed, **{**SMALL, **params})


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A saved agent of another shop, and its weights."""
    folder = tmp_path_factory.mktemp("transfer") / "a"
    agent = agent_in(synthetic(4), seed=3)
    for weight in agent.model.parameters():
        weight.data.add_(1.0)  # no weight is that of another agent by chance
    agent.is_learnt = True
    agent.save(folder)
    return folder, weights_of(agent.model)


def taken(agent, before):
    return {name for name, value in weights_of(agent.model).items() if (value != before[name]).any()}


def test_blocks_and_events_are_taken_and_items_and_users_begin_anew(shop):
    folder, theirs = shop
    agent = agent_in(synthetic(5, num_items=60))
    before = weights_of(agent.model)
    agent.take_over(folder)
    found = taken(agent, before)
    for name in found:
        np.testing.assert_array_equal(weights_of(agent.model)[name], theirs[name])
    blocks = {name for name in before if name.startswith("network.h.")}
    assert found >= blocks | {"network.wpe.weight", "context.weight", "events.weight", "event_head.bias"}
    assert not {name for name in found if name.startswith(("network.wte.", "code_bias", "users.weight"))}
    assert not agent.is_learnt  # IDs are made of the log of the new task


def test_events_of_another_domain_begin_anew(shop):
    agent = agent_in(synthetic(4, domain="content"), "recgym/Content-v1")
    before = weights_of(agent.model)
    agent.take_over(shop[0])
    found = taken(agent, before)
    assert "network.h.0.mlp.c_fc.weight" in found
    assert not {name for name in found if name.startswith("event")}


def test_a_decoder_of_another_width_is_refused(shop):
    with pytest.raises(ValueError, match=r"its decoder has another width or other layers"):
        agent_in(synthetic(5), width=16).take_over(shop[0])


def test_from_another_world_on_the_command_line(shop, run, tmp_path):
    synthetic(5, num_items=60).save(tmp_path / "world")
    sizes = ("--world", tmp_path / "world", "--steps", 50, "--sessions", 10, "--offline", 30)
    code, out, _ = run("train", "genrec", SHOP, *sizes, "--from", shop[0], "--out", tmp_path / "b")
    assert (code, out[:8]) == (0, "return: ")
    assert json.loads((tmp_path / "b" / "training.json").read_text())["settings"]["from"] == str(shop[0])
    wide = ("--params", json.dumps({"width": 16}))
    refused(
        run("train", "genrec", SHOP, *sizes, *wide, "--from", shop[0], "--out", tmp_path / "c"),
        f"--from: {shop[0]}",
        "its decoder has another width or other layers",
    )
