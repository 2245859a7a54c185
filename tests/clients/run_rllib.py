"""RLlib 2.60 trains PPO on recgym: by its id in this process and in a remote worker, and with action masks."""

from typing import Any

import gymnasium
import ray
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.rl_module.rl_module import RLModuleSpec
from ray.rllib.examples.rl_modules.classes.action_masking_rlm import ActionMaskingTorchRLModule
from ray.tune.registry import register_env


def masked(config: dict[str, Any]) -> gymnasium.Env:
    """Friends to suggest, with the mask in the observation under the names that RLlib's module reads."""
    import recgym  # noqa: F401  registers the environments, in the worker too
    from recgym.envs.wrappers import ActionMaskObservation

    env = gymnasium.make("recgym/SocialFriends-v3", **config)
    return ActionMaskObservation(env, observation_key="observations")


def train(env: str, runners: int, module: type | None = None) -> float:
    """One iteration of PPO; returns the mean episode return."""
    spec = (
        None
        if module is None
        else RLModuleSpec(module_class=module, model_config={"head_fcnet_hiddens": [32]})
    )
    config = (
        PPOConfig()
        .environment(env)
        .env_runners(num_env_runners=runners, num_envs_per_env_runner=2)
        .training(train_batch_size_per_learner=256, minibatch_size=64, num_epochs=1)
    )
    if spec is not None:
        config = config.rl_module(rl_module_spec=spec)
    algorithm = config.build_algo()
    result = algorithm.train()
    algorithm.stop()
    return float(result["env_runners"]["episode_return_mean"])


def main() -> None:
    """Runs every way in; raises where one fails."""
    register_env("masked", masked)
    ray.init(num_cpus=2, include_dashboard=False)
    try:
        for runners in (0, 1):
            value = train("recgym:recgym/Content-v1", runners)
            print(f"PPO, {runners} remote workers: mean return {value:.2f}", flush=True)
        value = train("masked", 0, ActionMaskingTorchRLModule)
        print(f"PPO with masks: mean return {value:.2f}", flush=True)
    finally:
        ray.shutdown()


if __name__ == "__main__":
    main()
