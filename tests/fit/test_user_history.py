"""What users did before a log: levels and tastes of known users, and how a fit uses them."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from recgym.fit import FitConfig
from recgym.fit.dataset import make_dataset
from recgym.fit.session_model import item_features
from recgym.fit.user_features import tower_user_features
from recgym.fit.user_history import Earlier, History
from recgym.logs.sample import sample_log
from recgym.numerics import sigmoid
from recgym.sim.synthetic import synthetic

USERS, ITEMS, TASTE, LEVEL = 300, 400, 0.6, 0.8


@pytest.fixture(scope="module")
def level():
    return np.random.default_rng(3).normal(0, LEVEL, USERS)


@pytest.fixture(scope="module")
def log(level):
    """A log of a feed, with earlier exposures of users of known levels and tastes."""
    world = synthetic(1, domain="content", num_users=USERS, num_items=ITEMS, num_categories=6)
    log, rng = sample_log(world, "random", 600, seed=5, horizon=6), np.random.default_rng(4)
    user, item = (rng.integers(size, size=40_000) for size in (USERS, ITEMS))
    taste, own = rng.normal(0, TASTE, (USERS, 6)), rng.normal(0, 0.5, ITEMS)
    x = level[user] + taste[user, world.arrays.category[item]] + own[item] - 0.5
    flag = rng.random(len(x)) < sigmoid(x)
    columns = [pa.array(index, pa.int32()) for index in (user, item)] + [pa.array(flag)] * 2
    return replace(log, earlier=pa.table(columns, names=["user", "item", "long_view", "like"]))


def test_levels_and_tastes_of_earlier_exposures_are_found(log, level):
    found = History.of(Earlier.of(log), np.arange(USERS), np.arange(ITEMS))
    assert np.corrcoef(found.level, level)[0, 1] > 0.9
    assert found.found.taste == pytest.approx(TASTE, rel=0.15)
    assert found.found.level == pytest.approx(LEVEL, rel=0.15)


def test_an_exposure_counts_once(log):
    twice = replace(log, earlier=pa.concat_tables([log.earlier, log.earlier]))
    for one, other in zip(Earlier.of(log), Earlier.of(twice), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_fit_has_levels_as_features_and_tastes_as_their_variance(log):
    plain, dataset = (
        make_dataset(each, FitConfig(), positives_only=False) for each in (replace(log, earlier=None), log)
    )
    for of in (tower_user_features, item_features):
        assert of(dataset).shape[1] == of(plain).shape[1] + 1
    np.testing.assert_allclose(tower_user_features(dataset)[:, -1].mean(), 0.0, atol=1e-5)
    assert make_dataset(log, FitConfig(guard=None), positives_only=False).history is None


def test_a_log_keeps_its_earlier_exposures(log, tmp_path):
    log.write(tmp_path / "log")
    again = type(log).read(tmp_path / "log")
    assert again.earlier.equals(log.earlier)
    users, items = np.arange(log.num_users)[::-1] - 1, np.arange(log.num_items)
    moved = log.on_indices(
        users,
        items,
        sizes=(log.num_users - 1, log.num_items),
        ids=(None, None),
        context=None,
        mark="x",
        remarks=(),
    )
    user, first = (np.asarray(each.earlier["user"]) for each in (moved, log))
    np.testing.assert_array_equal(user, users[first[users[first] >= 0]])
