"""PPO with invalid-action masks of sb3-contrib (Huang and Ontañón, 2022), single items and slates.

The masks are the environment's `action_masks()`; where every item may be shown, it is PPO.
"""

from typing import ClassVar

from sb3_contrib import MaskablePPO
from stable_baselines3.common.base_class import BaseAlgorithm

from agents.sb3.ppo import Sb3Ppo


class Sb3MaskablePpo(Sb3Ppo):
    """Shows the likeliest of the allowed items at each position.

    Idea:
        As `sb3-ppo`, with items that are not allowed masked out of the probabilities, in training too: no
        gradient is spent on them.

    Formula:
        P(a | s) = softmax of the allowed logits;   loss as `sb3-ppo`

    Reads:
        The observation `features`: public user features, category shares, events and context; a log only with
        `state="deep-cf"`. The action mask.

    Cost:
        As `sb3-ppo`.

    Source:
        Huang and Ontañón (2022), A closer look at invalid action masking in policy gradient algorithms,
        FLAIRS.
    """

    name: ClassVar[str] = "sb3-maskable-ppo"
    algorithm: ClassVar[type[BaseAlgorithm]] = MaskablePPO
