"""A data set of Minari, read back by Minari."""

import gymnasium as gym
import numpy as np
import pytest
from bench_runs import env_of, folders

from recgym.bench.minari_export import default_name, write_minari
from recgym.bench.played_sessions import of_run, sampled

minari = pytest.importorskip("minari")
pytest.importorskip("h5py")

COUNT, SEED = 6, 3


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("slots", [1, 3])
def test_episodes_are_those_of_the_seeds_played(worlds, slots):
    env_id = env_of("content")
    kwargs = {"world": str(worlds["content"]), "horizon": 8, "slate_size": slots}
    played = sampled(env_id, kwargs, "random", COUNT, SEED)
    assert default_name(played) == f"{env_id.lower()}/random-v0"
    written = write_minari(played, default_name(played))
    dataset = minari.load_dataset(written.name)
    episodes = list(dataset.iterate_episodes())
    assert (len(episodes), dataset.total_steps) == (COUNT, written.steps)
    env = dataset.recover_environment()
    assert env.spec.id == env_id
    assert env.spec.kwargs.items() >= kwargs.items()
    assert dataset.observation_space == env.observation_space
    assert dataset.action_space == env.action_space
    assert dataset.storage.metadata["algorithm_name"] == "random"
    for number, episode in enumerate(episodes):
        observation, _ = env.reset(seed=SEED + number)
        rows = [(observation, 0.0, False, False)]
        rows += [env.step(action)[:4] for action in episode.actions]
        columns = [np.array(column) for column in zip(*rows, strict=True)]
        np.testing.assert_array_equal(episode.observations, columns[0])
        read = episode.rewards, episode.terminations, episode.truncations
        for values, expected in zip(read, columns[1:], strict=True):
            np.testing.assert_array_equal(values, expected[1:])
        assert episode.rewards.sum() == written.returns[number]
        assert episode.terminations[-1] or episode.truncations[-1]


def test_a_run_of_an_agent_has_its_stored_returns(results):
    import pyarrow.parquet as pq

    folder = next(path for path in folders(results / "quick") if "ucb1" in path.name)
    write_minari(of_run(folder), "ucb1-v0")
    episodes = minari.load_dataset("ucb1-v0").iterate_episodes()
    stored = pq.read_table(folder / "sessions.parquet")["return"].to_numpy()
    np.testing.assert_array_equal([episode.rewards.sum() for episode in episodes], stored)


def test_a_name_that_is_taken_or_malformed_and_another_seed_write_nothing(worlds, root):
    played = sampled(env_of("content"), {"world": str(worlds["content"])}, "random", 2, SEED)
    with pytest.raises(ValueError, match="Malformed"):
        write_minari(played, "no such/ name!")
    with pytest.raises(ValueError, match="session 0"):
        write_minari(played._replace(seeds=(8, 9)), "one-v0")
    assert not list(root.iterdir())
    write_minari(played, "one-v0")
    before = sorted(root.rglob("*"))
    with pytest.raises(ValueError, match="a Minari data set one-v0 exists"):
        write_minari(played, "one-v0")
    assert sorted(root.rglob("*")) == before


def test_observations_of_a_dict_are_kept(worlds):
    env_id, kwargs = env_of("content"), {"world": str(worlds["content"]), "observation": "history"}
    played = sampled(env_id, kwargs, "random", 2, SEED)
    write_minari(played, "history-v0")
    (first, _) = minari.load_dataset("history-v0").iterate_episodes()
    space = gym.make(env_id, **kwargs).observation_space
    assert first.observations.keys() == space.spaces.keys()
