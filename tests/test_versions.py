"""A version of an id is a promise: what happens in a fixed rollout of it never changes again.

The digests hold integers and booleans alone: users, contexts, events, ends, tabular states. Where one changes, the id
needs a new `-vN` and a row of its own here; a digest that stands here is never replaced.
"""

import hashlib

import gymnasium
import numpy as np
import pytest

from recgym.envs import ENVIRONMENTS

NUM_ENVS, STEPS = 64, 60
DIGESTS = {
    "recgym/Ecommerce-v0": "153e695badac16b768bc7dafdecaa00f62f77afad81685c89d927b7cc6077dc3",
    "recgym/EcommerceSlate-v0": "d2369a530241444094c316b7dce5a87b302ae3dd91b2a8bc104512b5ac72529b",
    "recgym/Content-v0": "678cd5fa3b24c7f30208d8320e9e58327cd3a8b7fb5a5f9cf928f19a8b9c0db8",
    "recgym/ContentSlate-v0": "df8d6db2576e77b4b8e0571f73648fb99ad0d323736327937b3172997f0bf9c1",
    "recgym/Social-v0": "7e7ab55da9c753a2030880656fe847f438f1588edc7ad10195914daa34cfe3c0",
    "recgym/SocialFriends-v0": "dba7c1b1f1284a9bde07c2baa7a0c52e2719e41ffb30b8fa95a71c2a80f59111",
}


def digest(env_id: str) -> str:
    """Of 64 sessions side by side, 60 ticks long, under actions that are a fixed pattern."""
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
    add(observation, info["user"], info["context"])
    for step in range(STEPS):
        action = (row * 7 + step * 13 + place * 29 + row * step) % np.asarray(sizes)
        observation, _, terminated, truncated, info = env.step(action[:, 0] if len(sizes) == 1 else action)
        counts = [info[name] for name in sorted(info) if np.asarray(info[name]).dtype.kind in "ib"]
        add(observation, terminated, truncated, *(np.where(np.isfinite(c), c, 0) for c in counts))
    env.close()
    return total.hexdigest()


@pytest.mark.parametrize("row", ENVIRONMENTS, ids=lambda row: row.id)
def test_what_happens_in_an_environment_is_frozen(row):
    assert digest(row.id) == DIGESTS[row.id], f"{row.id} behaves differently: that is a new version of the id"


def test_every_digest_is_of_a_registered_id():
    assert sorted(DIGESTS) == sorted(row.id for row in ENVIRONMENTS)


def test_the_digest_hears_a_world_that_answers_a_little_more(monkeypatch):
    from recgym.envs import tasks

    whole, load = digest("recgym/Ecommerce-v0"), tasks.world_of

    def eager(*arguments):
        world = load(*arguments)
        return world.with_params(outside=world.params["outside"] - 0.05)

    monkeypatch.setattr(tasks, "world_of", eager)
    assert digest("recgym/Ecommerce-v0") != whole
