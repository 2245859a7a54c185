"""Planning with the simulator itself: an upper bound for agents, and the benchmark's score of 1.

Open-loop Monte-Carlo tree search (Perez Liebana et al., 2015, "Open loop search for general video game playing"; UCT:
Kocsis and Szepesvari, 2006): a node is a sequence of actions. Each simulation copies the session, continues it with
random numbers of its own, and chooses actions by upper confidence bounds. Below the tree the return is that of a
stationary policy. Rewards and staying enter by their expectations; only the responses, which change the state, are
drawn. (With drawn rewards and drawn leaving, a hundred simulations were worse than none.) The random numbers of the
real session are not used.

The stationary value takes the expected rewards r_i and the probabilities of staying g_i of the items as constant:
    v <- max_i r_i + g_i v, once for each step that remains.
It includes that the session may end, but not that the state changes.

For slates an action is the top item; the rest is filled by the stationary score r_i + g_i v.

Axes: B sessions, K positions.
"""

import numpy as np
from numpy.typing import NDArray

from recgym.rng import PLAN, episode_key
from recgym.sim.engine import Engine
from recgym.sim.session_arrays import empty_feedback, empty_sessions
from recgym.sim.state import Slates
from recgym.sim.tree_search import Scratch, SearchSettings, search

POOL_SIZE = 24  # items of the root that are searched
MAX_CANDIDATES = 10  # actions of a node
MAX_DEPTH = 8  # [steps] of the tree


def plan(
    engine: Engine, rows: NDArray[np.bool_] | None = None, *, simulations: int = 100, seed: int = 0
) -> Slates:
    """Slates (B, K) for the current step of an engine's sessions; the engine does not change.

    Args:
        engine: the sessions. Their hidden variables are read, their future random numbers are not.
        rows: (B,) sessions that need a slate, all by default; the others get zeros.
        simulations: for each decision, at least 0; with 0 the policy is the stationary one.
        seed: random seed of the simulations.

    Raises:
        ValueError: simulations is negative.
    """
    if simulations < 0:
        raise ValueError(f"simulations is {simulations}, expected at least 0")
    out = np.zeros((engine.num, engine.slate_size), np.int64)
    search(
        engine.world.arrays,
        engine.reward,
        engine.sessions,
        engine.all_rows if rows is None else rows,
        SearchSettings(engine.horizon, simulations, np.uint64(episode_key(np.uint64(seed), PLAN))),
        _scratch(engine, simulations),
        out,
    )
    return out


def _scratch(engine: Engine, simulations: int) -> Scratch:
    world, slots = engine.world, engine.slate_size
    size = min(max(POOL_SIZE, slots), world.num_items)
    arms, nodes = min(max(MAX_CANDIDATES, slots), size), simulations + 2
    return Scratch(
        reward=np.zeros(world.num_items),
        stay=np.zeros(world.num_items),
        pool=np.zeros(size, np.int32),
        pool_score=np.zeros(size),
        candidates=np.zeros((nodes, arms), np.int32),
        visits=np.zeros((nodes, arms), np.int32),
        total=np.zeros((nodes, arms)),
        square=np.zeros(arms),
        child=np.zeros((nodes, arms), np.int32),
        path_node=np.zeros(MAX_DEPTH, np.int32),
        path_arm=np.zeros(MAX_DEPTH, np.int32),
        path_reward=np.zeros(MAX_DEPTH),
        path_stay=np.zeros(MAX_DEPTH),
        slate=np.zeros((1, slots), np.int64),
        branch=empty_sessions(world, 1),
        feedback=empty_feedback(1, slots),
    )
