"""Q-learning with a table (Watkins, 1989; Watkins and Dayan, 1992), on the observation "tabular".

The target has the value of the best next slate (off-policy); see `agents.tabular.q_table`.
"""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from agents.interface import Masks
from agents.tabular.q_table import TableAgent


class QLearning(TableAgent):
    """Target: the reward and the discounted value of the K best items of the next state.

    Idea:
        A table holds for each state and item the return that follows if the item is shown and the best is
        done after. Each step moves one cell toward the reward plus the discounted best value of the next
        state, whatever was shown there (off-policy).

    Formula:
        Q(s, a) <- Q(s, a) + step_size (r + discount mean of the K largest Q(s', .) - Q(s, a))

    Reads:
        No log, no user: the state "tabular" is the category of the last response, run, number of responses
        and step, each in a few classes.

    Cost:
        A table of states x N; O(N) a decision.

    Source:
        Watkins and Dayan (1992), Q-learning, Machine Learning 8.
    """

    name: ClassVar[str] = "q-learning"

    def next_value(self, observation: Any, mask: Masks | None) -> NDArray[np.float64]:
        """Mean of the K best allowed items."""
        return self.value_of(observation, self.act(observation, mask))
