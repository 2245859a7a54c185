"""Scalar functions of the compiled code."""

import numpy as np
import pytest

from recgym.sim.scalar_math import (
    draw,
    first_not_below,
    happens,
    happens_in_part,
    log_stay_to_logit,
    logit_in_part,
    sigmoid,
)


def test_happens_is_a_comparison_with_the_sigmoid_to_the_bit():
    rng = np.random.default_rng(0)
    for x in [*np.linspace(-40.0, 40.0, 161), *rng.normal(0.0, 3.0, 300), -1e6, 0.0, -0.0]:
        p = sigmoid(x)
        near = [
            p,
            np.nextafter(p, 0.0),
            np.nextafter(p, 1.0),
            p * (1 - 1e-7),
            p * (1 + 1e-7),
            1 - (1 - p) * (1 + 1e-7),
        ]
        for u in (*near, 0.0, 2.0**-53, 1e-9, 0.5, 1.0 - 2.0**-53, *rng.random(8)):
            if 0.0 <= u < 1.0:
                assert happens(u, x) == (u < p), (u, x)


def test_what_happens_in_part_of_a_time_is_a_comparison_with_its_probability_to_the_bit():
    rng = np.random.default_rng(1)
    for share in (0.05, 1 / 3, 1.0, 4.0):
        for x in [*np.linspace(-40.0, 40.0, 81), *rng.normal(-2.0, 2.0, 200)]:
            p = sigmoid(logit_in_part(x, share))
            near = [p, np.nextafter(p, 0.0), np.nextafter(p, 1.0), p * (1 - 1e-7), p * (1 + 1e-7)]
            for u in (*near, 0.0, 2.0**-53, 1e-9, 0.5, 1.0 - 2.0**-53, *rng.random(8)):
                if 0.0 <= u < 1.0:
                    assert happens_in_part(u, x, share) == (u < p), (u, x, share)
            if abs(x) < 20.0:
                stay = np.log1p(np.exp(x)) * share
                assert logit_in_part(x, share) == pytest.approx(log_stay_to_logit(-stay), abs=1e-9)


def test_the_first_place_not_below_is_numpys():
    values = np.array([9, 1, 3, 3, 7, 0], np.int32)
    for wanted in range(-1, 10):
        assert first_not_below(values, 1, 5, wanted) == 1 + np.searchsorted(values[1:5], wanted)
    assert first_not_below(values, 2, 2, 5) == 2


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8])
def test_a_draw_is_the_first_weight_above(size):
    cdf = np.arange(1.0, 9.0) / 8.0
    for u in np.arange(0.0, 1.0, 1.0 / 16.0):
        wanted = min(np.searchsorted(cdf, u, side="right"), size - 1)
        assert draw(cdf, 0, size, u) == wanted
        assert draw(cdf, size - 1, size, u) == size - 1
