"""A population is drawn from the posterior of users; forecasts use its means."""

import numpy as np
import pytest

from recgym.numerics import sigmoid
from recgym.sim.engine import Engine
from recgym.sim.logged_visits import LoggedVisits
from recgym.sim.posterior import rate_keeping_shift
from recgym.sim.reward_arrays import make_reward
from recgym.sim.synthetic import synthetic
from recgym.sim.teacher_forcing import predict, simulate
from recgym.sim.world import World

USERS = 4_000


def uncertain(users=USERS, arrays=None, **spread):
    """A feed whose users have these posterior standard deviations, and these arrays."""
    world = synthetic(3, domain="content", num_users=users, num_items=12).with_params(sigma=0.0)
    world = world.with_arrays(**(arrays or {}))
    shapes = {name: getattr(world.arrays, name).shape for name in ("user_bias", "event_user", "profile")}
    fields = {name: np.full(shape, spread.get(name, 0.0)) for name, shape in shapes.items()}
    about = {name: getattr(world, name) for name in ("categories", "contexts", "user_feature_names")}
    return World.build(
        world.name, world.domain, world.arrays._asdict(), **about, user_features=world.user_features,
        posterior=fields,
    )  # fmt: skip


@pytest.fixture(scope="module")
def world():
    return uncertain(user_bias=0.5, event_user=0.7, profile=0.3)


def test_draws_have_the_standard_deviations_of_the_posterior(world):
    drawn = world.drawn()
    for name, spread in (("user_bias", 0.5), ("event_user", 0.7), ("profile", 0.3)):
        gap = (getattr(drawn.arrays, name) - getattr(world.arrays, name)).reshape(USERS, -1)
        np.testing.assert_allclose(gap.std(0), spread, rtol=0.05)
        np.testing.assert_allclose(np.corrcoef(gap.T), np.eye(gap.shape[1]), atol=0.08)
    for name in ("item_bias", "factors", "params"):
        np.testing.assert_array_equal(getattr(drawn.arrays, name), getattr(world.arrays, name))


def test_a_seed_is_one_population(world):
    bias = [world.drawn(seed).arrays.user_bias for seed in (0, 0, 1)]
    np.testing.assert_array_equal(bias[0], bias[1])
    assert abs(np.corrcoef(bias[0] - world.arrays.user_bias, bias[2] - world.arrays.user_bias)[0, 1]) < 0.06
    assert world.drawn().posterior is None


def test_kept_draws_are_copies_and_those_of_the_same_arrays(world):
    first, again = world.drawn().arrays, world.drawn().arrays
    kept = first.profile.copy()
    first.profile[:] = 7.0
    np.testing.assert_array_equal(again.profile, kept)
    np.testing.assert_array_equal(world.drawn().arrays.profile, kept)
    world.arrays.user_bias[5] += 1.0
    moved = world.drawn().arrays
    world.arrays.user_bias[5] -= 1.0
    assert moved.user_bias[5] == pytest.approx(again.user_bias[5] + 1.0, abs=2e-3)


def test_who_plays_is_drawn_and_logs_fit_the_world(world):
    engine = Engine(world, 2, slate_size=1, horizon=5, reward=make_reward(world, {}))
    np.testing.assert_array_equal(engine.world.arrays.user_bias, world.drawn().arrays.user_bias)
    assert engine.world.index_digest == world.index_digest


def test_a_world_without_posterior_is_its_population():
    world = synthetic(3, domain="content")
    assert world.drawn() is world


