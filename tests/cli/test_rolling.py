"""The command rolling: the days that each fit may see, and its two tables."""

import json

import numpy as np
import pytest
from dated_logs import DAYS, between, dated_log
from refusals import refused

from recgym.fit.dataset import periods
from recgym.logs.fingerprint import identity
from recgym.logs.sample import sample_log
from recgym.logs.splits import TEST, VALIDATION, dates, visit_days
from recgym.sim.synthetic import synthetic


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    world, log = dated_log(480)
    folder = tmp_path_factory.mktemp("rolling") / "log"
    log.write(folder)
    card = identity(log, np.arange(world.num_users), np.arange(world.num_items))
    return world.with_card(identity=card), log, folder


def test_a_fit_sees_the_days_before_its_origin_alone(run, places, monkeypatch):
    world, _, folder = places
    asked = []

    def fit(log, *, config, **settings):
        days = dates(visit_days(log))
        period = periods(visit_days(log), config)
        parts = [
            np.unique(days[part]).tolist() for part in (period != TEST, period == VALIDATION, period == TEST)
        ]
        asked.append((parts[0][-1], parts[1], parts[2][0]))
        return world

    monkeypatch.setattr("recgym.fit.fit", fit)
    monkeypatch.setattr("recgym.fidelity.boosted_trees.MIN_TRAINING_ROWS", 1e9)
    code, out, err = run("rolling", folder, "--every", 2, "--json")
    assert code == 0, err
    assert asked == [(DAYS[k - 1], [DAYS[k - 1]], DAYS[k]) for k in (1, 3, 5)]
    assert [origin["fitted_before"] for origin in json.loads(out)] == DAYS[1::2]
    out = run("rolling", folder, "--every", 4)[1]
    assert "## By day\n\n| fitted before | figure | log | world | baseline | 95 % | n |" in out
    assert f"| {DAYS[1]} | AUC of click, day {DAYS[5]} |" in out


@pytest.mark.slow
def test_worlds_are_fitted_and_judged(run, places):
    _, _, folder = places
    code, out, err = run("rolling", folder, "--every", 5, "--json")
    assert code == 0, err
    (origin,) = json.loads(out)
    assert {row["id"].partition("/day ")[2] for row in origin["days"]} == set(DAYS[1:])
    assert origin["skipped"] == ""
    figures = {row["id"]: row for row in origin["figures"]}
    assert figures["free_classifier/rows, common lengths"]["world"] < 0.75
    assert "auc/click" in figures


def test_a_log_without_a_clock_is_one_line(run, tmp_path):
    sample_log(synthetic(1, domain="content"), sessions=20).write(tmp_path / "log")
    refused(run("rolling", tmp_path / "log"), "rolling origins need visits with a day; the log has none")


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["table", "json"])
def test_a_log_of_two_short_days_is_one_line(run, places, tmp_path, monkeypatch, form):
    world, log, _ = places
    between(log, 0, 1).write(tmp_path / "two")
    monkeypatch.setattr("recgym.fit.fit", lambda log, **settings: world)
    monkeypatch.setattr("recgym.fidelity.daily_metrics.MIN_ROWS", 1e9)
    code, out, err = run("rolling", tmp_path / "two", *form)
    assert (code, out) == (2, "")
    assert err.splitlines()[-1] == (
        "recgym: rolling origins need a day to judge a world on, after days to fit it on; no day of the log has both; "
        f"the last one, {DAYS[1]}: no day has 1000000000.0 rows"
    )
