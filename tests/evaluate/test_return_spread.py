"""Returns of the worst sessions and of groups, by hand and by a closed form."""

import numpy as np
import pytest
from scipy.stats import norm

from recgym.evaluate import GroupReturns, cvar, group_returns


def test_cvar_is_the_mean_of_the_worst():
    returns = np.arange(20.0)[::-1]
    assert cvar(returns, 0.1) == 0.5
    assert cvar(returns, 1.0) == pytest.approx(9.5)
    assert cvar([1.0, 2.0, 3.0, 4.0, 5.0], 0.3) == pytest.approx((1.0 + 0.5 * 2.0) / 1.5)
    assert cvar([2.0, 5.0], 0.1) == pytest.approx(2.0)
    drawn = np.random.default_rng(0).normal(size=200_000)
    assert cvar(drawn) == pytest.approx(-norm.pdf(norm.ppf(0.1)) / 0.1, abs=0.01)  # of a normal distribution
    for share in (0.0, 1.5):
        with pytest.raises(ValueError, match="share is"):
            cvar(returns, share)


def test_groups_that_are_large_enough_count():
    returns = np.r_[np.full(30, 2.0), np.full(20, 0.5), np.full(25, 1.0), np.full(19, -9.0)]
    group = np.repeat([3, 0, 1, 2], [30, 20, 25, 19])
    assert group_returns(returns, group) == GroupReturns(worst=0.5, gap=1.5)
    assert group_returns(returns[:30], group[:30]) is None
    with pytest.raises(ValueError, match="must be of one shape"):
        group_returns(returns, group[:3])
