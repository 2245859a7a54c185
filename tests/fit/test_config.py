"""Settings of a fit: each is checked when it is given."""

from dataclasses import fields

import numpy as np
import pytest

from recgym.fit import FitConfig
from recgym.fit.temporal_split import periods
from recgym.logs.splits import TEST

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


@pytest.mark.parametrize("form", ["2022-12-15", "20221215", "2022-W50-4"])
def test_a_day_in_any_form_of_iso_8601_begins_the_test_there(form):
    days = [str(day) for day in np.arange("2022-11-01", "2023-03-01", dtype="datetime64[D]")]
    late = np.array(days) >= "2022-12-15"
    for settings in (
        {"period": (None, form)}, {"period": ("20221110", form)}, {"split": ("2022-12-01", form)}
    ):  # fmt: skip
        config = FitConfig(**settings)
        assert (config.period or config.split)[1] == "2022-12-15"
        np.testing.assert_array_equal(periods(days, config) == TEST, late)
