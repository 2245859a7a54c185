"""One file, no framework: Q-learning with a network in the style of CleanRL, in both autoreset modes."""

from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from torch import nn

import recgym  # noqa: F401  registers the environments

ID, NUM, STEPS, DISCOUNT = "recgym/Ecommerce-v1", 16, 150, 0.8


class Transitions:
    """Observation, action, reward, next observation and whether the user left, of every step that was shown."""

    def __init__(self) -> None:
        self.parts: list[tuple[Any, ...]] = []

    def add(self, rows: Any, *arrays: Any) -> None:
        """Keep some rows of a vector step."""
        self.parts.append(tuple(np.asarray(array)[rows] for array in arrays))

    def sample(self, rng: np.random.Generator, size: int) -> list[torch.Tensor]:
        """A random batch."""
        columns = [np.concatenate(column) for column in zip(*self.parts, strict=True)]
        rows = rng.integers(0, len(columns[0]), size)
        return [torch.as_tensor(column[rows]) for column in columns]


def train(mode: AutoresetMode) -> tuple[float, Transitions]:
    """Trains for STEPS vector steps; returns the last loss and the transitions."""
    torch.manual_seed(0)
    rng, kept = np.random.default_rng(0), Transitions()
    envs = gymnasium.make_vec(ID, NUM, autoreset_mode=mode)
    width, actions = envs.single_observation_space.shape[0], int(envs.single_action_space.n)
    net = nn.Sequential(nn.Linear(width, 64), nn.ReLU(), nn.Linear(64, actions))
    optimiser, loss = torch.optim.Adam(net.parameters(), 1e-3), torch.zeros(())
    seen, _ = envs.reset(seed=1)
    over = np.zeros(NUM, bool)
    for step in range(STEPS):
        with torch.no_grad():
            best = net(torch.as_tensor(seen)).argmax(1).numpy()
        action = np.where(rng.random(NUM) < 0.3, rng.integers(0, actions, NUM), best)
        after, reward, terminated, truncated, infos = envs.step(action)
        if mode is AutoresetMode.NEXT_STEP:
            rows, last = ~over, after  # a row that was over has only begun its next session: no transition
            over = terminated | truncated
        else:
            rows, last = np.ones(NUM, bool), after.copy()
            if "_final_obs" in infos:  # `after` belongs to the next session where a row has ended
                ended = infos["_final_obs"]
                last[ended] = infos["final_obs"][ended]
        kept.add(rows, seen, action, reward.astype(np.float32), last, terminated)
        seen = after
        if step >= 20:
            state, chosen, paid, following, left = kept.sample(rng, 128)
            with torch.no_grad():  # a truncated step is bootstrapped, a terminated one is not
                target = paid + DISCOUNT * net(following).amax(1) * ~left
            loss = (net(state).gather(1, chosen[:, None])[:, 0] - target).square().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return loss.item(), kept


def main() -> None:
    """Runs both modes; raises where a transition joins two sessions."""
    env = gymnasium.make(ID)
    clock = env.unwrapped.observation_columns.index("step / horizon")
    for mode in (AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP):
        loss, kept = train(mode)
        before, after = (np.concatenate([part[index][:, clock] for part in kept.parts]) for index in (0, 3))
        np.testing.assert_allclose(after - before, 1 / env.unwrapped.horizon, atol=1e-6)
        assert np.isfinite(loss)
        print(f"{mode.value}: {len(before)} transitions of {NUM * STEPS} rows, loss {loss:.3f}")


if __name__ == "__main__":
    main()
