"""The graph of a social world: acceptance of friends, a drawn graph and drawn libraries.

Acceptance is a logistic regression of friend pairs against non-friends matched by degree. It is trained on 80 % of the
friend pairs. Features are friends in common and degrees in the graph of those 80 %, and similarity: the inner product
of two centred profiles of length 1 under a diagonal metric with weights >= 0: friends may be more alike than others,
not less. Where profiles do not differ, similarity has no effect. Matching removes the effect of degrees, so that slopes
describe the choice of a candidate.

The world holds no friends or items of a user of the log: graph and libraries are drawn from the fitted model.

Axes: P pairs, U users, N items, d factors, k = d latent dimensions.
"""

from typing import NamedTuple

import numpy as np
import torch

from recgym.arrays import Arrays, Doubles, Ints
from recgym.fit.autoencoder import FactorModel
from recgym.fit.config import ASSUMED, assumed
from recgym.fit.dataset import Dataset
from recgym.fit.graph_sampler import draw_alike
from recgym.fit.provenance import Provenance, term_names
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
from recgym.numerics import mean_kept_bias
from recgym.sim.engine import Engine
from recgym.sim.friend_requests import friend_request_world, most_candidates
from recgym.sim.reward_arrays import make_reward
from recgym.sim.session import affinity
from recgym.sim.world import World

NON_FRIENDS_PER_PAIR = 3  # matched non-friends of each friend pair
METRIC_PRIOR = 3.0  # weight of the prior of equal weights of the metric
BOUND = 1e-3  # slope on similarity below which it stands on its bound at 0
MIN_FRIEND_PAIRS = 100  # that a graph needs
MAX_LIBRARY_ITEMS = 64  # of a user
NUM_CANDIDATES, NUM_SUGGESTED_TO = 50, 500  # candidates, and users over whom acceptance is calibrated


class Pairs(NamedTuple):
    """Distinct pairs, with the period of each."""

    user: Ints
    item: Ints
    period: Ints


class Acceptance(NamedTuple):
    """logit = similarity x <u, v>_metric + common x log(1 + friends in common) + degree x sum of log(1 + friends)."""

    metric: Doubles  # (d,) weights of the metric, mean 1
    similarity: float  # at least 0; 0 on its bound, and where profiles do not differ
    common: float
    degree: float

    def kin(self, profile: Doubles) -> Doubles:
        """(U, d) latent positions; the similarity of two users is their inner product."""
        kin: Doubles = _unit(profile) * np.sqrt(self.metric)
        return kin


def fit_acceptance(profile: Doubles, train: Ints, whole: FriendGraph, seed: int) -> Acceptance:
    """Penalised maximum likelihood by L-BFGS.

    Args:
        profile: (U, d) profiles of users.
        train: (P, 2) friend pairs; features are of their graph alone.
        whole: the graph of all friend pairs, from which non-friends are drawn.
        seed: of the non-friends.
    """
    graph = FriendGraph.of(train, len(profile))
    pairs = np.concatenate([train, matched_non_friends(train, NON_FRIENDS_PER_PAIR, whole, seed)])
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
        total = total + 0.5 * METRIC_PRIOR * (raw - raw.mean()).square().sum()
        total.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return total

    solver.step(loss)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    weight = raw.detach().square().numpy()
    similarity = float(weight.mean())
    common, degree = (float(value) for value in slopes.detach()[:2])
    if not unit.any() or similarity < BOUND:
        return Acceptance(np.ones_like(weight), 0.0, common, degree)
    return Acceptance(weight / similarity, similarity, common, degree)


