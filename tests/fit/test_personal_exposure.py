"""Whether a log shows its users different items, and what its card says of it."""

import numpy as np
import pandas as pd
import pytest

from recgym.fidelity.card_summary import summary
from recgym.fit import FitConfig
from recgym.fit.dataset import make_dataset
from recgym.fit.exposure_terms import exposure_terms
from recgym.fit.personal_exposure import personal_exposure
from recgym.fit.provenance import Provenance, plain_arrays
from recgym.fit.recipe_impressions import not_modelled
from recgym.logs import Log
from recgym.logs.splits import TRAIN, VALIDATION

CATEGORIES, ITEMS, USERS, LENGTH = 5, 50, 60, 10


def shown(slope, seed, visits=900, stay=0.0) -> Log:
    """Visits of users whose exposure to a category is exp(slope * taste), taste ~ N(0, 1); `stay` in a visit."""
    rng = np.random.default_rng(seed)
    taste = rng.normal(size=(USERS, CATEGORIES))
    share = np.exp(slope * taste) * rng.gamma(2.0, 1.0, CATEGORIES)
    share /= share.sum(1, keepdims=True)
    user = rng.integers(USERS, size=visits)
    category = np.empty((visits, LENGTH), int)
    for step in range(LENGTH):
        drawn = (rng.random((visits, 1)) > np.cumsum(share[user], 1)).sum(1).clip(max=CATEGORIES - 1)
        category[:, step] = np.where((step > 0) & (rng.random(visits) < stay), category[:, step - 1], drawn)
    item = category + CATEGORIES * rng.integers(ITEMS // CATEGORIES, size=category.shape)
    chance = 1.0 / (1.0 + np.exp(1.0 - taste[user[:, None], category]))
    visit, step = np.divmod(np.arange(visits * LENGTH), LENGTH)
    return Log.from_pandas(
        pd.DataFrame(
            {
                "user": user[visit], "session": visit, "item": item.ravel(),
                "category": [f"c{c}" for c in category.ravel()],
                "time": pd.to_datetime(1_600_000_000 + 5_000 * visit + 10 * step, unit="s"),
                "click": (rng.random(visits * LENGTH) < chance.ravel()).astype(int),
            }
        ),
        domain="content",
    )  # fmt: skip


def words(log: Log) -> str:
    return personal_exposure(make_dataset(log, FitConfig(), positives_only=False))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_only_a_log_that_shows_users_different_items_is_called_personal(seed):
    assert words(shown(0.6, seed)).startswith("by category, a user's earlier visits forecast")
    assert words(shown(0.0, seed)) == ""
    assert words(shown(0.0, seed, stay=0.7)) == ""  # the same within a visit alone


def test_the_card_says_what_of_exposure_and_leaving_is_not_modelled():
    log = shown(0.6, 0)
    dataset = make_dataset(log, FitConfig(), positives_only=False)
    past, personal = dataset.rows_of(TRAIN, VALIDATION), personal_exposure(dataset)
    lines = [
        summary({"terms": [], "not_modelled": not_modelled(dataset, past, each)})[-2]
        for each in ("", personal)
    ]
    none = 1.0 - dataset.positive[past].mean()
    for line in lines:
        assert line.startswith(
            "**Not modelled:** that some items drive users away who do not respond to them"
        )
        assert f"a row without a response, as {none:.0%} are" in line
    assert ["shows users what they like" in line for line in lines] == [False, True]
    provenance = Provenance("content")
    exposure_terms(log, dataset, past, plain_arrays(dataset, 1), provenance, personal=personal)
    source = provenance.rows["exposure"]["source"]
    assert source.startswith("the logging policy; the same for all users, though by category")
