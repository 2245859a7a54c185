"""Stable-Baselines3 and sb3-contrib 2.9 train on recgym, and their callbacks see the events of a step."""

import gymnasium
from sb3_contrib import QRDQN, MaskablePPO
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env

import recgym  # noqa: F401  registers the environments
from agents.sb3 import as_vec_env

ID = "recgym/Content-v1"


class Clicks(BaseCallback):
    """Counts the clicks in infos."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def _on_step(self) -> bool:
        self.total += sum(int(info["click"]) for info in self.locals["infos"])
        return True


def native(env_id: str, **kwargs):
    """Four sessions of our vector as an SB3 VecEnv."""
    return as_vec_env(gymnasium.make_vec(env_id, num_envs=4, autoreset_mode="SameStep", **kwargs))


def main() -> None:
    """Runs every way in; raises where one fails."""
    small = {"n_steps": 64, "batch_size": 64, "n_epochs": 1}
    model = DQN("MlpPolicy", native(ID), learning_starts=50)
    model.learn(512)
    ways = {
        "DQN, single": DQN("MlpPolicy", gymnasium.make(ID), learning_starts=50),
        "DQN, native vector": model,
        "QR-DQN, single": QRDQN(
            "MlpPolicy", gymnasium.make(ID), learning_starts=50, policy_kwargs={"n_quantiles": 20}
        ),
        "PPO, make_vec_env": PPO("MlpPolicy", make_vec_env(ID, n_envs=4), **small),
        "PPO, history": PPO("MultiInputPolicy", native(ID, observation="history"), **small),
        "PPO, slates": PPO("MlpPolicy", native("recgym/ContentSlate-v1"), **small),
        "MaskablePPO, single": MaskablePPO("MlpPolicy", gymnasium.make(ID), **small),
    }
    for name, model in ways.items():
        clicks = Clicks()
        model.learn(512, callback=clicks)
        assert clicks.total > 0, f"{name}: the callback saw no click"
        print(f"{name}: 512 steps, {clicks.total} clicks seen by a callback", flush=True)


if __name__ == "__main__":
    main()