def graph_terms(
    log: Log,
    dataset: Dataset,
    factor_model: FactorModel,
    known_pairs: Pairs,
    seed: int,
    arrays: Arrays,
    provenance: Provenance,
) -> dict[str, float]:
    """Writes graph and libraries into `arrays` and their provenance; returns the numbers.

    Without a graph there are no numbers: the log has too few friends, or its domain has none. `known_pairs` are the
    pairs of users and items that are not held out.
    """
    number = np.full(log.num_users, -1)
    number[dataset.user_row] = np.arange(dataset.num_users)
    pairs = np.zeros((0, 2), np.int64) if log.friends is None else indexed_friend_pairs(log, number)
    if no_graph(log, len(pairs), provenance):
        return {}
    whole = FriendGraph.of(pairs, dataset.num_users)
    accept = fit_acceptance(factor_model.profile, split_friend_pairs(pairs, seed)[0], whole, seed)
    kin = accept.kin(factor_model.profile)
    library = draw_libraries(
        inclusion_probabilities(
            factor_model.scores(), np.bincount(known_pairs.user, minlength=dataset.num_users)
        ),
        MAX_LIBRARY_ITEMS,
        seed,
    )
    target = sharing_lift(
        library_table(known_pairs.user, known_pairs.item, dataset.num_users), pairs, dataset.num_items
    )
    drawn = draw_alike(
        whole,
        kin,
        lambda ends: sharing_lift(library, ends, dataset.num_items),
        target,
        accept.similarity,
        seed,
    )
    arrays["friend_start"], arrays["friend"] = drawn.graph
    arrays["kin"], arrays["library"] = kin, library
    differ = bool(kin.any())
    reached = sharing_lift(library, drawn.graph.pairs, dataset.num_items)
    shared = (
        f", shared items {target:.3g} times degree-matched pairs' (reached {reached:.3g})" if differ else ""
    )
    slope = f"slope {drawn.slope:.2f} on similarity of profiles and " if differ else ""
    provenance.fitted(
        "graph",
        f"{len(drawn.graph.friend) // 2} pairs",
        f"drawn: degrees of the log's {len(pairs)} friend pairs, {slope}{drawn.closing:.0%} of choices among "
        f"friends of friends; aimed at transitivity {whole.transitivity():.3g} (reached "
        f"{drawn.graph.transitivity():.3g}){shared}",
    )
    return _numbers(accept, differ, provenance)


def _numbers(accept: Acceptance, differ: bool, provenance: Provenance) -> dict[str, float]:
    """The numbers of acceptance, with their provenance; `differ`: whether users differ in their profiles."""
    where = "friend pairs against non-friends matched by degree"
    slopes = {"taste": accept.similarity, "common": accept.common, "degree": accept.degree}
    numbers = {f"connect_{name}": float(value) for name, value in slopes.items()}
    for name, value in numbers.items():
        provenance.fitted(name, value, where)
    if not differ:
        provenance.absent("connect_taste", "profiles do not differ")
    elif accept.similarity == 0.0:
        provenance.fitted("connect_taste", 0.0, f"{where}: on its bound at 0, friends are no more alike")
    return numbers | {name: provenance.from_table(name) for name in ("omega", "connect_again")}


def no_graph(log: Log, pairs: int, provenance: Provenance) -> bool:
    """Whether a log with `pairs` friend pairs gives no graph; the reason is added to the provenance."""
    if log.friends is None:
        why = "the log has no friend pairs"
    elif log.domain != "social":
        why = f"friend pairs make a graph in social worlds alone, this log is of domain {log.domain}"
    elif pairs < MIN_FRIEND_PAIRS:
        why = f"{pairs} friend pairs of users with rows; a graph needs {MIN_FRIEND_PAIRS}"
    else:
        return False
    for term in ("graph", "omega", *(name for name in term_names(log.domain) if name.startswith("connect_"))):
        provenance.absent(term, why)
    return True


def acceptance_rate(world: World, provenance: Provenance) -> World:
    """The world with `connect_bias` calibrated to the assumed rate of acceptance."""
    if not world.has_graph:
        return world
    friends = friend_request_world(world, min(NUM_CANDIDATES, most_candidates(world)))
    engine = Engine(friends, NUM_SUGGESTED_TO, slate_size=1, horizon=1, reward=make_reward(friends, {}))
    engine.seed(np.arange(NUM_SUGGESTED_TO, dtype=np.uint64))
    engine.reset()
    logits = [
        affinity(friends.arrays, engine.sessions, b, c)
        for b in range(engine.num)
        for c in range(friends.num_items)
    ]
    bias = mean_kept_bias(np.array(logits), assumed(world.domain, "connect_rate"))
    provenance.assumed("connect_bias", bias, ASSUMED[world.domain]["connect_rate"].reason)
    return world.with_params(connect_bias=bias)


def _unit(profile: Doubles) -> Doubles:
    centred = profile - profile.mean(0)
    unit: Doubles = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-9)
    return unit
