"""Tianshou 2.0 trains DQN on recgym, plain and with action masks in the observation."""

from collections.abc import Callable

import gymnasium
from tianshou.algorithm import DQN
from tianshou.algorithm.modelfree.dqn import DiscreteQLearningPolicy
from tianshou.algorithm.optim import AdamOptimizerFactory
from tianshou.data import Collector, VectorReplayBuffer
from tianshou.env import DummyVectorEnv
from tianshou.utils.net.common import Net
from tianshou.utils.torch_utils import policy_within_training_step

import recgym  # noqa: F401  registers the environments
from recgym.envs.wrappers import ActionMaskObservation


def plain() -> gymnasium.Env:
    """Videos, one after another."""
    return gymnasium.make("recgym/Content-v1")


def masked() -> gymnasium.Env:
    """Friends to suggest: a friend won is masked out for the rest of the visit."""
    env = gymnasium.make("recgym/SocialFriends-v3")
    return ActionMaskObservation(env, observation_key="obs", mask_key="mask")


def train(make: Callable[[], gymnasium.Env]) -> str:
    """Collects 512 steps, makes eight updates, collects eight episodes; returns what came of it."""
    envs, one = DummyVectorEnv([make for _ in range(4)]), make()
    space = one.observation_space
    shape = space["obs"].shape if isinstance(space, gymnasium.spaces.Dict) else space.shape
    policy = DiscreteQLearningPolicy(
        model=Net(state_shape=shape, action_shape=one.action_space.n, hidden_sizes=[32]),
        action_space=one.action_space,
        observation_space=space,
        eps_training=0.2,
    )
    dqn = DQN(policy=policy, optim=AdamOptimizerFactory(lr=1e-3), gamma=0.9, target_update_freq=10)
    buffer = VectorReplayBuffer(2_000, 4)
    collector = Collector(dqn, envs, buffer)
    collector.reset()
    collector.collect(n_step=512)
    with policy_within_training_step(policy):
        for _ in range(8):
            dqn.update(buffer=buffer, sample_size=64)
    judged = collector.collect(n_episode=8)
    steps = buffer[:]
    if "mask" in steps.obs:
        allowed = steps.obs.mask[range(len(steps)), steps.act]
        assert allowed.all(), f"{(allowed == 0).sum()} masked actions of {len(steps)}"
    return f"{len(steps)} steps collected, mean return {judged.returns.mean():.2f}"


def main() -> None:
    """Runs every way in; raises where one fails."""
    for make in (plain, masked):
        print(f"DQN, {make.__name__}: {train(make)}", flush=True)


if __name__ == "__main__":
    main()
