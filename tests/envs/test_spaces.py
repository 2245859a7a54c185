"""Observations: their columns, and that they hold no hidden variable."""

import gymnasium as gym
import numpy as np
import pytest
from env_helpers import IDS, flat, registered, world_for

from recgym.envs import OBSERVED, row_of
from recgym.envs.arguments import OBSERVATIONS, Arguments
from recgym.envs.spaces import feature_blocks
from recgym.rollout.play import make_vector


@pytest.mark.parametrize("env_id", IDS)
def test_a_key_of_observation_and_info_has_one_value(env_id):
    """TorchRL writes both into one table, by name."""
    env = gym.make(env_id, observation="features+history", action_mask=True)
    observation, info = env.reset(seed=0)
    for name in observation.keys() & info.keys():
        np.testing.assert_array_equal(observation[name], info[name])


@pytest.mark.parametrize("env_id", IDS)
def test_nothing_hidden_is_observed(env_id):
    """Two worlds with different hidden numbers and the same responses give the same observations."""
    base = world_for(env_id).with_params(leave_bias=-60.0, sigma=0.0, patience=0.0)
    base = base.with_params(outside=60.0, connect_bias=-60.0)
    other = base.with_arrays(factors=base.arrays.factors * 1.5, profile=base.arrays.profile[::-1])
    other = other.with_arrays(kin=other.arrays.kin[::-1])
    for observation in OBSERVATIONS:
        seen = []
        for world in (base, other):
            env = gym.make(env_id, world=world, observation=observation, disable_env_checker=True)
            seen.append(
                [env.reset(seed=1)[0]]
                + [env.step(np.zeros(env.action_space.shape, int))[0] for _ in range(3)]
            )
        for a, b in zip(*seen, strict=True):
            for name, value in flat(a).items():
                np.testing.assert_array_equal(value, flat(b)[name])


def test_feature_blocks_have_the_columns_that_they_declare():
    env = gym.make(IDS[0], world=world_for(IDS[0])).unwrapped
    engine = env.privileged()
    blocks = feature_blocks(engine)
    assert sum(blocks.values()) == env.observation_space.shape[0]
    env.reset(seed=2)
    observation, *_, info = env.step(4)
    clicked = info["click"]
    begins = dict(zip(blocks, np.cumsum([0, *blocks.values()]), strict=False))
    world, category = engine.world, engine.world.arrays.category[4]
    user = engine.sessions.user[0]
    np.testing.assert_array_equal(observation[:2], world.user_features[user])
    shown = observation[2 : 2 + len(world.categories)]
    assert shown[category] == pytest.approx(0.2)
    assert shown.sum() == pytest.approx(0.2)
    last = begins["category of the last item, one-hot"]
    assert observation[last + category] == 1
    assert observation[begins["events of the last slate"]] == info["click"]
    assert observation[begins["responses in a row in one category / 10"]] == pytest.approx(0.1 * clicked)
    assert observation[begins["step / horizon"]] == pytest.approx(1 / 50)


def test_tabular_formula():
    env = gym.make(IDS[0], world=world_for(IDS[0]).with_params(outside=-60.0), observation="tabular")
    assert env.reset(seed=0)[0] == 0
    state = env.step(3)[0]
    category = env.unwrapped.privileged().world.arrays.category[3]
    assert state == (((category + 1) * 4 + 0) * 4 + 1) * 5 + 1


SEES = {"observes": OBSERVED}
SEEING = (
    row_of("recgym/ContentSlate-v1")._replace(id="recgym/SeeingContent-v0", **SEES),
    row_of("recgym/Social-v2")._replace(id="recgym/SeeingSocial-v0", **SEES),
    row_of("recgym/SocialFriends-v3")._replace(id="recgym/SeeingFriends-v0", **SEES),
)


@pytest.fixture
def seeing():
    with registered(*SEEING):
        yield


