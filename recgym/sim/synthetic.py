"""A small world made from a random seed, for tests and examples; it is not fitted to a log.

Axes: U users, N items, d factors, C categories, E events.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recgym.checks import MAX_COUNT, checked_seed, whole_number
from recgym.events import EVENTS
from recgym.sim.schema import CHOICES, params
from recgym.sim.world import World

_EVENT_BIAS = {
    "ecommerce": (0.0, -2.0, -0.8),
    "content": (0.0, 0.5, -3.0, -4.0, -4.0, -4.5, -5.0),
    "social": (0.0, -3.0, -3.5),
}
_PARAMS = {
    "sigma": 0.5,
    "patience": 0.3,
    "eta": 1.0,
    "pull": 0.1,
    "kappa": -0.1,
    "decay": 0.8,
    "rho": 0.3,
    "theta": -0.2,
    "outside": 0.8,
    "leave_bias": -2.2,
    "leave_repeat": 0.4,
    "leave_idle": 0.3,
    "mood": 0.4,
}
HOURS = 24  # contexts

_CONNECT = {
    "connect_bias": -2.0,
    "connect_taste": 1.0,
    "connect_common": 0.6,
    "connect_degree": 0.1,
    "connect_again": -0.5,
}


def _graph(rng: np.random.Generator, num_users: int, num_items: int) -> dict[str, NDArray[Any]]:
    """A random graph with six friends a user on average; libraries of N / 3 items; tastes uniform on a sphere."""
    edges = np.triu(rng.random((num_users, num_users)) < 6.0 / num_users, 1)
    owner, friend = np.nonzero(edges | edges.T)
    kin = rng.normal(size=(num_users, 3))
    liked = rng.permuted(np.tile(np.arange(num_items), (num_users, 1)), axis=1)[:, : max(num_items // 3, 1)]
    return {
        "friend_start": np.searchsorted(owner, np.arange(num_users + 1)),
        "friend": friend,
        "library": np.sort(liked, axis=1),
        "kin": kin / np.linalg.norm(kin, axis=1, keepdims=True),
    }


def _user_arrays(
    rng: np.random.Generator, own: np.random.Generator, num_users: int, num_factors: int, num_events: int
) -> dict[str, NDArray[Any]]:
    return {
        "user_cdf": np.arange(1, num_users + 1) / num_users,
        "profile": rng.normal(size=(num_users, num_factors)),
        "user_bias": 0.3 * rng.normal(size=num_users),
        "event_user": 0.3 * own.normal(size=(num_users, num_events)),
    }


def _item_arrays(
    rng: np.random.Generator, factors: NDArray[Any], price: NDArray[Any], num_events: int
) -> dict[str, NDArray[Any]]:
    num_items = len(factors)
    weights = 1.0 / np.arange(1, num_items + 1)
    return {
        "factors": factors,
        "push": 0.3 * factors + 0.1 * rng.normal(size=factors.shape),
        "item_bias": 0.3 * rng.normal(size=num_items),
        "event_item": 0.2 * rng.normal(size=(num_items, num_events)),
        "leave_item": 0.3 * rng.normal(size=num_items),
        "page": rng.integers(0, 3, num_items),
        "price": price,
        "price_ratio": np.exp(0.4 * price),
        "duration": np.exp(rng.normal(10.0, 0.8, num_items)),
        "exposure": weights / weights.sum(),
    }


def _shared_arrays(domain: str) -> dict[str, NDArray[Any]]:
    """Parameters, and arrays without users and items."""
    events, connect = EVENTS[domain], _CONNECT if domain == "social" else {}
    num_events, names = len(events), [event.name for event in events]
    shares = np.linspace(0, 1, 17)
    return {
        "params": params(**_PARAMS, **connect),
        "choice": np.array([CHOICES.index("one" if domain == "ecommerce" else "independent")]),
        "watch": np.array([int(domain == "content")]),
        "logged_stay": np.array([0.3]),
        "context_cdf": np.arange(1, HOURS + 1) / HOURS,
        "context_bias": 0.2 * np.sin(np.arange(HOURS)),
        "leave_context": 0.2 * np.cos(np.arange(HOURS)),
        "examine": 1.0 / np.log2(np.arange(50) + 2.0),
        "event_bias": np.array(_EVENT_BIAS[domain]),
        "event_gain": np.full(num_events, 0.4),
        "event_link": 0.5 * np.tri(num_events, 2, -1),
        "event_needs": np.array(
            [-1 if event.needs is None else names.index(event.needs) for event in events]
        ),
        "watch_quantiles": np.stack([shares, shares, np.linspace(0, 2, 17) ** 2]),
        "leave_time": -0.1 * np.log1p(np.arange(32)),
        "leave_run": 0.15 * np.log1p(np.arange(12)),
    }


def synthetic(
    seed: int = 0,
    *,
    domain: str = "ecommerce",
    num_users: int = 50,
    num_items: int = 30,
    num_factors: int = 8,
    num_categories: int = 4,
    spread: float = 1.0,
) -> World:
    """A world of `domain` with every term of the session model.

    Args:
        seed: random seed.
        domain: "ecommerce", "content" or "social".
        num_users: U, at least 1.
        num_items: N, at least 1.
        num_factors: d, at least 1.
        num_categories: C, at least 1; categories are uniform over the items, and their factors are clustered.
        spread: scale of the factors, and so of the affinities.
    """
    seed = checked_seed(seed)
    num_users, num_items = (
        whole_number(value, name, 1, MAX_COUNT)
        for name, value in (("num_users", num_users), ("num_items", num_items))
    )
    rng = np.random.default_rng(np.random.SeedSequence([seed, num_users, num_items]))
    own = np.random.default_rng([seed, num_users, 1])
    num_events = len(EVENTS[domain])
    category = rng.integers(0, num_categories, num_items)
    centres = rng.normal(size=(num_categories, num_factors))
    factors = (
        spread
        * (0.7 * centres[category] + 0.7 * rng.normal(size=(num_items, num_factors)))
        / num_factors**0.5
    )
    price = rng.normal(size=num_items)
    arrays = {  # the order of the draws is part of the result
        **_user_arrays(rng, own, num_users, num_factors, num_events),
        **_item_arrays(rng, factors, price, num_events),
        **_shared_arrays(domain),
        "category": category,
    }
    if domain == "social" and num_users > 1:  # a single user has no friends
        arrays |= _graph(np.random.default_rng([seed, num_users, 2]), num_users, num_items)
    term = {"term": "all", "value": None, "source": "made from a seed", "status": "assumed"}
    return World.build(
        f"synthetic-{seed}",
        domain,
        arrays,
        categories=tuple(f"c{i}" for i in range(num_categories)),
        contexts=tuple(str(hour) for hour in range(HOURS)),
        user_feature_names=("age", "activity"),
        user_features=rng.uniform(-1, 1, size=(num_users, 2)),
        card={"sources": [], "licence": "MIT", "terms": [term], "figures": []},
    )
