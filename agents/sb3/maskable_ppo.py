"""PPO with invalid-action masks of sb3-contrib (Huang and Ontañón, 2022), single items and slates.

The masks are the environment's `action_masks()`; where every item may be shown, it is PPO.
"""

from typing import ClassVar

from sb3_contrib import MaskablePPO
from stable_baselines3.common.base_class import BaseAlgorithm

from agents.sb3.ppo import Sb3Ppo


class Sb3MaskablePpo(Sb3Ppo):
    """Shows the likeliest of the allowed items at each position."""

    name: ClassVar[str] = "sb3-maskable-ppo"
    algorithm: ClassVar[type[BaseAlgorithm]] = MaskablePPO
