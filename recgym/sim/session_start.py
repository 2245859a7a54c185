"""Start of a session: user, context, first intent, frailty (`patience`) and random intercept (`mood`) are drawn.

Axes: B sessions, d factors.
"""

import numpy as np

from recgym.jit import njit
from recgym.rng import CONTEXT, INTENT, MOOD, PATIENCE, USER, episode_key, normal, uniform
from recgym.sim.scalar_math import draw
from recgym.sim.schema import MOOD as MOOD_SD
from recgym.sim.schema import PATIENCE as PATIENCE_SD
from recgym.sim.schema import SIGMA, WorldArrays
from recgym.sim.state import Sessions


@njit()
def _user_of(w: WorldArrays, key: np.uint64) -> int:
    """The user of an episode."""
    return draw(w.user_cdf, 0, w.user_cdf.shape[0], uniform(key, 0, USER, 0))


@njit()
def next_user(w: WorldArrays, s: Sessions, b: int) -> int:
    """The user of the next episode of row b."""
    return _user_of(w, episode_key(s.seed[b], s.episode[b] + 1))


@njit()
def start_episode(w: WorldArrays, s: Sessions, b: int) -> None:
    """Begin the next episode of row b: its key, its user, its context, and the draws of `begin_session`."""
    s.episode[b] += 1
    key = episode_key(s.seed[b], s.episode[b])
    s.key[b] = key
    begin_session(
        w, s, b, _user_of(w, key), draw(w.context_cdf, 0, w.context_cdf.shape[0], uniform(key, 0, CONTEXT, 0))
    )


@njit()
def level_patience(w: WorldArrays, user: int) -> float:
    """Shift of the leaving logit of all sessions of a user, by the user's level of response."""
    return w.leave_level[0] * w.user_bias[user] if w.leave_level[0] != 0.0 else 0.0


@njit()
def begin_session(w: WorldArrays, s: Sessions, b: int, user: int, context: int) -> None:
    """Begin the session of key `s.key[b]`: draw first intent, frailty and random intercept, clear the record."""
    key = s.key[b]
    s.user[b] = user
    s.context[b] = context
    for j in range(s.intent.shape[1]):
        s.intent[b, j] = w.profile[user, j]
    if w.params[SIGMA] != 0.0:
        for j in range(s.intent.shape[1]):
            s.intent[b, j] = w.profile[user, j] + w.params[SIGMA] * normal(key, 0, INTENT, j)
    s.patience[b] = level_patience(w, user)
    if w.params[PATIENCE_SD] != 0.0:
        s.patience[b] += w.params[PATIENCE_SD] * normal(key, 0, PATIENCE, 0)
    s.mood[b] = w.params[MOOD_SD] * normal(key, 0, MOOD, 0) if w.params[MOOD_SD] != 0.0 else 0.0
    s.satiation[b, :] = 0.0
    s.shown[b, :] = 0.0
    s.liked[b, :] = 0.0
    s.memory[b, :] = -1
    s.items[b, :] = -1
    s.events[b, :] = 0
    s.step[b] = 0
    s.engaged[b] = 0
    s.liked_category[b] = -1
    s.lead[b] = -1
    s.lead_events[b] = 0
    s.run[b] = 0
