"""Arrays that cannot fit into memory are one clear error, which names the argument."""

import re
import time

import gymnasium as gym
import pytest

from recgym import memory
from recgym.logs.sample import sample_log

HUGE = "{} is 1000000000: that needs [0-9,.]+ GiB of memory, and [0-9,.]+ GiB are left"
VECTOR = {"vectorization_mode": "vector_entry_point"}


@pytest.mark.parametrize("env_id", ["Content-v1", "ContentSlate-v1", "SocialFriends-v3", "Ecommerce-v1"])
def test_too_many_environments_name_the_memory(env_id):
    begin = time.process_time()
    with pytest.raises(ValueError, match=HUGE.format("num_envs")):
        gym.make_vec(f"recgym/{env_id}", num_envs=10**9, **VECTOR)
    assert time.process_time() - begin < 5


@pytest.mark.parametrize("more", [{"observation": "features+history"}, {"action_mask": True}])
def test_observations_and_masks_count(monkeypatch, more):
    monkeypatch.setattr(memory, "SMALL_BYTES", 0)
    monkeypatch.setattr(memory, "memory_left", lambda: 560_000)
    gym.make_vec("recgym/Ecommerce-v1", num_envs=1000, **VECTOR)
    with pytest.raises(ValueError, match="num_envs is 1000: that needs"):
        gym.make_vec("recgym/Ecommerce-v1", num_envs=1000, **VECTOR, **more)


def test_too_many_sessions_of_a_log_name_the_memory(monkeypatch):
    env = gym.make("recgym/Ecommerce-v1")
    with pytest.raises(ValueError, match=HUGE.format("sessions")):
        sample_log(env, sessions=10**9)
    monkeypatch.setattr(memory, "SMALL_BYTES", 0)
    monkeypatch.setattr(memory, "memory_left", lambda: 70_000)
    with pytest.raises(ValueError, match="sessions is 100: that needs"):  # found when rows are there
        sample_log(env, sessions=100, slate_size=6)
    assert len(sample_log(env, sessions=3, slate_size=6))


def test_more_users_than_there_are():
    with pytest.raises(ValueError, match=re.escape("users lists 1,000,000,000 users, there are")):
        gym.make("recgym/Ecommerce-v1", users=range(10**9))


def test_the_memory_left_is_the_smallest_limit(tmp_path, monkeypatch):
    def written(name, text):
        (tmp_path / name).write_text(text)

    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "_LIMITS", ((tmp_path, "memory.max", "memory.current", "inactive_file"),))
    monkeypatch.setattr(memory, "_of_process", lambda: None)
    written("meminfo", "MemTotal: 9000 kB\nMemAvailable: 5000 kB\n")
    assert memory.memory_left() == 5_000 << 10
    written("memory.max", "4000000\n")
    written("memory.current", "1500000\n")
    written("memory.stat", "anon 5\ninactive_file 500000\n")
    assert memory.memory_left() == 3_000_000
    written("memory.max", "max\n")
    assert memory.memory_left() == 5_000 << 10