def test_drawn_tastes_keep_the_rate_of_every_user_and_taste():
    rng, hot = np.random.default_rng(1), np.eye(3)[np.arange(12) % 3]
    level, mean = np.repeat([-4.0, -2.5, 0.5], USERS), rng.choice([-1.0, 0.0, 1.0], 3)
    arrays = {
        "factors": hot, "push": np.zeros((12, 3)), "profile": np.tile(mean, (3 * USERS, 1)),
        "user_bias": level, "item_bias": np.repeat([0.3, -0.2, 0.1, 0.0], 3), "exposure": np.ones(12) / 12,
    }  # fmt: skip
    for keeps in (0, 1):
        flag = {"tastes_keep_rates": np.array([keeps])}
        world = uncertain(3 * USERS, arrays | flag, profile=1.5)
        drawn, ratio = world.drawn().arrays, []
        for start in range(0, 3 * USERS, USERS):
            users = slice(start, start + USERS)
            means, draws = (
                sigmoid(w.user_bias[users, None] + w.profile[users] @ w.factors.T + w.item_bias).mean(0)
                for w in (world.arrays, drawn)
            )
            ratio.append(draws / means)
        assert (np.abs(np.array(ratio) - 1.0) < 0.12).all() == bool(keeps)
        assert (drawn.profile - world.arrays.profile).std(0) == pytest.approx(1.5, rel=0.1)


def test_events_keep_their_rates():
    node = np.random.default_rng(0).normal(size=400_000)
    for logit, spread in ((-4.0, 1.0), (0.5, 0.8), (2.0, 0.3)):
        shift = rate_keeping_shift(logit, np.array([spread]))[0]
        assert sigmoid(logit - shift + spread * node).mean() == pytest.approx(
            float(sigmoid(np.array(logit))), rel=0.01
        )


def test_a_saved_world_has_its_posterior_and_an_earlier_one_its_bytes(world, tmp_path):
    again = World.load(world.save(tmp_path / "w"))
    assert again.sha256 == world.sha256
    np.testing.assert_array_equal(again.posterior.profile, world.posterior.profile)
    plain = synthetic(3, domain="content")
    assert "user_bias_sd" not in plain._stored()
    assert World.load(plain.save(tmp_path / "p")).posterior is None


def test_replaced_arrays_are_known_exactly(world):
    flat = world.with_arrays(user_bias=np.zeros(USERS))
    assert not flat.drawn().arrays.user_bias.any()
    assert flat.drawn().arrays.profile.std() > world.arrays.profile.std()


@pytest.mark.parametrize("spread", [-0.1, np.nan])
def test_spreads_that_are_no_standard_deviations_are_refused(spread):
    with pytest.raises(ValueError, match="user_bias_sd holds"):
        uncertain(20, user_bias=spread)


def test_forecasts_integrate_what_is_unknown_of_a_level():
    world = uncertain(3, user_bias=0.75).with_params(mood=0.4)
    rng = np.random.default_rng(1)
    item = rng.integers(12, size=(3, 1))
    visit = LoggedVisits(
        np.array([1]), np.zeros(1, np.int64), np.array([0, 3]), item, rng.integers(2, size=(3, 1)),
        np.array([1], np.int64),
    )  # fmt: skip
    known = world.with_arrays(user_bias=world.arrays.user_bias).with_params(mood=float(np.hypot(0.4, 0.75)))
    np.testing.assert_allclose(predict(world, visit).chance, predict(known, visit).chance, rtol=1e-6)


def test_simulated_users_vary_by_their_posterior():
    users = 2_000
    world = uncertain(users, user_bias=1.0).with_params(mood=0.0, kappa=0.0, rho=0.0)
    steps = 40
    visit = LoggedVisits(
        np.arange(users), np.zeros(users, np.int64), np.arange(users + 1) * steps,
        np.zeros((users * steps, 1), np.int64), np.zeros((users * steps, 1), np.int32), np.array([1], np.int64),
    )  # fmt: skip

    def variance(world):
        return ((simulate(world, visit, 5).events[:, 0] & 1).reshape(users, steps).mean(1)).var()

    drawn = world.drawn()
    assert variance(world) == pytest.approx(variance(drawn), rel=1e-9)
    assert variance(world) > 1.5 * variance(world.with_arrays(user_bias=world.arrays.user_bias))
