"""A version of an id is a promise: the digest of a fixed rollout of it never changes.

The digests hold integers and booleans alone: users, contexts, events, ends, tabular states. Where one changes, the id
needs a new `-vN` and a row of its own here, the earlier one goes to `EARLIER`; a digest in this table is never
replaced.
"""

import hashlib

import gymnasium
import numpy as np
import pytest

from recgym.envs import REGISTERED

NUM_ENVS, STEPS = 64, 60
DIGESTS = {
    "recgym/Ecommerce-v0": "d0c623b5c86e1c13713bf8915fb9f39ada19b718837380f74e71d73a0689eaa7",
    "recgym/EcommerceSlate-v0": "1baf9f3b9d05afa5e5425747392ad3196b9fafd5760a46af69a28e7c1b62dc3a",
    "recgym/Content-v0": "9187d70c2dad8f9475d02be25c902cb6d205833d49d6acb06ffee3767f224a6c",
    "recgym/ContentSlate-v0": "ba4b927f4b8b3e88b891d5b9533dbe54b77cfcc110c9fa524ff1691bce99faee",
    "recgym/Social-v0": "d9796d5e7aafb927069bb5661953eda3a1fc8428c8f76c7b095857de41a34111",
    "recgym/SocialFriends-v0": "f6e70d01e59dc2bd4e71bee0f2798b14d3ae51e0642f6da74dc9ac0de49e5985",
    "recgym/Social-v1": "9834fd2378ca047ad9cf9abbe9973bd610ff1f69a790c3fc3746094756a1a8b6",
    "recgym/SocialFriends-v1": "0f031e11ff9d7f14cefeff76d858706d4b9a17811c717422e66e311721688081",
    "recgym/Ecommerce-v1": "9fb2c5f63b90633d729b4c7d12a265db111729c35c1eb4fb50d4a05387d8f99b",
    "recgym/EcommerceSlate-v1": "6b445ac1a41c58636fe12adff681a92582d27ceca2c280b85750c2ff2efe2700",
    "recgym/EcommercePage-v1": "f9547feda3752631ff10644c3d8805cf389db3ce4a0c9f663e70e0a2ac0eeae0",
    "recgym/Content-v1": "5eec0cf9a5ab229cda8c924bbdbbef76e66f1b29c6ba1e2a98aca98173452108",
    "recgym/ContentSlate-v1": "ac19af04e0166c34e0a9a06921620dd189c5609c132afebc89e571767ffeabd4",
    "recgym/Social-v2": "6357941d89f0f06809c069c016122737d8366102d6f6df6efce8e86355a7994c",
    "recgym/SocialFriends-v3": "bbf8d703897a7c8d41623d48ed365dd425dd908d9047ffcfa78899824cfc4c94",
    "recgym/SocialFriends-v2": "bbf8d703897a7c8d41623d48ed365dd425dd908d9047ffcfa78899824cfc4c94",
}


def digest(env_id: str) -> str:
    """Of 64 sessions side by side, 60 ticks long, under actions that are a fixed pattern.

    What a visit begins with is digested where one begins, with the rows that do; events and repeats at every step.
    """
    env = gymnasium.make_vec(
        env_id, num_envs=NUM_ENVS, vectorization_mode="vector_entry_point", observation="tabular"
    )
    total = hashlib.sha256()

    def add(*values):
        for value in values:
            total.update(np.ascontiguousarray(value, dtype="<i8").tobytes())

    sizes = getattr(env.single_action_space, "nvec", [getattr(env.single_action_space, "n", 0)])
    row, place = np.arange(NUM_ENVS)[:, None], np.arange(len(sizes))[None, :]
    observation, info = env.reset(seed=20261124)
    add(observation, info["user"], info["context_index"])
    counted, begun_with = (
        (*env.unwrapped.event_names, "repeats"),
        ("context_index", "reward_is_assumed", "user"),
    )
    begins = np.zeros(NUM_ENVS, bool)
    for step in range(STEPS):
        action = (row * 7 + step * 13 + place * 29 + row * step) % np.asarray(sizes)
        observation, _, terminated, truncated, info = env.step(action[:, 0] if len(sizes) == 1 else action)
        add(observation, terminated, truncated)
        if begins.any():
            add(*[begins] * len(begun_with))
        add(*(info[name] for name in sorted((*counted, *(begun_with if begins.any() else ())))))
        begins = terminated | truncated
    env.close()
    return total.hexdigest()


@pytest.mark.filterwarnings("ignore:.*is out of date")
@pytest.mark.parametrize("row", REGISTERED, ids=lambda row: row.id)
def test_an_environment_id_has_its_digest(row):
    assert digest(row.id) == DIGESTS[row.id], f"{row.id} behaves differently: that is a new version of the id"


def test_every_digest_is_of_a_registered_id():
    assert sorted(DIGESTS) == sorted(row.id for row in REGISTERED)


def test_an_earlier_version_warns_of_the_later_one():
    with pytest.warns(DeprecationWarning, match=r"Social-v1 is out of date.*`v2`"):
        env = gymnasium.make("recgym/Social-v1")
    assert env.unwrapped.privileged().world.name == "social-2"
    assert gymnasium.make("recgym/Social-v2").unwrapped.privileged().world.name == "social-3"
    with pytest.warns(UserWarning, match="the latest versioned environment"):
        assert gymnasium.make("recgym/SocialFriends").spec.id == "recgym/SocialFriends-v3"


def test_the_digest_depends_on_the_response_rate(monkeypatch):
    from recgym.envs import task_engine

    original, load = digest("recgym/Ecommerce-v1"), task_engine.world_of

    def with_more_responses(*arguments):
        world = load(*arguments)
        return world.with_params(outside=world.params["outside"] - 0.05)

    monkeypatch.setattr(task_engine, "world_of", with_more_responses)
    assert digest("recgym/Ecommerce-v1") != original
