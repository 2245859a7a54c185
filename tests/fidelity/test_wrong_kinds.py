"""Public functions name an argument that is no log, world or environment, in one line."""

import numpy as np
import pandas as pd
import pytest

from recgym.evaluate import fitted_q, fqe, fqe_dr
from recgym.evaluate.exposure import intra_list_diversity
from recgym.fidelity import check_test, judge, judge_since, with_randomised_test
from recgym.fit import fit
from recgym.logs import sample_log, validate
from recgym.sim.synthetic import synthetic

FRAME = pd.DataFrame({"user": [1], "item": [2]})
WORLD = synthetic(1, num_items=4, num_users=3)
LOG = sample_log(WORLD, "random", 2)


@pytest.mark.parametrize("other", [None, 3, "log.csv", FRAME, np.zeros(2), object])
@pytest.mark.parametrize(
    ("name", "kind", "call"),
    [
        ("log", "Log", lambda it: fit(it, name="w")),
        ("log", "Log", validate),
        ("log", "Log", lambda it: judge(WORLD, it)),
        ("world", "World", lambda it: judge(it, LOG)),
        ("log", "Log", lambda it: judge_since(WORLD, it)),
        ("world", "World", lambda it: judge_since(it, LOG)),
        ("test", "Log", lambda it: check_test(it, LOG)),
        ("log", "Log", lambda it: check_test(LOG, it)),
        ("test", "Log", lambda it: with_randomised_test(WORLD, it)),
        ("world", "World or an environment of recgym", lambda it: sample_log(it)),
        ("steps", "Steps", lambda it: fitted_q(it, [[1.0]], ([[0]], [[1.0]]))),
        ("fitted", "FittedQ", lambda it: fqe(it, [1.0])),
        ("fitted", "FittedQ", lambda it: fqe_dr(it, [1.0], [1.0], [1.0])),
    ],
)
def test_an_object_of_another_type_is_named(name, kind, call, other):
    with pytest.raises(ValueError, match=f"^{name} is .*, expected a {kind}") as error:
        call(other)
    assert "\n" not in str(error.value)


def test_settings_that_are_none_are_named():
    with pytest.raises(ValueError, match=r"^config is .*, expected a FitConfig"):
        fit(LOG, name="w", config={"epochs": 3})


@pytest.mark.parametrize("past", [3, FRAME])
def test_a_past_that_is_no_log_is_named(past):
    for call in (judge, with_randomised_test):
        with pytest.raises(ValueError, match=r"^past is .*, expected a Log"):
            call(WORLD, LOG, past)


@pytest.mark.parametrize("name", [None, "", " ", 3])
def test_the_name_of_a_fitted_world_is_text(name):
    with pytest.raises(ValueError, match=r"^name is .*, expected the name of the world"):
        fit(LOG, name=name)


def test_categories_of_no_table_are_refused():
    with pytest.raises(ValueError, match="category has 0 dimensions"):
        intra_list_diversity([0], [1], 3)
