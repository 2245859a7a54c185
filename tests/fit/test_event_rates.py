"""Rates of events that are too rare to be fitted, or that a log lacks."""

import numpy as np
import pandas as pd
import pytest

from recgym.events import EVENTS
from recgym.fit import FitConfig
from recgym.fit.config import ASSUMED
from recgym.fit.dataset import make_dataset
from recgym.fit.event_rates import PRIOR_ROWS, assume_event, event_chances, keep_rates
from recgym.fit.provenance import Provenance, plain_arrays
from recgym.logs import Log
from recgym.logs.splits import VALIDATION
from recgym.numerics import sigmoid

SHARE = [event.name for event in EVENTS["content"]].index("share")
X = np.random.default_rng(0).normal(size=5_000)


def entered(flag):
    provenance, arrays = Provenance("content"), {"event_gain": np.zeros(7), "event_bias": np.zeros(7)}
    assume_event(provenance, arrays, SHARE, X, flag)
    rate = sigmoid(arrays["event_bias"][SHARE] + arrays["event_gain"][SHARE] * X).mean()
    return rate, provenance.rows["event:share"]


@pytest.mark.parametrize("count", [0, 7])
def test_a_rare_event_has_the_rate_of_the_log(count):
    flag = np.arange(len(X)) < count
    rate, row = entered(flag)
    assumed = ASSUMED["content"]["event_rate"].value
    assert rate == pytest.approx((count + PRIOR_ROWS * assumed) / (len(X) + PRIOR_ROWS), rel=1e-6)
    assert row["status"] == "fitted"
    assert f"{count} in 5000 rows" in row["source"]


def test_an_event_of_almost_every_row_is_not_called_rare():
    rate, row = entered(np.ones(len(X), bool))
    assert rate == pytest.approx(1.0, abs=1.01 * PRIOR_ROWS / len(X))
    assert "5000 in 5000 rows, too few without it for effects; 5 rows" in row["source"]


def test_items_differ_in_an_assumed_rate_by_the_assumed_spread_at_the_same_mean_rate():
    cart, item = 1, np.arange(len(X)) % 400
    provenance = Provenance("ecommerce")
    arrays = {"event_gain": np.zeros(3), "event_bias": np.zeros(3), "event_item": np.zeros((400, 3))}
    assume_event(provenance, arrays, cart, X, item=item)
    own = arrays["event_item"][:, cart]
    assert own.std() == pytest.approx(ASSUMED["ecommerce"]["cart_item_sd"].value, rel=1e-9)
    assert own.mean() == pytest.approx(0.0, abs=1e-9)
    logit = arrays["event_bias"][cart] + arrays["event_gain"][cart] * X + own[item]
    assert sigmoid(logit).mean() == pytest.approx(ASSUMED["ecommerce"]["cart_rate"].value, rel=1e-6)
    assert {provenance.status("item_sd:cart"), provenance.status("event:cart")} == {"assumed"}


def test_an_event_that_the_log_lacks_has_the_assumed_rate():
    rate, row = entered(None)
    assert rate == pytest.approx(ASSUMED["content"]["event_rate"].value, rel=1e-6)
    assert row["status"] == "assumed"


def bought_log(click, cart, purchase):
    """Rows with given 0/1 columns, ten to a visit."""
    row = np.arange(len(click))
    return Log.from_pandas(
        pd.DataFrame(
            {
                "user": row // 10 % 60, "session": row // 10, "step": row % 10, "item": row % 7,
                "time": pd.to_datetime(1_600_000_000 + 9_000 * (row // 10) + 20 * (row % 10), unit="s"),
                "click": click, "cart": cart, "purchase": purchase,
            }
        ),
        domain="ecommerce",
    )  # fmt: skip


def kept(**flags):
    """Mean chance of a purchase after `keep_rates` from a purchase of half the carts, and the logged rate."""
    dataset = make_dataset(bought_log(**flags), FitConfig(), positives_only=False)
    arrays, x = plain_arrays(dataset, 1), np.zeros(len(dataset.item))
    arrays["event_bias"][:] = [0.0, -3.0, 0.0]
    keep_rates(dataset, arrays, x, 0.0)
    rows = dataset.row_period == VALIDATION
    return event_chances(dataset, arrays, x)["purchase"][rows].mean(), dataset.events["purchase"][rows].mean()


def test_a_level_that_is_far_from_the_logged_rate_is_met():
    """Purchases are almost as frequent as carts: the mean moves little with the intercept."""
    row = np.arange(12_000)
    click, cart = row % 2 == 0, row % 4 == 0
    mean, rate = kept(click=click, cart=cart, purchase=cart & (row % 200 != 0))
    assert mean == pytest.approx(rate, rel=1e-4)
