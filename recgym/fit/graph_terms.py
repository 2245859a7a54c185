"""From a log's friend pairs to a world's graph: who is alike, who accepts whom, a drawn graph, drawn libraries.

Acceptance is a logistic of friend pairs against pairs of strangers matched by degree, 80 % of the friend pairs
to learn from, with what the graph of those 80 % tells of both (friends in common, degrees) and a likeness of taste:
the sum over dimensions of weight x product of two profiles, each centred and of length 1, weights >= 0 (a diagonal
metric). Matching takes away what degrees alone tell, so that the slopes are those of choosing somebody.

Nothing of anybody's own friends or items goes into the world: graph and libraries are draws from the fit.

Axes: P pairs, U users, N items, d factors, k = d dimensions of taste.
"""

from typing import NamedTuple

import numpy as np
import torch

from recgym.arrays import Arrays, Doubles, Ints
from recgym.fit.autoencoder import Taste
from recgym.fit.config import ASSUMED, assumed
from recgym.fit.dataset import Dataset
from recgym.fit.graph_sampler import draw_alike
from recgym.fit.provenance import Provenance, mean_kept_bias, term_names
from recgym.logs import Log
from recgym.logs.friend_graph import (
    FriendGraph,
    draw_libraries,
    inclusion_probabilities,
    indexed_friend_pairs,
    library_table,
    matched_non_friends,
    sharing_lift,
    split_friend_pairs,
)
from recgym.sim.engine import Engine
from recgym.sim.friend_requests import friend_request_world, most_candidates
from recgym.sim.reward_arrays import make_reward
from recgym.sim.session import affinity
from recgym.sim.world import World

STRANGERS = 3  # matched with each friend pair
SHRINK = 3.0  # prior weight of a metric of equal dimensions
LEAST = 100  # friend pairs, for a graph
LONGEST = 64  # items in a library at most
CANDIDATES, SUGGESTED_TO = 50, 500  # of the environment; users among whom the rate of acceptance is set


class Pairs(NamedTuple):
    """Distinct pairs, with the period of each."""

    user: Ints
    item: Ints
    period: Ints


class Acceptance(NamedTuple):
    """Logit that a pair are friends: taste x likeness + common x log(1 + common) + degree x sum of log(1 + friends)."""

    metric: Doubles  # (d,) weights of likeness, mean 1
    taste: float
    common: float
    degree: float

    def kin(self, profile: Doubles) -> Doubles:
        """(U, d) where users stand: likeness of two is their product."""
        kin: Doubles = _unit(profile) * np.sqrt(self.metric)
        return kin


