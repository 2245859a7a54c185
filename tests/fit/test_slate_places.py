"""What a card says of the positions of slates: their logged rates, and what of them the world has."""

import numpy as np
import pandas as pd
import pytest

from recgym.fidelity.card import card_markdown
from recgym.fidelity.card_summary import summary
from recgym.fidelity.free_running import Form, simulated_visits
from recgym.fit import FitConfig, fit
from recgym.fit.slate_places import one_response, rates_by_place
from recgym.fit.temporal_split import before_test
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
    assert "not modelled**, though the log's rates of response by position are 0.3, 0.2, 0.1." in shown[-2]
    assert "every position of a slate is seen" not in shown[-1]
    assert "friends" in shown[-1]
    assert "every position of a slate is seen" in summary({"terms": [examine]})[-1]


@pytest.mark.parametrize(
    ("status", "value", "words"),
    [("fitted", "1, 0.7, 0.3", "see them in these shares of slates: 1, 0.7, 0.3."),
     ("absent", 0.0, "did not improve forecasts of unseen visits.")],
)  # fmt: skip
def test_the_summary_says_whether_positions_are_fitted(status, value, words):
    examine = {"term": "examine", "status": status, "value": value, "source": ""}
    lines = summary({"terms": [examine], "place_rates": [0.3, 0.2, 0.1]})
    assert lines[-2].endswith(words)
    assert "0.3, 0.2, 0.1" in lines[-2]
    assert lines[-1] == "**Assumed:** nothing."


def test_slates_with_one_response_at_most_are_told_from_those_with_few():
    frame = slate_log()[1]
    frame["click"] = frame["position"] == 1 + frame["time"] // 7 % 3

    def words(frame):
        time = pd.to_datetime(frame["time"], unit="s")
        return one_response(Log.from_pandas(frame.assign(time=time), domain="content"))

    slates = len(frame) // 3
    expected = slates * (3 * (1 / 3) ** 2 * (2 / 3) + (1 / 3) ** 3)
    assert words(frame).startswith(
        f"0 of {slates:,} slates before the test have more than one response, 100.0% have"
    )
    assert f"about {expected:,.0f} slates" in words(frame)
    line = summary({"terms": [], "one_response": words(frame)})[-2]
    assert line.startswith("**That a slate has one response at most is not modelled**: 0 of")
    frame["click"] = np.random.default_rng(3).random(len(frame)) < 1 / 3
    assert words(frame) == ""  # several responses in as many slates as chance gives
    frame["click"] = np.random.default_rng(3).random(len(frame)) < 0.03
    assert words(frame) == ""  # too few to tell
    assert one_response(slate_log(places=1)[0]) == ""


@pytest.mark.slow
def test_a_fitted_world_has_the_rates_by_position_and_its_card_says_so():
    log, _ = slate_log()
    config = FitConfig(epochs=1, bootstrap=20)
    world = fit(log, name="w", config=config, progress=False)
    assert world.card["place_rates"] == rates_by_place(before_test(log, config))
    examine = next(row for row in world.card["terms"] if row["term"] == "examine")
    assert examine["status"] == "fitted"
    count = RATES * log.num_rows / len(RATES)  # responses at each position
    error = RATES / RATES[0] * np.sqrt(1.0 / count + 1.0 / count[0])
    assert (np.abs(world.arrays.examine[:3] - RATES / RATES[0]) <= 3.0 * error + 1e-6).all()
    assert (world.arrays.examine[3:] == world.arrays.examine[2]).all()
    form = Form(3, 50, ("click",), responses_only=False, pages=False)
    drawn = simulated_visits(world, form, 2_000, 1)
    rates = np.bincount(drawn.position, drawn.response)[1:] / np.bincount(drawn.position)[1:]
    assert np.abs(rates - world.card["place_rates"]).max() < 0.03
    assert "**Positions of a slate are fitted:**" in card_markdown(world)


@pytest.mark.slow
def test_flat_slates_have_no_effect_of_positions():
    frame = slate_log()[1]
    frame["click"] = np.random.default_rng(1).random(len(frame)) < 0.2
    log = Log.from_pandas(frame.assign(time=pd.to_datetime(frame["time"], unit="s")), domain="content")
    world = fit(log, name="w", config=FitConfig(epochs=1, bootstrap=20), progress=False)
    examine = next(row for row in world.card["terms"] if row["term"] == "examine")
    assert examine["status"] == "absent"
    assert (world.arrays.examine == 1.0).all()


@pytest.mark.slow
def test_slates_of_more_than_fifty_items_are_fitted_and_judged():
    rng, slates, size = np.random.default_rng(2), 120, 60
    slate = np.repeat(np.arange(slates), size)
    frame = pd.DataFrame({
        "user": slate % 20, "session": slate, "step": 0, "position": np.tile(np.arange(size), slates),
        "item": rng.random((slates, 80)).argsort(1)[:, :size].ravel(),
        "time": pd.to_datetime(1_600_000_000 + 3_600 * slate, unit="s"), "click": rng.random(slates * size) < 0.2,
    })  # fmt: skip
    log = Log.from_pandas(frame, domain="content")
    world = fit(log, name="w", config=FitConfig(epochs=1, bootstrap=20), progress=False)
    assert len(world.arrays.examine) == size
    figures = {row["id"]: row for row in world.card["figures"]}
    assert figures["log_loss/click"]["world"] == pytest.approx(0.5, abs=0.05)
