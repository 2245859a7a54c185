"""Advantages of rollouts in groups: own reward and return to go, less what the group's other visits got.

GRPO (Shao et al., 2024, DeepSeekMath) takes the mean of a group of answers to one question as the baseline. Here the
group's visits are of one user, with the same random numbers, and the baseline is that of each step. The group's
standard deviation is not divided by, which would weigh users by the inverse of their variance (Liu et al., 2025).

Axes: n decisions in the order of row, visit and step, K slate positions, G visits of a group.
"""

import numpy as np
from numpy.typing import NDArray

from agents.generative.rollouts import Acted
from recgym.arrays import Doubles

BASELINES = ("group", "value", "both", "none")


def later_returns(acted: Acted, discount: float, trace: float) -> Doubles:
    """Discounted return after each decision, (n,), in rewards per slot; 0 where the user left.

    The return of the next decision is its TD(lambda) mixture (Sutton, 1988): lambda of what followed, the rest of the
    value head; at the horizon it is the value head's alone.
    """
    reward = acted.decisions.credit.mean(axis=1, dtype=np.float64)
    later = discount * acted.after.astype(np.float64)
    for i in range(len(reward) - 2, -1, -1):
        if acted.step[i + 1] == acted.step[i] + 1 and acted.row[i + 1] == acted.row[i]:
            followed = reward[i + 1] + later[i + 1]
            later[i] = discount * (trace * followed + (1.0 - trace) * float(acted.value[i + 1]))
    return later


def advantages(
    acted: Acted, group: int, discount: float, trace: float, baseline: str
) -> tuple[Doubles, Doubles]:
    """Advantages of the shown items, (n, K), and what the value head is fitted to, (n,), in rewards per slot.

    An item's return is its own reward and the return of the whole visit after its slate, K times that per slot. The
    value head knows the sum of a slate's returns per slot, K times its prediction in all: of that an item's return has
    not the rewards of the K - 1 others, for which the mean reward of all decisions is taken off. Baselines: "group" the
    mean return of the group's other visits at this step, "value" what the value head says, "both" that and the others'
    mean error of it, "none" 0.
    """
    own = acted.decisions.credit.astype(np.float64)
    slots, mean_own = own.shape[1], own.mean(axis=1)
    later = later_returns(acted, discount, trace)
    total, mean = own + slots * later[:, None], mean_own + slots * later
    base = np.zeros(len(mean))
    if baseline in ("value", "both"):
        base = slots * acted.value.astype(np.float64) - (slots - 1) * mean_own.mean()
    if baseline in ("group", "both"):
        base = base + others_mean(mean - base, acted, group)
    return total - base[:, None], mean_own + later


def others_mean(values: Doubles, acted: Acted, group: int) -> Doubles:
    """Mean of the values (n,) of the group's other visits at the same step; of all decisions where there is none."""
    key = np.stack([acted.row // group, acted.visit, acted.step], axis=1)
    _, cell = np.unique(key, axis=0, return_inverse=True)
    cell = cell.reshape(-1)
    count, total = np.bincount(cell)[cell], np.bincount(cell, values)[cell]
    result: Doubles = np.where(count > 1, (total - values) / np.maximum(count - 1, 1), values.mean())
    return result


def normalised(values: Doubles) -> NDArray[np.float32]:
    """Divided by their root mean square."""
    return (values / max(float(np.sqrt((values**2).mean())), 1e-8)).astype(np.float32)
