"""TorchRL 0.14 collects and trains on recgym: GymEnv and GymWrapper, single and vector."""

import gymnasium
import torch
from tensordict.nn import TensorDictModule, TensorDictSequential
from torch import nn
from torchrl.collectors import Collector
from torchrl.envs import GymEnv, GymWrapper, check_env_specs
from torchrl.modules import EGreedyModule, QValueModule

import recgym  # noqa: F401  registers the environments

ID = "recgym/Content-v1"


def collect(env, frames: int = 256) -> float:
    """Collects random frames; returns the mean reward."""
    collector = Collector(env, None, frames_per_batch=frames, total_frames=frames)
    batch = next(iter(collector))
    assert batch.numel() == frames
    assert torch.isfinite(batch["next", "reward"]).all()
    collector.shutdown()
    return float(batch["next", "reward"].mean())


def train(steps: int = 20) -> float:
    """A few steps of Q-learning by TorchRL's own modules on its own GymEnv; returns the last loss."""
    env = GymEnv(ID)
    net = nn.Sequential(nn.LazyLinear(32), nn.ReLU(), nn.Linear(32, env.action_spec.space.n))
    value = TensorDictModule(net, in_keys=["observation"], out_keys=["action_value"])
    policy = TensorDictSequential(
        value, QValueModule(spec=env.action_spec), EGreedyModule(env.action_spec, eps_init=0.2)
    )
    policy(env.reset())
    optimiser = torch.optim.Adam(value.parameters())
    loss = torch.zeros(())
    for batch in Collector(env, policy, frames_per_batch=64, total_frames=64 * steps):
        value(batch)
        chosen = (batch["action_value"] * batch["action"]).sum(-1, keepdim=True)
        loss = (chosen - batch["next", "reward"]).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return loss.item()


def main() -> None:
    """Runs every way in; raises where one fails."""
    rows = {
        "GymEnv": lambda: GymEnv(ID),
        "GymEnv with mask": lambda: GymEnv(ID, action_mask=True),
        "GymEnv slate": lambda: GymEnv("recgym/ContentSlate-v1"),
        "GymEnv history": lambda: GymEnv(ID, observation="history"),
        "GymEnv num_envs=4": lambda: GymEnv(ID, num_envs=4),
        "GymEnv num_envs=4 history": lambda: GymEnv(ID, num_envs=4, observation="history"),
        "GymWrapper single": lambda: GymWrapper(gymnasium.make(ID)),
        "GymWrapper tabular": lambda: GymWrapper(gymnasium.make(ID, observation="tabular")),
        "GymWrapper vector SAME_STEP": lambda: GymWrapper(
            gymnasium.make_vec(ID, num_envs=4, autoreset_mode="SameStep")
        ),
        "GymWrapper vector SAME_STEP history": lambda: GymWrapper(
            gymnasium.make_vec(ID, num_envs=4, autoreset_mode="SameStep", observation="history")
        ),
    }
    for name, make in rows.items():
        env = make()
        if not env.batch_size:
            check_env_specs(env)
        print(f"{name}: mean reward {collect(env):.3f}", flush=True)
    print(f"Q-learning through GymEnv: loss {train():.3f}")
    try:
        GymWrapper(gymnasium.make_vec(ID, num_envs=4))
    except RuntimeError as error:  # TorchRL's own rule, of every vector environment
        print(f"GymWrapper of a NEXT_STEP vector: refused by TorchRL: {error}")


if __name__ == "__main__":
    main()
