"""The effect of an earlier response to the item, recovered from a log with known logits."""

import numpy as np
import pandas as pd
import pytest

from recgym.fit.config import FitConfig
from recgym.fit.dataset import make_dataset
from recgym.fit.repeat_effect import is_repeated, repeat_effect
from recgym.logs import Log

ITEMS = 12


def known_log(rho, seed, visits=900, length=10):
    """Visits whose responses have logits of their items, plus `rho` for an item with an earlier response."""
    rng = np.random.default_rng(seed)
    level, rows = np.linspace(-1.5, 1.0, ITEMS), []
    for visit in range(visits):
        answered = set()
        for step in range(length):
            item = int(rng.integers(ITEMS))
            again = item in answered
            click = rng.random() < 1 / (1 + np.exp(-(level[item] + rho * again)))
            rows.append((visit % 90, f"i{item:02d}", visit * 10_000 + step * 20, visit, int(click), again))
            if click:
                answered.add(item)
    table = pd.DataFrame(rows, columns=["user", "item", "seconds", "session", "click", "again"])
    table["time"] = pd.to_datetime(1_600_000_000 + table.pop("seconds"), unit="s")
    return table, level


@pytest.mark.parametrize("rho", [-1.5, 0.0, 0.8])
def test_the_effect_is_recovered_and_absent_where_there_is_none(rho):
    table, level = known_log(rho, seed=1)
    log = Log.from_pandas(table.drop(columns="again"), domain="content")
    dataset = make_dataset(log, FitConfig(), positives_only=False)
    number = np.array([int(name[1:]) for name in log.items["id"].to_pylist()])[log.column("item")]
    x = np.where(dataset.known, level[number] - 0.3, np.nan)  # the logits of one random intercept
    found, slope = repeat_effect(dataset, x, 2.0)
    assert is_repeated(dataset).sum() == table["again"].sum()
    if rho == 0.0:
        assert (found, slope) == (0.0, 0.0)
    else:
        assert slope == pytest.approx(rho, abs=0.15)
        share = float(np.average(table["again"]))
        assert found == pytest.approx(-rho * share, abs=0.15)  # keeps the mean, and so what intercepts add
