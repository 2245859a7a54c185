"""Rolling origins: what is fitted on and judged at each, and logs that have none."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
from dated_logs import DAY, DAYS, START, between, dated_log

from recgym.fidelity.card_metrics import figure
from recgym.fidelity.rolling_origins import origin_days, roll
from recgym.logs.fingerprint import identity
from recgym.logs.sample import sample_log
from recgym.sim.synthetic import synthetic


@pytest.fixture(scope="module")
def dated():
    world, log = dated_log(480)
    card = {"identity": identity(log, np.arange(world.num_users), np.arange(world.num_items))}
    return world.with_card(**card, figures=[figure("leaving_rate", world=0.1, n=9).entry()]), log


def test_origins_are_the_days_from_the_second_on(dated):
    _, log = dated
    assert origin_days(log) == DAYS[1:]
    assert origin_days(log, 2) == DAYS[1::2]


def test_each_origin_is_judged_on_each_day_from_it_on(dated, monkeypatch):
    world, log = dated
    asked = []
    monkeypatch.setattr(
        "recgym.fidelity.boosted_trees.MIN_TRAINING_ROWS", 1e9
    )  # without the trees, which are slow

    def fit(day):
        asked.append(day)
        if day == DAYS[2]:
            raise ValueError("too few visits")
        return world

    found = list(roll(log, fit, DAYS[1:4], resamples=20))
    assert asked == DAYS[1:4]
    assert [origin.skipped for origin in found] == ["", "too few visits", ""]
    assert {row.day for row in found[0].days} == set(DAYS[1:])
    assert {row.day for row in found[2].days} == set(DAYS[3:])
    assert found[0].figures[0].id == "leaving_rate"
    assert found[1].entry() == {
        "fitted_before": DAYS[2],
        "figures": [],
        "days": [],
        "skipped": "too few visits",
    }
    rate = {row.id: row.log for row in found[0].days}[f"rate/click/day {DAYS[4]}"]
    assert rate == pytest.approx(between(log, 4, 4).column("click").mean(), abs=1e-5)


def test_logs_without_days_are_refused(dated):
    _, log = dated
    social = sample_log(synthetic(1, domain="social"), sessions=20)
    listens = social.rows.filter(social.rows["listen"])
    place, times = listens.schema.get_field_index("time"), pa.array(START + DAY * np.arange(listens.num_rows))
    pairs = dataclasses.replace(social, rows=listens.set_column(place, "time", times))
    untimed = sample_log(synthetic(1, domain="content"), sessions=20)
    for each in (pairs, untimed):
        with pytest.raises(ValueError, match="rolling origins need visits with a day; the log has none"):
            origin_days(each)
    with pytest.raises(ValueError, match="need at least two days; the log has 2022-04-29 alone"):
        origin_days(between(log, 1, 1))
    with pytest.raises(ValueError, match="every is 0, expected at least 1"):
        origin_days(log, 0)
