"""Settings of a fit: each is checked when it is given."""

from dataclasses import fields

import numpy as np
import pytest

from recgym.fit import FitConfig

WRONG = [10**400, -1, np.nan, np.inf, np.True_, "5", [1], {"a": 1}, 1j, object(), np.zeros(2)]
FLAGS = ("assume_rho", "drift", "dynamics", "item_rates", "popular_rates", "propensity_weights")
COUNTS = (
    "dim",
    "hidden",
    "epochs",
    "steps",
    "patience",
    "batch_rows",
    "max_categories",
    "min_listeners",
    "bootstrap",
)


@pytest.mark.parametrize("name", [field.name for field in fields(FitConfig)])
def test_a_setting_of_another_type_or_range_is_named_in_one_line(name):
    wrong = [*WRONG, *(() if name in FLAGS else (True,)), *((2**63, 1.5, 0) if name in COUNTS else ())]
    for value in wrong:
        with pytest.raises(ValueError, match=rf"^{name} (is|holds) .+") as error:
            FitConfig(**{name: value})
        assert "\n" not in str(error.value)


def test_numbers_of_numpy_are_taken():
    config = FitConfig(
        dim=np.int64(4), learning_rate=np.float32(0.5), guard=np.array(1.0), period=(None, "2022-04-29")
    )
    assert config.dim == 4


@pytest.mark.parametrize(
    "days", [("2022-04-29", "2022-04-25"), ("2022-04-25", None), ("a", "b"), (1, 2), "ab", ("x",)]
)
def test_days_are_named(days):
    with pytest.raises(ValueError, match=r"^split (is|holds)"):
        FitConfig(split=days)
