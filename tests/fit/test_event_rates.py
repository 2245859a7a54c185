"""Rates of events that are too rare to be fitted, or that a log lacks."""

import numpy as np
import pytest

from recgym.events import EVENTS
from recgym.fit.config import ASSUMED
from recgym.fit.event_rates import PRIOR_ROWS, assume_event
from recgym.fit.provenance import Provenance
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


def test_an_event_that_the_log_lacks_has_the_assumed_rate():
    rate, row = entered(None)
    assert rate == pytest.approx(ASSUMED["content"]["event_rate"].value, rel=1e-6)
    assert row["status"] == "assumed"
