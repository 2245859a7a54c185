"""What a card says of the places of slates: their logged rates, and that the world has no effect of them."""

import numpy as np
import pandas as pd
import pytest

from recgym.fidelity.card_summary import summary
from recgym.fit import FitConfig, fit
from recgym.fit.slate_places import rates_by_place
from recgym.logs import Log

RATES = np.array([0.3, 0.2, 0.1])


def slate_log(*, positions=True, places=3, visits=400):
    """Random items in slates whose places have the click rates RATES."""
    rng, rows = np.random.default_rng(4), []
    for visit in range(visits):
        for step in range(int(rng.geometric(0.4))):
            time = 1_600_000_000 + 9_000 * visit + 20 * step
            shown = rng.choice(12, places, replace=False)
            rows += [
                (visit % 40, visit, step, k + 1, shown[k], time, int(rng.random() < RATES[k]))
                for k in range(places)
            ]
    frame = pd.DataFrame(rows, columns=["user", "session", "step", "position", "item", "time", "click"])
    frame = frame if positions else frame.drop(columns="position")
    return Log.from_pandas(
        frame.assign(time=pd.to_datetime(frame["time"], unit="s")), domain="content"
    ), frame


def test_rates_by_place_are_those_of_the_log():
    log, frame = slate_log()
    np.testing.assert_allclose(rates_by_place(log), frame.groupby("position")["click"].mean(), atol=1e-4)


@pytest.mark.parametrize("kwargs", [{"positions": False}, {"places": 1}, {"visits": 4}])
def test_a_log_without_positions_or_slates_or_with_few_rows_has_none(kwargs):
    assert rates_by_place(slate_log(**kwargs)[0]) == []


def test_the_summary_does_not_deny_the_positions_of_the_log():
    examine = {"term": "examine", "status": "assumed", "value": 1.0, "source": ""}
    other = {"term": "omega", "status": "assumed", "value": 0.0, "source": ""}
    shown = summary({"terms": [examine, other], "place_rates": [0.3, 0.2, 0.1]})
    assert (
        "not modelled**, though the log shows them: its rates of response by place are 0.3, 0.2, 0.1."
        in shown[-2]
    )
    assert "every place of a slate is seen" not in shown[-1]
    assert "friends" in shown[-1]
    assert "every place of a slate is seen" in summary({"terms": [examine]})[-1]


@pytest.mark.slow
def test_a_fitted_card_has_the_rates_by_place():
    log, _ = slate_log()
    world = fit(log, name="w", config=FitConfig(epochs=1, bootstrap=20), progress=False)
    assert world.card["place_rates"] == rates_by_place(log)
    terms = {row["term"]: row for row in world.card["terms"]}
    assert (terms["examine"]["status"], terms["examine"]["source"][:10]) == ("assumed", "effects of")
