"""A small world made from a seed, for tests and for learning the ropes: nothing in it was fitted from a log."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recgym.events import EVENTS
from recgym.sim.schema import CHOICES, params
from recgym.sim.world import World

_EVENT_BIAS = {
    "ecommerce": (0.0, -2.0, -0.8),
    "content": (0.0, 0.5, -3.0, -4.0, -4.0, -4.5, -5.0),
    "social": (0.0, -3.0, -3.5),
}


_CONNECT = {
    "connect_bias": -2.0,
    "connect_taste": 1.0,
    "connect_common": 0.6,
    "connect_degree": 0.1,
    "connect_again": -0.5,
}


def _graph(rng: np.random.Generator, num_users: int, num_items: int) -> dict[str, NDArray[Any]]:
    """Six friends each on average, a third of the catalogue in each library, tastes on a sphere."""
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
    """A world of `domain` in which every term of the session model is at work.

    Factors, profiles and biases are normal numbers; `spread` scales the affinities. Item categories are drawn evenly,
    and items of one category lie near one another.
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, num_users, num_items]))
    own = np.random.default_rng([seed, num_users, 1])
    events = EVENTS[domain]
    num_events = len(events)
    names = [event.name for event in events]
    category = rng.integers(0, num_categories, num_items)
    centres = rng.normal(size=(num_categories, num_factors))
    factors = (
        spread
        * (0.7 * centres[category] + 0.7 * rng.normal(size=(num_items, num_factors)))
        / num_factors**0.5
    )
    price = rng.normal(size=num_items)
    weights = 1.0 / np.arange(1, num_items + 1)
    hours = 24
    arrays = {
        "params": params(
            sigma=0.5,
            patience=0.3,
            eta=1.0,
            pull=0.1,
            kappa=-0.1,
            decay=0.8,
            rho=0.3,
            theta=-0.2,
            outside=0.8,
            leave_bias=-2.2,
            leave_repeat=0.4,
            leave_idle=0.3,
            mood=0.4,
            **(_CONNECT if domain == "social" else {}),
        ),
        "choice": np.array([CHOICES.index("one" if domain == "ecommerce" else "independent")]),
        "watch": np.array([int(domain == "content")]),
        "user_cdf": np.arange(1, num_users + 1) / num_users,
        "profile": rng.normal(size=(num_users, num_factors)),
        "user_bias": 0.3 * rng.normal(size=num_users),
        "factors": factors,
        "push": 0.3 * factors + 0.1 * rng.normal(size=(num_items, num_factors)),
        "item_bias": 0.3 * rng.normal(size=num_items),
        "event_item": 0.2 * rng.normal(size=(num_items, num_events)),
        "event_user": 0.3 * own.normal(size=(num_users, num_events)),
        "leave_item": 0.3 * rng.normal(size=num_items),
        "category": category,
        "page": rng.integers(0, 3, num_items),
        "price": price,
        "price_ratio": np.exp(0.4 * price),
        "duration": np.exp(rng.normal(10.0, 0.8, num_items)),
        "exposure": weights / weights.sum(),
        "logged_stay": np.array([0.3]),
        "context_cdf": np.arange(1, hours + 1) / hours,
        "context_bias": 0.2 * np.sin(np.arange(hours)),
        "leave_context": 0.2 * np.cos(np.arange(hours)),
        "examine": 1.0 / np.log2(np.arange(50) + 2.0),
        "event_bias": np.array(_EVENT_BIAS[domain]),
        "event_gain": np.full(num_events, 0.4),
        "event_link": 0.5 * np.tri(num_events, 2, -1),
        "event_needs": np.array(
            [-1 if event.needs is None else names.index(event.needs) for event in events]
        ),
        "watch_quantiles": np.stack(
            [np.linspace(0, 1, 17), np.linspace(0, 1, 17), np.linspace(0, 2, 17) ** 2]
        ),
        "leave_time": -0.1 * np.log1p(np.arange(32)),
        "leave_run": 0.15 * np.log1p(np.arange(12)),
    }
    if domain == "social" and num_users > 1:  # nobody alone has friends
        arrays |= _graph(np.random.default_rng([seed, num_users, 2]), num_users, num_items)
    terms = {"source": "made from a seed", "status": "assumed"}
    return World.build(
        f"synthetic-{seed}",
        domain,
        arrays,
        categories=tuple(f"c{i}" for i in range(num_categories)),
        contexts=tuple(str(hour) for hour in range(hours)),
        user_feature_names=("age", "activity"),
        user_features=rng.uniform(-1, 1, size=(num_users, 2)),
        card={
            "sources": [],
            "licence": "MIT",
            "terms": [{"term": "all", "value": None, **terms}],
            "figures": [],
        },
    )
