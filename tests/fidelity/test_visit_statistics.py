"""Statistics of visits against pandas on a table made by hand, and tables of visits."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from recgym.fidelity.free_running import Form, baseline_visits
from recgym.fidelity.free_running_metrics import _spreads
from recgym.fidelity.resampling import Resampling
from recgym.fidelity.visit_statistics import (
    VisitStatistics,
    correlation,
    distances,
    kolmogorov_smirnov,
    popularity_rank,
    seen_earlier,
)
from recgym.fidelity.visit_table import VisitTable, common_lengths, with_lengths_of
from recgym.sim.synthetic import synthetic

WORLD = synthetic(0, domain="content", num_items=8)
FRAME = pd.DataFrame({
    "visit": [0, 0, 0, 0, 2, 2, 3, 3, 3],
    "place": [1, 2, 3, 4, 1, 2, 1, 2, 3],
    "item": [0, 1, 0, 5, 2, 2, 7, 6, 7],
    "click": [1, 1, 0, 1, 0, 1, 0, 0, 1],
    "like": [0, 1, 0, 0, 0, 1, 0, 0, 0],
})  # fmt: skip
CONTEXT = np.arange(4)  # visit 1 has no row


def table(frame=FRAME, context=CONTEXT) -> VisitTable:
    events = {name: frame[name].to_numpy().astype(bool) for name in ("click", "like")}
    columns = (frame[name].to_numpy() for name in ("visit", "place", "item"))
    return VisitTable(*columns, events, np.full(len(frame), np.nan), context)


def statistics(visits, **options):
    return VisitStatistics(visits, WORLD, popularity_rank(WORLD, None), **options)


def expected(frame, num=4) -> dict[str, float]:
    """The statistics by pandas, one loop for each."""
    category = frame["item"].map(lambda item: int(WORLD.arrays.category[item]))
    length, clicks = frame.groupby("visit")["place"].max(), frame.groupby("visit")["click"].sum()
    share = frame["item"].value_counts().reindex(range(8), fill_value=0)
    differences = np.abs(share.to_numpy()[:, None] - share.to_numpy()[None, :]).sum()
    p = frame["click"].mean()
    products = [
        (a - p) * (b - p)
        for _, part in frame.groupby("visit")
        for i, a in enumerate(part["click"])
        for j, b in enumerate(part["click"])
        if i != j
    ]
    pairs = [
        (k, k + 1) for k in range(len(frame) - 1) if frame["visit"].iloc[k] == frame["visit"].iloc[k + 1]
    ]
    runs = []  # lengths of runs of responses in one category
    for _, part in frame.assign(category=category)[frame["click"] == 1].groupby("visit"):
        change = (part["category"] != part["category"].shift()).cumsum()
        runs += part.groupby(change).size().tolist()
    return {
        "free_responses": clicks.sum() / num,
        "free_responding": (clicks > 0).sum() / num,
        "free_length/mean": length.mean(),
        "free_length/median": length.quantile(0.5, interpolation="lower"),
        "free_rate/click": p,
        "free_rate/like": frame["like"].mean(),
        **{f"free_rate_at/click/{t}": part["click"].mean() for t, part in frame.groupby("place")},
        "free_gini": differences / (2 * 8 * share.sum()),
        "free_top_items": share.max() / share.sum(),
        "free_spread": np.mean(products),
        "free_repeats": frame.groupby("visit")["item"].transform(lambda part: part.duplicated()).mean(),
        "free_same_category": np.mean([category.iloc[a] == category.iloc[b] for a, b in pairs]),
        "free_run": np.mean(runs),
        "free_neighbours": np.corrcoef(*(frame["click"].to_numpy()[[pair[k] for pair in pairs]] for k in (0, 1)))[0, 1],
    }  # fmt: skip


def test_statistics_are_those_of_pandas():
    found = statistics(table())()
    for name, value in expected(FRAME).items():
        assert found[name] == pytest.approx(value), name


def test_a_weight_of_two_is_a_visit_twice():
    twice = pd.concat([FRAME, FRAME[FRAME["visit"] == 3].assign(visit=4)], ignore_index=True)
    weighted = statistics(table())(np.array([1.0, 1.0, 1.0, 2.0]))
    plain = statistics(table(twice, np.arange(5)))()
    assert weighted.keys() == plain.keys()
    for name, value in plain.items():
        assert weighted[name] == pytest.approx(value, nan_ok=True), name
    for name, value in expected(twice, 5).items():
        assert plain[name] == pytest.approx(value), name


def test_rows_of_responses_have_no_rate_and_unordered_ones_no_sequence():
    whole = set(statistics(table())())
    bare = set(statistics(table(), responses_only=True, ordered=False)())
    assert bare == {name for name in whole if name.split("/")[0] in (
        "free_responses", "free_responding", "free_length", "free_gini", "free_top_items")}  # fmt: skip


def test_responses_of_a_log_of_responses_are_those_of_visits_with_one():
    clicks = FRAME[FRAME["click"] == 1].assign(place=1)
    world = statistics(table(clicks), responses_only=True)  # 3, 0, 1, 1
    logged = table(clicks.assign(visit=clicks["visit"].replace({2: 1, 3: 2})), np.arange(3))  # 3, 1, 1
    log = statistics(logged, responses_only=True)
    assert world()["free_responses"] == log()["free_responses"] == pytest.approx(5 / 3)
    assert (world()["free_responding"], log()["free_responding"]) == (0.75, 1.0)
    assert distances(world.distributions(), log.distributions())["free_responses_distance"] == 0.0


def test_distances_by_hand():
    one, other = statistics(table()), statistics(table(FRAME[FRAME["visit"] > 0]))
    found = distances(one.distributions(), other.distributions())
    assert found["free_length_distance"] == pytest.approx(1 / 3)  # lengths 4, 2, 3 against 2, 3
    assert found["free_responses_distance"] == pytest.approx(1 / 4)  # 3, 0, 1, 1 against 0, 0, 1, 1
    assert distances(one.distributions(), one.distributions()) == dict.fromkeys(found, 0.0)
    assert kolmogorov_smirnov(np.array([0.5, 0.5]), np.array([0.0, 0.5, 0.5])) == 0.5
    assert correlation(*np.random.default_rng(0).normal(size=(2, 9)), np.ones(9)) == pytest.approx(
        np.corrcoef(*np.random.default_rng(0).normal(size=(2, 9)))[0, 1]
    )


def test_ranks_are_by_rows_then_by_number():
    np.testing.assert_array_equal(popularity_rank(WORLD, np.array([3, 3, 5])), [2, 3, 4, 0, 5, 1, 6, 7])
    np.testing.assert_array_equal(popularity_rank(WORLD, None), np.arange(8))
    np.testing.assert_array_equal(seen_earlier(FRAME["visit"].to_numpy(), FRAME["item"].to_numpy()),
                                  [0, 0, 1, 0, 0, 1, 0, 0, 1])  # fmt: skip


def test_visits_are_chosen_and_cut():
    visits = table()
    np.testing.assert_array_equal(visits.length, [4, 0, 2, 3])
    chosen = visits.visits(np.array([3, 0]))
    np.testing.assert_array_equal(chosen.visit, [0, 0, 0, 0, 1, 1, 1])
    np.testing.assert_array_equal(chosen.context, [0, 3])
    np.testing.assert_array_equal(visits.cut(np.array([1, 9, 9, 2])).length, [1, 0, 2, 2])


def test_common_lengths_are_equal_in_distribution():
    rng = np.random.default_rng(0)
    tables = []
    for mean in (3, 6):
        length = rng.poisson(mean, 400)
        visit = np.repeat(np.arange(400), length)
        place = np.arange(len(visit)) - np.searchsorted(visit, visit) + 1
        flag = {"click": rng.random(len(visit)) < 0.5}
        tables.append(
            VisitTable(visit, place, visit % 8, flag, np.full(len(visit), np.nan), np.zeros(400, int))
        )
    one, other = common_lengths(*tables, rng)
    np.testing.assert_array_equal(np.sort(one.length), np.sort(other.length))
    assert one.length.min() == 1
    cut = with_lengths_of(tables[1], tables[0], rng)
    assert (cut.length <= tables[1].length).all()
    assert cut.length.max() <= tables[0].length.max()


def test_an_interval_holds_its_value():
    """Of 200 visits 86 have four rows, the others three: the median is 3, and in 2 % of bootstrap samples 4."""
    length = np.repeat([3, 4], [114, 86])
    visit = np.repeat(np.arange(200), length)
    place = np.arange(len(visit)) - np.repeat(np.cumsum(length) - length, length) + 1
    item, click = (7 * np.arange(len(visit))) % 8, np.arange(len(visit)) % 3 == 0
    frame = pd.DataFrame({"visit": visit, "place": place, "item": item, "click": click, "like": click})
    log = statistics(table(frame, np.zeros(200, int)))
    found = log()
    assert found["free_length/median"] == 3
    spreads = _spreads(log, found, SimpleNamespace(resampling=Resampling(np.arange(200), 400, 0)))
    held = {name: spreads[name].low <= value <= spreads[name].high for name, value in found.items()}
    assert all(held.values()), held


def test_rates_by_position_are_those_of_the_rows():
    position = np.array([1, 2, 1, 2, 1, 2, 1, 2, 3])
    visits = table()._replace(position=position)
    clicks = FRAME["click"].groupby(position).mean()
    found = statistics(visits)()
    assert {t: found[f"free_rate_position/click/{t}"] for t in (1, 2, 3)} == pytest.approx(dict(clicks))
    part = visits.visits(np.array([0, 3]))
    assert part.position.tolist() == [1, 2, 1, 2, 1, 2, 3]
    assert not any("position" in name for name in statistics(table())())


def test_slates_with_a_response_and_with_several_are_counted():
    frame = FRAME.assign(place=[1, 1, 2, 2, 1, 1, 1, 1, 1])
    clicks = frame.groupby(["visit", "place"])["click"].sum()
    found = statistics(table(frame))()
    assert found["free_slates/a response"] == pytest.approx((clicks > 0).mean())
    assert found["free_slates/several responses"] == pytest.approx((clicks > 1).mean())
    assert not any("slates" in name for name in statistics(table())())


def test_lengths_of_the_baseline_end_at_the_horizon_of_the_log():
    rng = np.random.default_rng(0)
    length = np.minimum(rng.geometric(0.1, 4_000), 8)
    visit = np.repeat(np.arange(len(length)), length)
    place = np.arange(len(visit)) - np.repeat(np.cumsum(length) - length, length) + 1
    frame = pd.DataFrame({"visit": visit, "place": place, "item": 0, "click": 0, "like": 0})
    form = Form(1, 8, ("click", "like"), responses_only=False, pages=False)
    drawn = baseline_visits(table(frame, np.zeros(len(length), np.int64)), form, 4_000, 1).length
    assert drawn.max() == 8
    assert (drawn == 8).mean() == pytest.approx(0.9**7, abs=0.03)
    assert drawn.mean() == pytest.approx(length.mean(), rel=0.03)
