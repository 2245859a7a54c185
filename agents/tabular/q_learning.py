"""Q-learning with a table (Watkins, 1989; Watkins and Dayan, 1992), on the observation "tabular".

The target has the value of the best next slate (off-policy); see `agents.tabular.q_table`.
"""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from agents.interface import Masks
from agents.tabular.q_table import TableAgent


class QLearning(TableAgent):
    """Target: the reward and the discounted value of the K best items of the next state."""

    name: ClassVar[str] = "q-learning"

    def next_value(self, observation: Any, mask: Masks | None) -> NDArray[np.float64]:
        """Mean of the K best allowed items."""
        return self.value_of(observation, self.act(observation, mask))
