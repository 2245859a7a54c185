"""Minari 0.5 records recgym with and without infos, in both of its storages, and reads back what was played."""

import os
import tempfile
import warnings

import gymnasium
import minari
import numpy as np

import recgym  # noqa: F401  registers the environments

SEEDS = (3, 4, 5)


def record(name: str, env: gymnasium.Env, storage: str, infos: bool) -> str:
    """Records an episode a seed; returns a line about what was read back."""
    collector = minari.DataCollector(env, record_infos=infos, data_format=storage)
    env.action_space.seed(0)
    returns = []
    for seed in SEEDS:
        collector.reset(seed=seed)
        total, is_over = 0.0, False
        while not is_over:
            _, reward, terminated, truncated, _ = collector.step(env.action_space.sample())
            total, is_over = total + reward, terminated or truncated
        returns.append(total)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # author, e-mail and code of a published data set
        collector.create_dataset(name)
    collector.close()
    back = list(minari.load_dataset(name).iterate_episodes())
    np.testing.assert_allclose([episode.rewards.sum() for episode in back], returns)
    keys = sorted(back[0].infos) if infos else []
    assert all(len(episode.infos[key]) == len(episode.rewards) + 1 for episode in back for key in keys)
    assert bool(keys) is infos
    return (
        f"{len(back)} episodes, {sum(len(episode.rewards) for episode in back)} steps, {len(keys)} info keys"
    )


def main() -> None:
    """Runs every way in; raises where one fails."""
    number = 0
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MINARI_DATASETS_PATH"] = folder
        for env_id in ("recgym/Content-v1", "recgym/EcommerceSlate-v1"):
            for kwargs in ({}, {"observation": "history", "action_mask": True}):
                for storage in ("hdf5", "arrow"):
                    for infos in (False, True):
                        env = gymnasium.make(env_id, **kwargs)
                        line = record(f"recgym/recording{number}-v0", env, storage, infos)
                        print(f"{env_id} {kwargs} {storage} record_infos={infos}: {line}", flush=True)
                        number += 1


if __name__ == "__main__":
    main()
