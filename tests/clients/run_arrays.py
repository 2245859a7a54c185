"""Arrays of whole episodes, in the form of d3rlpy's MDPDataset and of other offline libraries."""

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np

import recgym  # noqa: F401  registers the environments

Arrays = dict[str, Any]


def collect(env_id: str, episodes: int, policy: Callable[[Any], Any], seed: int = 0, **kwargs: Any) -> Arrays:
    """Observations, actions, rewards, terminals (the user left) and timeouts (the horizon), a row a step.

    Each episode is whole: its last row has a terminal or a timeout, so that a library that drops what follows the last
    end drops nothing.
    """
    env = gymnasium.make(env_id, **kwargs)
    rows: dict[str, list[Any]] = {
        name: [] for name in ("observations", "actions", "rewards", "terminals", "timeouts")
    }
    for episode in range(episodes):
        observation, _ = env.reset(seed=seed + episode)
        over = False
        while not over:
            action = policy(observation)
            after, reward, terminated, truncated, _ = env.step(action)
            for name, value in zip(rows, (observation, action, reward, terminated, truncated), strict=True):
                rows[name].append(value)
            observation, over = after, terminated or truncated
    return {name: np.array(values) for name, values in rows.items()}


def main() -> None:
    """Collects random episodes, and hands them to d3rlpy where it is installed."""
    rng = np.random.default_rng(0)
    data = collect("recgym/Content-v1", 50, lambda _: int(rng.integers(500)), horizon=20)
    ends = data["terminals"] | data["timeouts"]
    assert ends.sum() == 50
    assert ends[-1]
    assert not (data["terminals"] & data["timeouts"]).all()
    size = {name: values.shape for name, values in data.items()}
    print(f"{ends.sum()} episodes, {data['timeouts'].sum()} cut at the horizon, {size}")
    try:
        from d3rlpy.dataset import MDPDataset
    except ImportError:
        print("d3rlpy is not installed")
        return
    dataset = MDPDataset(
        data["observations"],
        data["actions"],
        data["rewards"],
        data["terminals"].astype(np.float32),
        data["timeouts"].astype(np.float32),
        action_size=500,  # else it counts the actions that occur
    )
    assert len(dataset.episodes) == 50
    print(f"d3rlpy: {len(dataset.episodes)} episodes")


if __name__ == "__main__":
    main()
