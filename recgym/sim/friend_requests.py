"""The graph of friends: its effect on affinity, and friend requests, the session model in which items are people.

An episode of friend requests has a user and M candidates, drawn at its start; item c is candidate c. The category of an
item is how the candidate was drawn:
    friend of a friend   by a walk of two steps in the graph
    shares items         of NUM_STRANGERS random users the one with the most items in common
    stranger             a random user; also if the other two ways find nobody
The logit of accepting candidate c is
    x = connect_bias + connect_taste <kin_u, kin_c> + connect_common log(1 + common)
        + connect_degree (log(1 + friends_u) + log(1 + friends_c)) + connect_again refusals,
where `common` is the number of friends in common. An accepted candidate is a friend of the user for the rest of the
episode: no longer available, and a friend in common with those candidates whom he or she knows.

Axes: B sessions, U users, M candidates.
"""

import math

import numpy as np

from recgym.arrays import Floats
from recgym.jit import njit
from recgym.rng import CANDIDATE, uniform
from recgym.sim.common_items import common_items, mark_library
from recgym.sim.scalar_math import first_not_below, minimum
from recgym.sim.schema import (
    CONNECT_AGAIN,
    CONNECT_BIAS,
    CONNECT_COMMON,
    CONNECT_DEGREE,
    CONNECT_TASTE,
    FRIENDS,
    LAYOUT,
    WorldArrays,
)
from recgym.sim.state import Sessions
from recgym.sim.user_pairs import TAKEN, UserPairs
from recgym.sim.world import World

KINDS = ("friend of a friend", "shares items", "stranger")
KIND_SHARES = (0.4, 0.3, 0.3)  # of the candidates, by kind
MAX_WALKS, NUM_STRANGERS = 16, 8  # walks that are tried; random users that are compared
COLUMNS_PER_CANDIDATE = 2 * MAX_WALKS + NUM_STRANGERS + 1  # random numbers of a candidate
FRIEND_LOGIT = -1e6  # logit of a candidate who was accepted
COMMON_SCALE = math.log(51.0)  # log(1 + friends in common) that maps to 1 in the observation
FRIENDS_SCALE = math.log(151.0)  # log(1 + friends) that maps to 1
SHARED_SCALE, REFUSED_SCALE = 25.0, 5.0  # items in common, and refusals, that map to 1
SCALED_COMMON = np.array(
    [math.log(1.0 + n) / COMMON_SCALE for n in range(51)]
)  # of 0, 1, ... friends in common
SCALED_FRIENDS = np.array([math.log(1.0 + n) / FRIENDS_SCALE for n in range(151)])  # of 0, 1, ... friends
CANDIDATE_FEATURES = 5  # columns of a candidate in the observation "features"


@njit()
def num_friends(w: WorldArrays, user: int) -> int:
    """Friends in the graph, without those accepted in this episode."""
    return w.friend_start[user + 1] - w.friend_start[user]


@njit()
def are_friends(w: WorldArrays, user: int, other: int) -> bool:
    """Whether the graph has the edge."""
    end = w.friend_start[user + 1]
    place = first_not_below(w.friend, w.friend_start[user], end, other)
    return place < end and w.friend[place] == other


@njit()
def in_library(w: WorldArrays, user: int, item: int) -> bool:
    """Whether the item is in the user's library."""
    size = w.library.shape[1]
    place = first_not_below(w.library[user], 0, size, item)
    return place < size and w.library[user, place] == item


@njit()
def num_friends_with_item(w: WorldArrays, user: int, item: int) -> int:
    """friends(u, i): number of the user's friends with the item in their library; 0 in a world without a graph."""
    count = 0
    if w.friend_start.shape[0] > 1:
        for at in range(w.friend_start[user], w.friend_start[user + 1]):
            if in_library(w, w.friend[at], item):
                count += 1
    return count


@njit()
def common_friends(w: WorldArrays, user: int, other: int) -> int:
    """Number of friends in common. Merge of two ascending lists."""
    a, b, count = w.friend_start[user], w.friend_start[other], 0
    while a < w.friend_start[user + 1] and b < w.friend_start[other + 1]:
        x, y = w.friend[a], w.friend[b]
        count += int(x == y)
        a += int(x <= y)
        b += int(x >= y)
    return count


