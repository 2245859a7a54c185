"""Expected returns of whole sessions, with far less noise than drawn returns: the same mean.

Responses are drawn, because they change the state. Rewards enter by their expectation given the state, and leaving by
its probability given the response: the reward of a step counts with the probability that the user is still there
(conditional Monte Carlo: Asmussen and Glynn, 2007, chapter V.4). From the step on at which that probability is below
`MIN_STAY`, leaving is drawn, so that sessions end and the mean is still exact.

Axes: B sessions.
"""

from collections.abc import Callable

import numpy as np

from recgym.arrays import Bools, Doubles
from recgym.jit import njit
from recgym.rng import LEAVE, uniform
from recgym.sim.engine import Engine
from recgym.sim.expectations import item_expectation
from recgym.sim.scalar_math import sigmoid
from recgym.sim.schema import WorldArrays
from recgym.sim.session import show
from recgym.sim.session_arrays import empty_feedback
from recgym.sim.state import Feedback, Reward, Sessions, Slates

MIN_STAY = 0.25  # probability of being there still


@njit()
def add_step(
    w: WorldArrays,
    r: Reward,
    s: Sessions,
    slate: Slates,
    f: Feedback,
    running: Bools,
    stay: Doubles,
    total: Doubles,
) -> None:
    """Show its item to every running session; updates the returns so far and the probabilities of staying, (B,)."""
    for b in range(running.shape[0]):
        if not running[b]:
            continue
        step = s.step[b]
        total[b] += stay[b] * item_expectation(w, r, s, b, slate[b, 0])[0]
        leave = sigmoid(show(w, s, b, slate, f))
        if stay[b] < MIN_STAY:
            running[b] = uniform(s.key[b], step, LEAVE, 0) >= leave
        else:
            stay[b] *= 1.0 - leave


def expected_returns(
    engine: Engine,
    policy: Callable[[Engine, Bools], Slates],
    progress: Callable[[float], None] = lambda share: None,
) -> Doubles:
    """(B,) returns of the engine's sessions from their present state on; the sessions are played to their end.

    Args:
        engine: of single items.
        policy: slates (B, 1) for the rows (B,) that need one.
        progress: called after each step with the share of the longest session that is played.
    """
    running, stay, total = np.ones(engine.num, np.bool_), np.ones(engine.num), np.zeros(engine.num)
    feedback = empty_feedback(engine.num, 1)
    while running.any():
        slates = policy(engine, running)
        add_step(engine.world.arrays, engine.reward, engine.sessions, slates, feedback, running, stay, total)
        running &= engine.sessions.step < engine.horizon
        progress(float(engine.sessions.step.max()) / engine.horizon)
    return total
