"""Expected SARSA with a table (van Seijen, van Hasselt, Whiteson and Wiering, 2009, ADPRL), on "tabular".

The target has the mean value of the next slate under the exploring policy: SARSA's target without its sampling noise.
"""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from agents.interface import Masks
from agents.tabular.q_table import TableAgent


class ExpectedSarsa(TableAgent):
    """Target: the reward and the discounted value that the policy can expect in the next state.

    Idea:
        As `sarsa`, but the target has the mean over what the exploring policy may show next, not one draw of
        it: the same expectation without the noise of sampling.

    Formula:
        Q(s, a) <- Q(s, a) + step_size (r + discount E[mean of Q(s', a') over the next slate] - Q(s, a))

    Reads:
        No log, no user: the state "tabular" is the category of the last response, run, number of responses
        and step, each in a few classes.

    Cost:
        As `q-learning`.

    Source:
        van Seijen, van Hasselt, Whiteson and Wiering (2009), A theoretical and empirical analysis of expected
        Sarsa, ADPRL.
    """

    name: ClassVar[str] = "expected-sarsa"

    def next_value(self, observation: Any, mask: Masks | None) -> NDArray[np.float64]:
        """Of the K best items with probability 1 - epsilon, else of K allowed items at random."""
        values = self.values[observation].astype(np.float64)
        allowed = np.ones(values.shape, np.bool_) if mask is None else mask
        anything = np.where(allowed, values, 0.0).sum(axis=1) / allowed.sum(axis=1)
        best = self.value_of(observation, self.act(observation, mask))
        return np.asarray((1.0 - self.epsilon) * best + self.epsilon * anything)
