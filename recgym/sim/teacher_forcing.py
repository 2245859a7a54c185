"""A world run over logged visits with their logged slates: forecasts, and simulated responses.

Teacher forcing (`predict`, `predict_choices`; Williams and Zipser, 1989): the logged events update the session as in
the simulator, and the probabilities of a step are conditional on the logged steps before it. Hidden variables are
averaged out: random intercept and frailty by Gauss-Hermite quadrature, a random first intent and an unknown user by
draws. The posterior variance of a user's level adds to that of the random intercept. Weights are the posterior given
the visit so far (Bayes' rule, step by step).

`simulate`: the logged slates are shown to simulated users, drawn from their posterior, who respond by
`session.advance`.

Axes: V visits, S steps of all visits, K positions, E events, O options of all steps, P draws, Q and R quadrature nodes.
"""

from typing import NamedTuple

import numpy as np

from recgym.arrays import Bools, Doubles, Floats, Indices
from recgym.jit import njit
from recgym.numerics import hermite_nodes
from recgym.rng import USER, episode_key, uniform
from recgym.sim.logged_visits import LoggedVisits, Options, PageItems, Predicted
from recgym.sim.scalar_math import draw
from recgym.sim.schema import WorldArrays
from recgym.sim.session import advance
from recgym.sim.session_arrays import empty_feedback, empty_sessions
from recgym.sim.session_start import begin_session
from recgym.sim.state import Feedback, Sessions, Slates
from recgym.sim.teacher_forcing_kernels import Hidden, Keys, copy_step, forecast, forecast_choices
from recgym.sim.world import World

NUM_NODES = 9  # of a quadrature
DRAWS = 48  # of an unknown user, or of a random first intent


class Simulated(NamedTuple):
    """One draw of the responses to the logged slates. Visits go on to their logged end, also where `left` is True."""

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
        begin_session(w, s, 0, user, v.context[visit])
        for step in range(v.begin[visit], v.begin[visit + 1]):
            copy_step(v, step, 1, slate, f)
            advance(w, s, 0, slate, 1, f)
            out.left[step] = f.left[0]
            for k in range(slate.shape[1]):
                out.events[step, k] = f.events[0, k]
                out.watch[step, k] = f.watch[0, k]


def predict(world: World, visits: LoggedVisits) -> Predicted:
    """Probabilities of every event of every shown item, and of leaving."""
    steps, slots = visits.slate.shape
    out = Predicted(np.zeros((steps, slots)), np.zeros((steps, slots, len(world.events))), np.zeros(steps))
    hidden = _hidden(world)
    forecast(world.arrays, visits, *_buffers(world, len(hidden.user), slots), hidden, out)
    return out


def predict_choices(world: World, visits: LoggedVisits, options: PageItems) -> Predicted:
    """Probabilities of the options of each step, given that one is chosen, and of leaving before the next choice.

    Args:
        world: the world.
        visits: their slates, (S, 1), hold the chosen items.
        options: the items that could be chosen.

    Raises:
        ValueError: a slate has more than one item.
    """
    if visits.slate.shape[1] != 1:
        raise ValueError(f"slates have {visits.slate.shape[1]} items, expected 1: the chosen one")
    total = len(options.item)
    out = Predicted(np.zeros(total), np.zeros(total), np.zeros(len(visits.slate)))
    hidden = _hidden(world)
    asked = Options(*options, np.empty(int(np.diff(options.begin).max(initial=0))))
    forecast_choices(world.arrays, visits, asked, *_buffers(world, len(hidden.user), 1), hidden, out)
    if world.arrays.page_items[0] == 0 or not len(visits.slate):
        return out
    return out._replace(left=1.0 - (1.0 - out.left) * (1.0 - _idle_ends(world, visits, options, out.x)))


