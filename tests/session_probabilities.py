"""What the session model says in fixed states of a world, for tests of changed worlds."""

import numpy as np

from recgym.sim.engine import Engine
from recgym.sim.friend_requests import friend_request_world, num_friends_with_item
from recgym.sim.leaving import leave_logit
from recgym.sim.page_exposure import shown_share
from recgym.sim.reward_arrays import make_reward
from recgym.sim.session import affinity, apply_feedback, event_logit
from recgym.sim.state import Feedback


def engine_of(world, num=1):
    engine = Engine(world, num, slate_size=1, horizon=50, reward=make_reward(world, {}))
    engine.seed(np.arange(num, dtype=np.uint64))
    engine.reset()
    return engine


def probabilities(world):
    """What the session model says in fixed states, by name: logits, state after two steps, examination, exposure."""
    w, engine = world.arrays, engine_of(world)
    s = engine.sessions
    s.mood[:], s.patience[:] = 0.0, 0.0
    found = {"fresh": np.array([affinity(w, s, 0, item) for item in range(40)])}
    friend, liked = friend_and_item(world)
    own, s.user[0] = s.user[0], friend
    found["friends"] = np.array([affinity(w, s, 0, liked)])
    s.user[0] = own
    for e in range(1, len(world.events)):
        for second in (False, True):
            x = np.array([event_logit(w, own, 3, e, x, True, second) for x in (-2.0, 0.0, 1.5)])
            found[f"event:{world.events[e].name}/{second}"] = x
    s.satiation[0, w.category[3]] = 2.0
    found["satiated"] = np.array([affinity(w, s, 0, 3)])
    s.satiation[:] = 0.0
    s.memory[0, 0], s.engaged[0] = 3, 1
    found["repeat"] = np.array([affinity(w, s, 0, 3)])
    s.memory[0, 0], s.engaged[0] = -1, 0
    for name, run, none in (("run 1", 1, 0), ("run 4", 4, 0), ("no response", 1, 1)):
        found[f"leaving after {name}"] = np.array([leave_logit(w, s, 0, 1, 3, run, False, none)])
    for bits in (1, 0):
        f = Feedback(*(np.zeros((1, 1)),) * 6)._replace(events=np.full((1, 1), bits))
        apply_feedback(w, s, 0, np.array([[3]]), f)
    found["satiation"], found["intent"] = s.satiation[0].copy(), s.intent[0].copy()
    found["frailty"] = engine_of(world, 64).sessions.patience.copy()
    found["examined"], found["exposure"] = w.examine.copy(), shown_share(world)
    if world.has_graph:
        friends = friend_request_world(world, 20)
        engine = engine_of(friends)
        found["request"] = np.array([affinity(friends.arrays, engine.sessions, 0, c) for c in range(20)])
        engine.sessions.refused[:] = 1
        found["request again"] = np.array(
            [affinity(friends.arrays, engine.sessions, 0, c) for c in range(20)]
        )
    return {name: np.asarray(values, np.float64) for name, values in found.items()}


def friend_and_item(world):
    """A user and an item that most of the user's friends have; (0, 0) without a graph."""
    if not world.has_graph:
        return 0, 0
    counts = {
        (user, item): num_friends_with_item(world.arrays, user, item)
        for user in range(30)
        for item in range(20)
    }
    return max(counts, key=counts.get)
