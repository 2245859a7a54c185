"""Days that a world was not fitted on: its test period, later logs, figures by day, how often they were looked at."""

import dataclasses
import json

import numpy as np
import pyarrow as pa
import pytest
from card_figures import by_id
from dated_logs import DAY, DAYS, START, between, dated_log

from recgym.fidelity import figures, judge_since, later_days
from recgym.fidelity.card import card_markdown
from recgym.fidelity.card_metrics import figures_of, id_of, text_of
from recgym.fidelity.daily_metrics import by_day
from recgym.fidelity.evaluation import Evaluation, LackingError
from recgym.fidelity.indexed_log import align
from recgym.logs.fingerprint import identity
from recgym.logs.sample import sample_log
from recgym.logs.splits import point_text
from recgym.numerics import auc
from recgym.sim.synthetic import synthetic
from recgym.sim.world_ids import Ids


@pytest.fixture(scope="module")
def dated():
    """A world that was fitted on 28 and 29 April and judged on the 30th, and a log of six days of 100 visits."""
    world, log = dated_log()
    own = world.with_card(
        identity=identity(log, np.arange(world.num_users), np.arange(world.num_items)),
        since=DAYS[2], looked_at={"times": "once", "from": DAYS[2], "to": DAYS[2]},
    )  # fmt: skip
    return own, log


@pytest.fixture
def days_alone(monkeypatch):
    monkeypatch.setattr(figures, "TABLE", [group for group in figures.TABLE if group.daily])
    monkeypatch.setattr(
        "recgym.fidelity.boosted_trees.MIN_TRAINING_ROWS", 1e9
    )  # without the trees, which are slow


@pytest.mark.usefixtures("days_alone")
def test_a_later_log_is_judged_as_a_whole_and_by_day(dated):
    world, log = dated
    later = between(log, 3, 5)
    verdict = judge_since(world, later, resamples=20)
    assert verdict.looked_at == {"times": "once", "from": DAYS[3], "to": DAYS[5]}
    assert f"{later.num_rows:,} rows of 300 visits" in verdict.remarks
    assert (
        "the log has no earlier visits: baselines are trained on the other half of these" in verdict.remarks
    )
    assert {row.day for row in figures_of(verdict.entries())} == set(DAYS[3:])


@pytest.mark.usefixtures("days_alone")
def test_the_own_log_is_judged_a_second_time_and_not_by_day(dated):
    world, log = dated
    verdict = judge_since(world, between(log, 0, 2), resamples=20)
    assert verdict.looked_at == {"times": later_days.AGAIN, "from": DAYS[2], "to": DAYS[2]}
    assert verdict.figures == []
    without = world.with_card(looked_at={})  # of an earlier version
    assert judge_since(without, between(log, 0, 2), resamples=20).looked_at["times"] == later_days.AGAIN
    assert judge_since(without, between(log, 3, 5), resamples=20).looked_at["times"] == "once"


@pytest.mark.usefixtures("days_alone")
def test_rows_of_the_fit_that_are_judged_are_counted(dated):
    world, log = dated
    fitted, asked = between(log, 1, 1).num_rows, between(log, 1, 5).num_rows
    verdict = judge_since(world, log, DAYS[1], resamples=20)
    said = f"{fitted:,} of {asked:,} rows are of the days before {DAYS[2]}"
    assert f"{said}, on which the world was fitted: figures of these are no forecasts" in verdict.remarks
    card = world.with_card(**verdict.entries())
    assert f"**Judged in part on rows that it was fitted on**: {said}." in card_markdown(card)
    from_29 = world.with_card(learnt_from=DAYS[1])
    assert judge_since(from_29, log, DAYS[0], resamples=20).looked_at["fitted"].startswith(f"{fitted:,} of ")
    for later in (DAYS[2], DAYS[4], None):
        assert "fitted" not in judge_since(world, log, later, resamples=20).looked_at


@pytest.mark.usefixtures("days_alone")
def test_a_moment_is_printed_as_a_time(dated):
    world, log = dated
    at = world.with_card(since=f"ms:{START + DAY}")
    assert f"since {DAYS[1]} 00:00:00 UTC" in judge_since(at, log, resamples=20).remarks
    assert [point_text(point) for point in ("ms:1649462548000", "visit:12", "2022-04-01")] == [
        "2022-04-09 00:02:28 UTC", "visit 12", "2022-04-01",
    ]  # fmt: skip


@pytest.mark.usefixtures("days_alone")
def test_days_that_were_judged_before_are_so_called_in_a_later_log(dated):
    world, log = dated
    assert judge_since(world, between(log, 2, 4), resamples=20).looked_at["times"] == later_days.AGAIN


def test_a_foreign_log_is_refused_with_the_count_of_all_its_rows(dated):
    world, log = dated
    names = [np.char.mod(f"{what}%d", np.arange(size)) for what, size in (("u", 250), ("i", 40))]
    known = dataclasses.replace(
        world.with_card(identity={}), ids=Ids(*(tuple(map(str, ids)) for ids in names))
    )
    foreign = dataclasses.replace(log, items=log.items.select(["id"]))  # ids 0, 1, 2 ...
    with pytest.raises(
        ValueError, match=rf"40 of its 40 items \({len(log):,} of {len(log):,} rows\) are unknown"
    ):
        judge_since(known, foreign, resamples=20)


