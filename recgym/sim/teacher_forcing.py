"""A world run over logged visits, with the logged slates: what it expected to happen, and what else might have.

Teacher-forced (`predict`, `predict_choices`): every logged answer moves the session as in the simulator, and before
each slate stands the probability of what comes, given the visit so far. What is hidden is averaged out: mood and
patience by Gauss-Hermite quadrature, a spread of first intents and the user where he is a stranger by draws; each
weighs as much as it made the visit so far likely (Bayes, step by step), so the probabilities are honest forecasts.

Free-running (`simulate`): the logged slates are shown to simulated users, who answer by `session.advance`.

Axes: V visits, S steps of all visits, K positions, E events, O options of all steps, P draws, Q and R quadrature nodes.
"""

from typing import NamedTuple

import numpy as np

from recgym.arrays import Bools, Doubles, Floats, Indices
from recgym.jit import njit
from recgym.numerics import hermite_nodes
from recgym.rng import USER, episode_key, uniform
from recgym.sim.engine import empty_sessions
from recgym.sim.schema import WorldArrays
from recgym.sim.session import advance, begin, draw
from recgym.sim.state import Feedback, Sessions, Slates
from recgym.sim.teacher_forcing_kernels import (
    Hidden,
    Keys,
    LoggedVisits,
    PageItems,
    Predicted,
    forecast,
    forecast_choices,
    show,
)
from recgym.sim.world import World

__all__ = ["LoggedVisits", "PageItems", "Predicted", "Simulated", "predict", "predict_choices", "simulate"]

NODES = 9  # of a quadrature
DRAWS = 48  # of a stranger's user, or of a first intent


class Simulated(NamedTuple):
    """One draw of the answers to the logged slates; visits go on to their logged end, whatever `left` says."""

    events: Indices  # (S, K) bit e for event e
    watch: Floats  # (S, K) ms
    left: Bools  # (S,)


@njit()
def _simulate(
    w: WorldArrays, v: LoggedVisits, keys: Keys, s: Sessions, slate: Slates, f: Feedback, out: Simulated
) -> None:
    for visit in range(v.user.shape[0]):
        s.key[0] = keys[visit]
        user = v.user[visit]
        if user < 0:
            user = draw(w.user_cdf, 0, w.user_cdf.shape[0], uniform(s.key[0], 0, USER, 0))
        begin(w, s, 0, user, v.context[visit])
        for step in range(v.begin[visit], v.begin[visit + 1]):
            show(v, step, 1, slate, f)
            advance(w, s, 0, slate, 1, f)
            out.left[step] = f.left[0]
            for k in range(slate.shape[1]):
                out.events[step, k] = f.events[0, k]
                out.watch[step, k] = f.watch[0, k]


def predict(world: World, visits: LoggedVisits) -> Predicted:
    """Forecasts of every event of every shown item, and of leaving."""
    steps, slots = visits.slate.shape
    out = Predicted(np.zeros((steps, slots)), np.zeros((steps, slots, len(world.events))), np.zeros(steps))
    hidden = _hidden(world)
    forecast(world.arrays, visits, *_room(world, len(hidden.user), slots), hidden, out)
    return out


def predict_choices(world: World, visits: LoggedVisits, options: PageItems) -> Predicted:
    """Forecasts of which option was chosen, given that one was: the item of `visits.slate`, of shape (S, 1)."""
    if visits.slate.shape[1] != 1:
        raise ValueError(f"slates have {visits.slate.shape[1]} places, a choice has the chosen item alone")
    total = len(options.item)
    out = Predicted(np.zeros(total), np.zeros(total), np.zeros(len(visits.slate)))
    hidden = _hidden(world)
    forecast_choices(world.arrays, visits, options, *_room(world, len(hidden.user), 1), hidden, out)
    return out


def simulate(world: World, visits: LoggedVisits, seed: int) -> Simulated:
    """One draw of the answers; visit i has the key of an environment's first episode under seed + i."""
    steps, slots = visits.slate.shape
    first = np.uint64(seed % (1 << 64))
    keys = np.array([episode_key(first + np.uint64(i), 0) for i in range(len(visits.user))], np.uint64)
    out = Simulated(
        np.zeros((steps, slots), np.int32), np.zeros((steps, slots), np.float32), np.zeros(steps, bool)
    )
    _simulate(world.arrays, visits, keys, *_room(world, 1, slots), out)
    return out


def _room(world: World, draws: int, slots: int) -> tuple[Sessions, Slates, Feedback]:
    feedback = Feedback(
        np.zeros((draws, slots), np.int32),
        np.zeros((draws, slots), np.float32),
        np.zeros(draws, np.int32),
        np.zeros(draws),
        np.zeros(draws, np.bool_),
        np.zeros(draws, np.bool_),
    )
    return empty_sessions(world, draws), np.zeros((draws, slots), np.int64), feedback


def _hidden(world: World) -> Hidden:
    """Strangers are every (1/P)th of the population."""
    mood, mood_prior = _nodes(world.params["mood"])
    patience, patience_prior = _nodes(world.params["patience"])
    cdf = world.arrays.user_cdf
    users = np.minimum(np.searchsorted(cdf, (np.arange(DRAWS) + 0.5) / DRAWS), len(cdf) - 1)
    keys = np.array([episode_key(np.uint64(i), 0) for i in range(DRAWS)], np.uint64)
    room = np.ones((DRAWS, len(mood))), np.ones((DRAWS, len(patience)))
    return Hidden(users.astype(np.int32), keys, mood, mood_prior, patience, patience_prior, *room)


def _nodes(spread: float) -> tuple[Doubles, Doubles]:
    """Places and weights of a normal's Gauss-Hermite rule; one place where there is no spread."""
    if spread == 0.0:
        return np.zeros(1), np.ones(1)
    node, weight = hermite_nodes(NODES)
    return spread * node, weight
