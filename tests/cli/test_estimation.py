"""The command ope."""

import json

import gymnasium as gym
import pytest
from refusals import refused

import recgym  # noqa: F401 - registers the environments
from recgym.cli.main import main
from recgym.logs import sample_log


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Folders of a trained agent and of a uniform log of its task."""
    folder = tmp_path_factory.mktemp("ope")
    arguments = ["--env-args", '{"n_items": 8}', "--steps", "500", "--sessions", "20"]
    with pytest.raises(SystemExit, match="0"):
        main(["train", "ucb1", "recgym/Ecommerce-v1", *arguments, "--out", str(folder / "agent")])
    env = gym.make("recgym/Ecommerce-v1", n_items=8)
    sample_log(env, "random", 400, seed=3).write(folder / "log")
    return folder


def test_estimates_are_a_table_with_reasons_and_strict_json(run, trained):
    arguments = "ope", trained / "log", "--policy", trained / "agent", "--epsilon", "1"
    code, out, _ = run(*arguments)
    assert code == 0
    for text in ("value per slate of ucb1", "SNIPS", "DR", "95% interval", "error of the reward model"):
        assert text in out
    code, out, _ = run(*arguments, "--json")
    assert code == 0
    about = json.loads(out, parse_constant=pytest.fail)
    estimates = about["estimates"]
    assert estimates["IPS"]["value"] == pytest.approx(estimates["logged"]["value"])
    assert estimates["IPS"]["is_reliable"]
    assert not estimates["DM"]["is_reliable"]


@pytest.mark.parametrize("level", ["0.5", "0.975", "0.999", "0.9999999"])
def test_the_head_of_the_interval_has_the_level_in_full(run, trained, level):
    where = trained / "log", "--policy", trained / "agent"
    code, out, _ = run("ope", *where, "--unit", "session", "--level", level)
    assert code == 0
    shown = {"0.5": "50%", "0.975": "97.5%", "0.999": "99.9%", "0.9999999": "99.99999%"}[level]
    assert f" {shown} interval" in out


def test_sessions_without_overlap_say_so(run, trained):
    code, out, _ = run("ope", trained / "log", "--policy", trained / "agent", "--unit", "session")
    assert code == 0
    assert "per-decision IS, self-normalised" in out
    assert "all estimators: poor overlap" in out


def test_wrong_arguments_are_one_line(run, trained, tmp_path):
    log, agent = trained / "log", ("--policy", trained / "agent")
    refused(run("ope", log, "--policy", tmp_path / "none"), "--policy", "holds no trained agent")
    refused(run("ope", tmp_path / "none.csv", *agent, "--fqe"), "--fqe needs --unit session")
    refused(run("ope", log, *agent, "--unit", "day"), "unit is 'day', allowed: 'slate', 'session'")
    refused(run("ope", log, *agent, "--level", "3"), "level is 3.0, expected a number between 0 and 1")
    refused(run("ope", log, *agent, "--epsilon", "2"), "epsilon")
    refused(run("ope", tmp_path / "none.csv", *agent), "none.csv")
    refused(run("ope", log, *agent, "--domain", "content"), "--domain is content, and the agent", "ecommerce")
    assert run("ope", log, *agent, "--domain", "ecommerce")[0] == 0
    events = tmp_path / "events.csv"
    events.write_text("user,item,time,click\nu,i,2020-01-01 10:00,1\nu,j,2020-01-01 10:01,0\n")
    refused(run("ope", events, *agent, "--map", "user=user,item=item,time=time,click=click"), "world")