def fit_acceptance(profile: Doubles, train: Ints, whole: FriendGraph, seed: int) -> Acceptance:
    """Penalised likelihood by L-BFGS; `whole` says who are no strangers, `train` alone what a graph tells."""
    graph = FriendGraph.of(train, len(profile))
    pairs = np.concatenate([train, matched_non_friends(train, STRANGERS, whole, seed)])
    flag = torch.as_tensor((np.arange(len(pairs)) < len(train)).astype(np.float64))
    unit = _unit(profile)
    products = torch.as_tensor(unit[pairs[:, 0]] * unit[pairs[:, 1]])
    known = torch.as_tensor(graph.pair_features(pairs))
    raw = torch.full((profile.shape[1],), 1.0, dtype=torch.float64, requires_grad=True)
    slopes = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    solver = torch.optim.LBFGS([raw, slopes], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        solver.zero_grad()
        logit = products @ raw.square() + known @ slopes[:2] + slopes[2]
        total = torch.nn.functional.binary_cross_entropy_with_logits(logit, flag, reduction="sum")
        total = total + 0.5 * SHRINK * (raw - raw.mean()).square().sum()
        total.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return total

    solver.step(loss)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    weight = raw.detach().square().numpy()
    taste = float(weight.mean())
    common, degree = (float(value) for value in slopes.detach()[:2])
    return Acceptance(weight / taste, taste, common, degree)


def graph_terms(
    log: Log, frame: Dataset, taste: Taste, had: Pairs, seed: int, arrays: Arrays, ledger: Provenance
) -> dict[str, float]:
    """Write graph and libraries into `arrays`, their terms into the card; returns the numbers.

    No numbers where the log has too few friends, or is of a domain without them: the card says which. `had` are the
    pairs of users and items that are not held out.
    """
    number = np.full(log.num_users, -1)
    number[frame.user_row] = np.arange(frame.num_users)
    pairs = np.zeros((0, 2), np.int64) if log.friends is None else indexed_friend_pairs(log, number)
    if no_graph(log, len(pairs), ledger):
        return {}
    whole = FriendGraph.of(pairs, frame.num_users)
    accept = fit_acceptance(taste.profile, split_friend_pairs(pairs, seed)[0], whole, seed)
    kin = accept.kin(taste.profile)
    library = draw_libraries(
        inclusion_probabilities(taste.scores(), np.bincount(had.user, minlength=frame.num_users)),
        LONGEST,
        seed,
    )
    wanted = sharing_lift(library_table(had.user, had.item, frame.num_users), pairs, frame.num_items)
    drawn = draw_alike(
        whole, kin, lambda ends: sharing_lift(library, ends, frame.num_items), wanted, accept.taste, seed
    )
    arrays["friend_start"], arrays["friend"] = drawn.graph
    arrays["kin"], arrays["library"] = kin, library
    ledger.fitted(
        "graph",
        f"{len(drawn.graph.friend) // 2} pairs",
        f"drawn: degrees of the log's {len(pairs)} friend pairs, slope {drawn.slope:.2f} on likeness of taste and "
        f"{drawn.closing:.0%} of choices among friends of friends, set to what friends share and to transitivity",
    )
    where = "friend pairs against strangers matched by degree"
    for name in ("taste", "common", "degree"):
        ledger.fitted(f"connect_{name}", getattr(accept, name), where)
    numbers = {f"connect_{name}": float(getattr(accept, name)) for name in ("taste", "common", "degree")}
    numbers |= {name: ledger.from_table(name) for name in ("omega", "connect_again")}
    return numbers


def no_graph(log: Log, pairs: int, ledger: Provenance) -> bool:
    """Whether a log with so many friend pairs makes no graph; then the card says why."""
    if log.friends is None:
        why = "the log has no friend pairs"
    elif log.domain != "social":
        why = f"friend pairs make a graph in social worlds alone, this log is of domain {log.domain}"
    elif pairs < LEAST:
        why = f"{pairs} friend pairs of users with rows; a graph needs {LEAST}"
    else:
        return False
    for term in ("graph", "omega", *(name for name in term_names(log.domain) if name.startswith("connect_"))):
        ledger.absent(term, why)
    return True


def acceptance_rate(world: World, ledger: Provenance) -> World:
    """The world with `connect_bias` at which a candidate is accepted as often as is assumed."""
    if not world.has_graph:
        return world
    friends = friend_request_world(world, min(CANDIDATES, most_candidates(world)))
    engine = Engine(friends, SUGGESTED_TO, slate_size=1, horizon=1, reward=make_reward(friends, {}))
    engine.seed(np.arange(SUGGESTED_TO, dtype=np.uint64))
    engine.reset()
    logits = [
        affinity(friends.arrays, engine.sessions, b, c)
        for b in range(engine.num)
        for c in range(friends.num_items)
    ]
    bias = mean_kept_bias(np.array(logits), assumed(world.domain, "connect_rate"))
    ledger.assumed("connect_bias", bias, ASSUMED[world.domain]["connect_rate"].reason)
    return world.with_params(connect_bias=bias)


def _unit(profile: Doubles) -> Doubles:
    centred = profile - profile.mean(0)
    unit: Doubles = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-9)
    return unit