@pytest.mark.usefixtures("seeing")
@pytest.mark.parametrize("row", SEEING, ids=lambda row: row.id)
@pytest.mark.parametrize("kind", OBSERVATIONS)
def test_added_observations_are_the_same_in_one_and_in_many(row, kind):
    world = world_for(row.id)
    vector = make_vector(row.id, 3, world=world, observation=kind)
    first, _ = vector.reset(seed=5)
    rng = np.random.default_rng(0)
    for number in range(3):
        env = gym.make(row.id, world=world, observation=kind)
        single, _ = env.reset(seed=5 + number)
        assert env.observation_space == vector.single_observation_space
        assert env.observation_space.contains(single)
        for name, value in flat(single).items():
            np.testing.assert_array_equal(value, flat(first)[name][number], err_msg=name)
    slates = rng.integers(0, 5, (4, 3, *vector.single_action_space.shape))
    threaded = make_vector(row.id, 3, world=world, observation=kind, threads=2)
    threaded.reset(seed=5)
    for slate in slates:
        one, other = vector.step(slate)[0], threaded.step(slate)[0]
        for name, value in flat(one).items():
            np.testing.assert_array_equal(value, flat(other)[name], err_msg=name)


@pytest.mark.usefixtures("seeing")
@pytest.mark.filterwarnings("ignore:.*is out of date")
def test_the_history_has_the_public_features_of_the_user():
    for kind in ("history", "features+history"):
        env = make_vector(SEEING[0].id, 50, observation=kind)
        observation, info = env.reset(seed=1)
        table = env.unwrapped.user_features
        np.testing.assert_array_equal(observation["user_features"], table[info["user"]])
        assert np.any(observation["user_features"] != 0)
        assert "friends" not in observation
        if kind == "features+history":
            width = table.shape[1]
            np.testing.assert_array_equal(observation["features"][:, :width], observation["user_features"])
    social = make_vector(SEEING[1].id, 2, observation="history")
    assert "user_features" not in social.single_observation_space.spaces  # its users have none
    plain = make_vector("recgym/ContentSlate-v0", 2, observation="history")
    assert set(plain.single_observation_space.spaces) == {"user", "shown", "events", "context"}


@pytest.mark.usefixtures("seeing")
def test_the_added_columns_are_declared_and_hide_nothing_else():
    for row in SEEING:
        env = gym.make(row.id).unwrapped
        assert sum(feature_blocks(env.privileged()).values()) == env.observation_space.shape[0]
        test_nothing_hidden_is_observed(row.id)


@pytest.mark.usefixtures("seeing")
def test_friends_are_observed_where_there_is_a_graph():
    env = gym.make(SEEING[1].id, observation="features+history").unwrapped
    observation, info = env.reset(seed=1)
    arrays = env.privileged().world.arrays
    user = info["user"]
    friends = arrays.friend[arrays.friend_start[user] : arrays.friend_start[user + 1]]
    count = np.array([(arrays.library[friends] == item).sum() for item in range(500)])
    np.testing.assert_allclose(observation["friends"], np.log1p(count) / np.log(151), atol=1e-6)
    blocks = feature_blocks(env.privileged())
    shares = np.bincount(arrays.category, count, len(env.privileged().world.categories)) / count.sum()
    np.testing.assert_allclose(observation["features"][-len(shares) - 1 : -1], shares, atol=1e-6)
    assert list(blocks.values())[-2:] == [len(shares), 1]
    best = int(np.argmax(count))
    after, *_ = env.step(best)
    assert after["features"][-1] == pytest.approx(np.log1p(count[best]) / np.log(151), abs=1e-6)
    alone = env.privileged().world.with_arrays(friend_start=np.zeros(1), friend=np.zeros(1))
    without = gym.make(SEEING[1].id, world=alone, observation="features+history").unwrapped
    assert "friends" not in without.observation_space.spaces
    friends_row = gym.make(SEEING[2].id, observation="history").unwrapped
    assert "friends" not in friends_row.observation_space.spaces  # candidates have features of their own


def test_a_row_observes_what_there_is_to_observe():
    row = {**SEEING[0]._asdict(), "observes": ["user_features"]}
    assert Arguments.parse({"row": row}).row.observes == ("user_features",)
    with pytest.raises(ValueError, match="row observes intent, allowed: user_features, friends, candidates"):
        Arguments.parse({"row": {**row, "observes": ("intent",)}})
