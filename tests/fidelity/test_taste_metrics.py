"""Figures of taste, of worlds with and without it; the sources of affinity against closed forms."""

from types import SimpleNamespace

import numpy as np
import pytest
from card_figures import by_id

from recgym.fidelity.evaluation import Evaluation
from recgym.fidelity.indexed_log import align
from recgym.fidelity.taste_metrics import affinities, taste
from recgym.logs.kinds import IMPRESSIONS
from recgym.logs.sample import sample_log
from recgym.logs.splits import split_since
from recgym.sim.synthetic import synthetic


def world_of(scale: float, **params):
    """A world of six categories in which tastes are for categories alone, of this standard deviation."""
    rng = np.random.default_rng(2)
    world = synthetic(1, domain="content", num_users=300, num_items=60, num_factors=6, num_categories=6)
    factors = np.eye(6)[world.arrays.category]
    return world.with_arrays(
        factors=factors, profile=scale * rng.normal(size=(300, 6)), push=0 * factors, user_bias=rng.normal(0, 0.7, 300),
        item_bias=rng.normal(0, 0.4, 60),
    ).with_params(**{"sigma": 0.0, "mood": 0.0, "kappa": 0.0, "rho": 0.0} | params)  # fmt: skip


def by_figure(found):
    return by_id({"figures": [row.entry() for row in found]})


@pytest.fixture(scope="module")
def verdicts():
    """Of a log of a world with tastes: that world, and one without."""
    truth = world_of(0.8)
    past, late = split_since(sample_log(truth, "random", 2_500, seed=5, horizon=12), "visit:900")
    return [
        by_figure(taste(Evaluation(world, align(world, late), align(world, past), IMPRESSIONS, 60, 0)))
        for world in (truth, world_of(0.0))
    ]


def test_a_world_without_tastes_is_found_out(verdicts):
    real, without = (found["taste_sd/click"] for found in verdicts)
    assert real.low > 0.4
    assert real.low <= real.world <= real.high
    assert real.log == pytest.approx(0.8, rel=0.2)
    assert without.world < real.low
    assert real.baseline < real.low


def test_the_level_of_users_is_that_of_the_world(verdicts):
    level = verdicts[0]["user_level_sd/click"]
    assert level.low <= level.world <= level.high
    assert level.log == pytest.approx(0.7, rel=0.2)


def test_shares_of_affinity_are_variances_over_their_sum():
    world = world_of(0.5, mood=0.6)
    found = by_figure(affinities(SimpleNamespace(world=world, seed=0)))
    a = world.arrays
    x = (
        a.profile.astype(float) @ a.factors.astype(float).T
        + a.user_bias.astype(float)[:, None]
        + a.item_bias.astype(float)
    )
    x += world.params["theta"] * a.price.astype(float)
    inner = x - x.mean(1, keepdims=True) - x.mean(0) + x.mean()
    assert found["interaction_sd"].world == pytest.approx(inner.std(), abs=1e-4)
    parts = {"users": x.mean(1).var(), "items": x.mean(0).var(), "user x item": inner.var(), "sessions": 0.36}
    total = sum(parts.values()) + sum(found[f"affinity_share/{name}"].world for name in ("contexts",))
    for name, value in parts.items():
        assert found[f"affinity_share/{name}"].world == pytest.approx(value / total, rel=0.05)
    shares = [row.world for name, row in found.items() if name.startswith("affinity_share")]
    assert sum(shares) == pytest.approx(1.0, abs=1e-4)


def test_users_without_tastes_have_the_same_best_items():
    alike, different = (
        by_id(
            {"figures": [row.entry() for row in affinities(SimpleNamespace(world=world_of(scale), seed=0))]}
        )
        for scale in (0.0, 3.0)
    )
    assert alike["top_overlap/20"].world == 1.0
    assert different["top_overlap/20"].world < 0.6