@pytest.mark.usefixtures("days_alone")
def test_a_later_log_of_new_users_alone_judges_a_world(dated):
    """Where each session is a user, no user returns."""
    world, log = dated
    items = tuple(log.items["id"].to_pylist())
    known = dataclasses.replace(
        world.with_card(identity={}), ids=Ids(tuple(f"u{row}" for row in range(world.num_users)), items)
    )
    later = between(log, 3, 5)
    guests = later.users.set_column(0, "id", pa.array([f"guest {row}" for row in range(later.num_users)]))
    verdict = judge_since(known, dataclasses.replace(later, users=guests), resamples=20)
    assert "300 visits of users that the world does not know: drawn from its population" in verdict.remarks
    assert len(verdict.entries()) == len(judge_since(world, later, resamples=20).entries())


def test_figures_of_a_day_are_those_of_its_rows(dated):
    world, log = dated
    case = Evaluation(
        world, align(world, between(log, 3, 5)), align(world, between(log, 0, 2)), "impressions", 20, 0
    )
    found = {row.id: row for row in by_day(case)}
    chance, flag = case.chance("click"), case.log.events["click"]
    for number, day in enumerate(DAYS[3:]):
        rows = np.isin(case.log.visit, np.arange(number * 100, number * 100 + 100))
        assert found[f"rate/click/day {day}"].log == pytest.approx(flag[rows].mean(), abs=1e-5)
        assert found[f"auc/click/day {day}"].world == pytest.approx(auc(flag[rows], chance[rows]), abs=1e-5)
        assert found[f"auc/click/day {day}"].n == rows.sum()
        assert set(found[f"log_loss/long_view/day {day}"].baselines) == {"user x item rates", "boosted trees"}
    with pytest.raises(LackingError, match="no day has 500 rows"):
        by_day(
            dataclasses.replace(case, log=align(world, dataclasses.replace(log, rows=log.rows.slice(0, 400))))
        )


def test_clicks_of_a_day():
    world = synthetic(2, domain="ecommerce", num_items=24)
    log = sample_log(world, "logged", 900, seed=1, slate_size=8, horizon=30)
    clicks = log.rows.filter(log.rows["click"]).drop_columns(["cart", "purchase"])
    place = clicks.schema.get_field_index("time")
    time = pa.array(START + DAY * (np.asarray(clicks["session"]) // 450))
    log = dataclasses.replace(log, rows=clicks.set_column(place, "time", time))
    case = Evaluation(world, align(world, log), None, "choices", 20, 0)
    found = {row.id: row for row in by_day(case)}
    assert set(found) == {
        f"{name}/day {day}" for name in ("page_log_loss", "log_loss/leaving") for day in DAYS[:2]
    }
    whole = sum(row.world * row.n for name, row in found.items() if name.startswith("page"))
    chosen = case.options.item == np.repeat(case.log.item, np.diff(case.options.begin))
    assert whole / log.num_rows == pytest.approx(-np.log(case.forecast.chance[chosen]).mean(), abs=1e-4)


def test_the_text_of_a_day_leads_back_to_its_id():
    for name in (
        "auc/click/day 2022-05-01",
        "page_log_loss/day 2022-05-01",
        "free_rate_at/click/3/day 2022-05-01",
    ):
        assert id_of(text_of(name)) == name
    assert text_of("auc/click/day 2022-05-01") == "AUC of click, day 2022-05-01"


@pytest.mark.usefixtures("days_alone")
def test_the_card_says_how_often_its_days_were_looked_at(dated):
    world, log = dated
    later = world.with_card(**judge_since(world, between(log, 3, 5), resamples=20).entries())
    text = card_markdown(later)
    assert f"* looked_at: times once, from {DAYS[3]}, to {DAYS[5]}" in text
    assert by_id(later.card)[f"rate/click/day {DAYS[4]}"].day == DAYS[4]


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_figures_of_a_few_rows_are_none_with_a_reason(rows):
    world, log = dated_log(60)
    few = dataclasses.replace(log, rows=log.rows.slice(0, rows))
    card = identity(log, np.arange(world.num_users), np.arange(world.num_items))
    verdict = judge_since(world.with_card(identity=card, since=f"ms:{START - DAY}"), few, resamples=20)
    assert json.loads(json.dumps(verdict.entries(), allow_nan=False))
    figures = {row["id"]: row for row in verdict.figures}
    for row in verdict.figures:
        assert row["world"] is not None or "why" in row, row
    assert figures["auc/click"]["why"] == f"not defined for the world: n is {rows}"
    text = card_markdown(world.with_card(**verdict.entries()))
    assert f"* no value: AUC of click: not defined for the world: n is {rows}" in text
    assert "| nan" not in text
