"""The argument `assume` of every environment: settings of the terms that the world's card calls assumed."""

import json

import gymnasium as gym
import numpy as np
import pytest
from env_helpers import same

from agents import load_agent, make_agent
from recgym.bench.env_args import tag_of
from recgym.bench.experiment import Entry, Experiment, Run
from recgym.bench.run import blank_record, job_of
from recgym.envs import ENVIRONMENTS, REGISTERED, row_of
from recgym.envs.world_lookup import world_of
from recgym.sim.assumptions import assumed_settings

SHOP = "recgym/Ecommerce-v1"
LOW = {"outside": "low"}


def vector(env_id, num_envs=8, **kwargs):
    return gym.make_vec(env_id, num_envs=num_envs, vectorization_mode="vector_entry_point", **kwargs)


@pytest.mark.filterwarnings("ignore:.*is out of date")
@pytest.mark.parametrize("row", REGISTERED, ids=lambda row: row.id)
def test_middle_settings_are_the_same_world_in_every_environment(row):
    middle = dict.fromkeys(assumed_settings(world_of(row)), "middle")
    assert middle
    plain, same_world = vector(row.id).unwrapped, vector(row.id, assume=middle).unwrapped
    assert plain.world_sha256 == same_world.world_sha256
    same(plain.reset(seed=3)[0], same_world.reset(seed=3)[0])
    for _ in range(5):
        action = plain.action_space.sample()
        for one, other in zip(plain.step(action)[:4], same_world.step(action)[:4], strict=True):
            same(one, other)


@pytest.mark.parametrize("row", ENVIRONMENTS, ids=lambda row: row.id)
def test_a_setting_changes_the_world_of_single_and_vector_alike(row):
    assume = {"leave_idle": "high"}
    single, batch, plain = gym.make(row.id, assume=assume), vector(row.id, 1, assume=assume), gym.make(row.id)
    assert single.unwrapped.world_sha256 == batch.unwrapped.world_sha256 != plain.unwrapped.world_sha256
    leave_idle = plain.unwrapped.privileged().world.params["leave_idle"]
    assert single.unwrapped.privileged().world.params["leave_idle"] == leave_idle + np.log(2)
    assert single.unwrapped.index_digest == plain.unwrapped.index_digest


def test_the_spec_carries_the_settings():
    env = gym.make(SHOP, assume={"outside": "low", "event:cart": 0.03})
    assert env.spec.kwargs["assume"] == {"outside": "low", "event:cart": 0.03}
    assert gym.make(env.spec).unwrapped.world_sha256 == env.unwrapped.world_sha256
    again = gym.envs.registration.EnvSpec.from_json(env.spec.to_json())
    assert gym.make(again).unwrapped.world_sha256 == env.unwrapped.world_sha256


def test_a_lower_outside_option_has_more_responses():
    def clicks(**kwargs):
        env = vector(SHOP, 64, **kwargs)
        env.reset(seed=1)
        return sum(env.step(np.arange(64))[1].sum() for _ in range(30))

    assert clicks(assume=LOW) > 1.3 * clicks() > 1.3 * 1.3 * clicks(assume={"outside": "high"})


def test_an_agent_of_another_setting_is_refused(tmp_path):
    make_agent("ucb1", gym.make(SHOP, assume=LOW)).save(tmp_path / "agent")
    load_agent(tmp_path / "agent", gym.make(SHOP, assume=LOW))
    for assume in (None, {"outside": "high"}):
        with pytest.raises(ValueError, match="world_sha256"):
            load_agent(tmp_path / "agent", gym.make(SHOP, assume=assume))


def test_a_run_of_another_setting_is_another_run(tmp_path):
    def job(**kwargs):
        experiment = Experiment(name="shop", env_id=SHOP, kwargs=kwargs)
        return job_of(Run(experiment=experiment, entry=Entry(agent="random"), run=0), tmp_path)

    plain, low, high = job(), job(assume=LOW), job(assume={"outside": "high"})
    assert len({each.run_id for each in (plain, low, high)}) == 3
    assert len({each.world_sha256 for each in (plain, low, high)}) == 3
    assert low.world_sha256 == world_of(row_of(SHOP), assume=LOW).sha256
    record = blank_record(low)
    assert json.loads(json.dumps(record))["env"]["kwargs"] == {"assume": LOW}
    assert tag_of({"assume": LOW}) == "assume.outside=low"
    assert tag_of({"assume": {"outside": 2.5}}) == "assume.outside=2.5"


@pytest.mark.parametrize(
    ("assume", "message"),
    [
        ("low", "assume is 'low', expected a dict"),
        (["outside"], "assume is .'outside'., expected a dict"),
        (
            {"kappa": "low"},
            "'kappa' is fitted in world ecommerce-2, assumed numbers there: patience, outside, ",
        ),
        ({"nothing": "low"}, "'nothing' is unknown in world ecommerce-2"),
        ({"outside": "lowest"}, "outside is 'lowest', expected low, middle, high or a number in "),
    ],
)
def test_wrong_settings_are_refused_by_single_vector_and_command_line(run, assume, message):
    for make in (gym.make, gym.make_vec, vector):
        with pytest.raises(ValueError, match=message):
            make(SHOP, assume=assume)
    code, out, err = run("train", "ucb1", SHOP, "--env-args", json.dumps({"assume": assume}))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("recgym: --env-args: recgym/Ecommerce-v1: assume")