@njit()
def is_available(w: WorldArrays, pairs: UserPairs, s: Sessions, b: int, count: int, other: int) -> bool:
    """Whether `other` can be candidate number `count`: not the user, not a friend, not an earlier candidate."""
    user = s.user[b]
    if pairs.friends.shape[0] > 0:
        if pairs.friends[user, other] == TAKEN:
            return False
    elif other == user or are_friends(w, user, other):
        return False
    earlier = 0
    for c in range(count):  # without a branch it is vectorised
        earlier += int(s.candidate[b, c] == other)
    return earlier == 0


@njit()
def draw_friend_of_friend(w: WorldArrays, pairs: UserPairs, s: Sessions, b: int, c: int) -> int:
    """A friend of a friend for candidate c, -1 if the walks find none."""
    user = s.user[b]
    own = num_friends(w, user)
    for i in range(MAX_WALKS if own > 0 else 0):
        column = c * COLUMNS_PER_CANDIDATE + 2 * i
        middle = w.friend[w.friend_start[user] + int(uniform(s.key[b], 0, CANDIDATE, column) * own)]
        place = int(uniform(s.key[b], 0, CANDIDATE, column + 1) * num_friends(w, middle))
        other = int(w.friend[w.friend_start[middle] + place])
        if is_available(w, pairs, s, b, c, other):
            return other
    return -1


@njit()
def draw_similar_user(w: WorldArrays, pairs: UserPairs, s: Sessions, b: int, c: int, mask: int) -> int:
    """Of NUM_STRANGERS random users the one with the most items in common, -1 if none is available."""
    best, most, num_users = -1, -1, w.library.shape[0]
    for i in range(NUM_STRANGERS):
        other = int(
            uniform(s.key[b], 0, CANDIDATE, c * COLUMNS_PER_CANDIDATE + 2 * MAX_WALKS + i) * num_users
        )
        shared = shared_items(w, pairs, s, b, other, mask)
        if shared > most and is_available(w, pairs, s, b, c, other):
            best, most = other, shared
    return best


@njit()
def shared_items(w: WorldArrays, pairs: UserPairs, s: Sessions, b: int, other: int, mask: int) -> int:
    """Items in common of session b's user and another."""
    if pairs.items.shape[0] > 0:
        return int(pairs.items[s.user[b], other])
    return common_items(w, s, b, other, mask)


@njit()
def draw_candidates(w: WorldArrays, pairs: UserPairs, s: Sessions, b: int) -> None:
    """Draw the episode's candidates, in a world of friend requests."""
    if w.choice[0] != FRIENDS:
        return
    user, num_users = s.user[b], w.library.shape[0]
    has_tables = pairs.friends.shape[0] > 0
    mask = 0 if has_tables else mark_library(w, s, b)
    for c in range(s.candidate.shape[1]):
        other = -1
        if w.category[c] == 0:
            other = draw_friend_of_friend(w, pairs, s, b, c)
        elif w.category[c] == 1:
            other = draw_similar_user(w, pairs, s, b, c, mask)
        if other < 0:  # the first available user from a random index on
            column = (c + 1) * COLUMNS_PER_CANDIDATE - 1
            other = int(uniform(s.key[b], 0, CANDIDATE, column) * num_users)
            while not is_available(w, pairs, s, b, c, other):
                other = (other + 1) % num_users
        s.candidate[b, c] = other
        s.shared[b, c] = shared_items(w, pairs, s, b, other, mask)
        s.tie[b, c] = int(pairs.friends[user, other]) if has_tables else common_friends(w, user, other)
    s.refused[b, :] = 0


@njit()
def acceptance_logit(w: WorldArrays, s: Sessions, b: int, c: int) -> float:
    """Logit of accepting candidate c."""
    if s.tie[b, c] < 0:
        return FRIEND_LOGIT
    user, other = s.user[b], s.candidate[b, c]
    kin, of_other, taste = w.kin[user], w.kin[other], 0.0
    for j in range(kin.shape[0]):
        taste += float(kin[j]) * float(of_other[j])
    x = w.params[CONNECT_BIAS] + w.params[CONNECT_TASTE] * taste
    x += w.params[CONNECT_COMMON] * math.log(1.0 + s.tie[b, c])
    x += w.params[CONNECT_DEGREE] * math.log((1.0 + num_friends(w, user)) * (1.0 + num_friends(w, other)))
    return x + w.params[CONNECT_AGAIN] * s.refused[b, c]