def _idle_ends(world: World, visits: LoggedVisits, options: PageItems, x: Doubles) -> Doubles:
    """(S,) probability that a visit which goes on after a choice ends before the next one: after slates without any.

    No log of choices has these slates. A choice with probability p on its page stands for 1 / p shown pages (Horvitz
    and Thompson, 1952), of which 1 / p - 1 have none; the frailty is 0.
    """
    w, begin, size = world.arrays, visits.begin, np.diff(options.begin)
    most = float(w.page_items[0])
    odds = np.exp(np.logaddexp.reduceat(x, options.begin[:-1])) / np.maximum(size / most, 1.0)
    none = np.sum(1.0 / odds) / np.sum(1.0 + 1.0 / odds)
    part = np.average(np.minimum(size / most, 1.0), weights=1.0 / odds)
    length = np.diff(begin)
    step = np.arange(len(size)) - np.repeat(begin[:-1], length)
    logit: Doubles = w.leave_time[np.minimum(step, len(w.leave_time) - 1)].astype(np.float64)
    logit += np.repeat(w.leave_context[visits.context], length)
    logit += world.params["leave_bias"] + world.params["leave_idle"]
    stay = np.exp(-part * np.logaddexp(0.0, logit))
    return np.asarray(none * (1.0 - stay) / (1.0 - none * stay), np.float64)


def simulate(world: World, visits: LoggedVisits, seed: int) -> Simulated:
    """One draw of the responses; visit i has the key of an environment's first episode with seed + i."""
    world = world.drawn()
    steps, slots = visits.slate.shape
    first = np.uint64(seed % (1 << 64))
    keys = np.array([episode_key(first + np.uint64(i), 0) for i in range(len(visits.user))], np.uint64)
    out = Simulated(
        np.zeros((steps, slots), np.int32), np.zeros((steps, slots), np.float32), np.zeros(steps, bool)
    )
    _simulate(world.arrays, visits, keys, *_buffers(world, 1, slots), out)
    return out


def _buffers(world: World, draws: int, slots: int) -> tuple[Sessions, Slates, Feedback]:
    return empty_sessions(world, draws), np.zeros((draws, slots), np.int64), empty_feedback(draws, slots)


def _hidden(world: World) -> Hidden:
    """Quadrature nodes, and P draws: an unknown user is at the quantiles (p + 1/2) / P of the population.

    One draw is enough where all users are equal, and their first intent is not random.
    """
    count = DRAWS if world.params["sigma"] > 0.0 or _users_differ(world) else 1
    level = np.zeros(world.num_users) if world.posterior is None else world.posterior.user_bias
    node, mood_prior = _nodes(1.0 if world.params["mood"] > 0.0 or level.any() else 0.0)
    patience, patience_prior = _nodes(world.params["patience"])
    cdf = world.arrays.user_cdf
    users = np.minimum(np.searchsorted(cdf, (np.arange(count) + 0.5) / count), len(cdf) - 1)
    keys = np.array([episode_key(np.uint64(i), 0) for i in range(count)], np.uint64)
    mood, by_mood = np.zeros((count, len(node))), np.ones((count, len(node)))
    return Hidden(
        users.astype(np.int32), keys, level.astype(np.float64), node, mood_prior, patience, patience_prior, mood,
        by_mood, np.ones((count, len(patience))),
    )  # fmt: skip


def _users_differ(world: World) -> bool:
    """Whether an effect of two users differs."""
    spreads = [] if world.posterior is None else list(world.posterior.stored().values())
    effects = (world.arrays.profile, world.arrays.user_bias, world.arrays.event_user, *spreads)
    return world.has_graph or any(np.any(effect != effect[:1]) for effect in effects)


def _nodes(spread: float) -> tuple[Doubles, Doubles]:
    """Gauss-Hermite nodes and weights of N(0, spread^2); one node if `spread` is 0."""
    if spread == 0.0:
        return np.zeros(1), np.ones(1)
    node, weight = hermite_nodes(NUM_NODES)
    return spread * node, weight
