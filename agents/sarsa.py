"""SARSA with a table (Rummery and Niranjan, 1994; Sutton and Barto, 2018, section 6.4), on "tabular".

What follows is valued by a slate of the policy that explores (on-policy). Deviation: in the paper that is the slate
which is shown next; here it is a draw of its own from the same policy, so that an update waits for nothing.
"""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from agents.base import Masks
from agents.table import Table


class Sarsa(Table):
    """Target: the reward and the discounted value of a slate that the policy draws in the next state."""

    name: ClassVar[str] = "sarsa"

    def next_value(self, observation: Any, mask: Masks | None) -> NDArray[np.float64]:
        """Mean of the items of one draw."""
        return self.value_of(observation, self.act(observation, mask, explore=True))