@njit()
def apply_reply(w: WorldArrays, s: Sessions, b: int, c: int, accepted: bool) -> None:
    """Update after candidate c was suggested: count a refusal, or add an edge until the episode ends."""
    if not accepted:
        s.refused[b, c] += 1
        return
    s.tie[b, c] = -1
    for d in range(s.candidate.shape[1]):
        if s.tie[b, d] >= 0 and are_friends(w, s.candidate[b, c], s.candidate[b, d]):
            s.tie[b, d] += 1


@njit()
def candidate_features(w: WorldArrays, s: Sessions, b: int, out: Floats) -> None:
    """Fill the last 5 M columns of `out` (width,).

    By candidate: friends in common, friends, items in common, refusals, whether he or she accepted.
    """
    candidate, shared, tie, refused = s.candidate[b], s.shared[b], s.tie[b], s.refused[b]
    size = candidate.shape[0]
    # each block is a view whose index begins at 0, so that its loop becomes vector instructions
    block = out[out.shape[0] - CANDIDATE_FEATURES * size :]
    for c in range(size):
        block[c] = SCALED_COMMON[minimum(tie[c], 50) if tie[c] > 0 else 0]
    block = block[size:]
    for c in range(size):
        block[c] = SCALED_FRIENDS[minimum(num_friends(w, candidate[c]), 150)]
    block = block[size:]
    for c in range(size):
        block[c] = min_one(shared[c] / SHARED_SCALE)
    block = block[size:]
    for c in range(size):
        block[c] = min_one(refused[c] / REFUSED_SCALE)
    block = block[size:]
    for c in range(size):
        block[c] = 1.0 if tie[c] < 0 else 0.0


@njit()
def min_one(x: float) -> float:
    """The smaller of x and 1."""
    return x if x < 1.0 else 1.0


def most_candidates(world: World) -> int:
    """Largest M such that every user of the world has M candidates; ValueError if the world has no graph."""
    if not world.has_graph:
        why = {row["term"]: row["source"] for row in world.card.get("terms", [])}.get("graph")
        raise ValueError(
            f"world {world.name} has no graph of friends: {why or 'fit it from a social log with friend pairs'}"
        )
    return world.num_users - 1 - int(np.diff(world.arrays.friend_start).max())


def friend_request_world(world: World, candidates: int) -> World:
    """The world of friend requests over a social world. Of the leaving terms it keeps time, context and no response.

    Args:
        world: a social world with a graph.
        candidates: M, from 1 to `most_candidates(world)`.
    """
    if not 1 <= candidates <= most_candidates(world):
        raise ValueError(
            f"n_items is {candidates}, world {world.name} allows 1 to {most_candidates(world)} candidates"
        )
    places = np.floor(np.cumsum(KIND_SHARES) * candidates + 0.5)
    width = {"d": 1, "E": 1, "2": 2, "N": candidates, "U": world.num_users}
    arrays = world.arrays._asdict() | {
        name: np.zeros([width[axis] for axis in layout.axes])
        for name, layout in LAYOUT.items()
        if "N" in layout.axes or "d" in layout.axes or "E" in layout.axes
    }
    arrays |= {
        "choice": np.array([FRIENDS]),
        "watch": np.zeros(1),
        "category": np.minimum(np.searchsorted(places, np.arange(candidates), side="right"), len(KINDS) - 1),
        "price_ratio": np.ones(candidates),
        "exposure": np.full(candidates, 1.0 / candidates),
        "examine": np.ones(candidates),
        "event_gain": np.ones(1),
        "event_needs": np.full(1, -1),
        "leave_run": np.zeros(1),
        "logged_stay": np.zeros(1),
    }
    return World.build(
        world.name,
        "friends",
        arrays,
        categories=KINDS,
        contexts=world.contexts,
        user_feature_names=world.user_feature_names,
        user_features=world.user_features,
        card=world.card,
        ids=None if world.ids is None else world.ids._replace(items=()),
        origin=f"friends {world.index_digest}",  # items are candidates, so logs of the social world do not fit
    )
