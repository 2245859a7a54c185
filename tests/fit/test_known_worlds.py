"""A fit uses the rows of train and validation only: the test period does not change the world."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from later_logs import CONFIG, CPU, same_world, sampled, with_columns

from recgym.fit import FitConfig
from recgym.fit.dataset import make_dataset
from recgym.fit.leaving_terms import can_leave
from recgym.fit.provenance import cdf, plain_arrays
from recgym.fit.recipe_clicks import fit_clicks
from recgym.fit.recipe_impressions import fit_impressions
from recgym.fit.recipe_pairs import fit_pairs
from recgym.fit.temporal_split import periods
from recgym.logs import Log, Source
from recgym.logs.splits import TEST, split_pairs, visit_days
from recgym.logs.splits import TEST as HELD_OUT
from recgym.logs.visit_history import cut_length
from recgym.sim.engine import Engine
from recgym.sim.logging_policy import LoggedPolicy
from recgym.sim.reward_arrays import make_reward
from recgym.sim.scalar_math import draw
from recgym.sim.synthetic import synthetic


def other_future(log: Log, seed: int, late: np.ndarray) -> Log:
    """The log with other users, items, contexts, responses and session lengths in the rows `late`; times are kept."""
    rng = np.random.default_rng(seed)
    visit = np.cumsum(np.r_[True, np.diff(log.column("session")) != 0]) - 1
    users = rng.integers(log.num_users, size=visit[-1] + 1)[visit]
    contexts = rng.integers(int(log.column("context_index").max()) + 1, size=visit[-1] + 1)[visit]
    drawn = {"user": users, "context_index": contexts}
    drawn["item"] = rng.integers(log.num_items // 2, size=len(log))  # the others do not occur
    drawn |= {name: rng.random(len(log)) < 0.5 for name in log.events if log.domain != "ecommerce"}
    if log.domain == "content":
        drawn["watch_ms"] = rng.integers(1, 90_000, size=len(log))
    changed = {name: np.where(late, values, log.column(name)) for name, values in drawn.items()}
    gone = late & (np.diff(visit, prepend=-1) == 0) & (rng.random(len(log)) < 0.3)
    rows = with_columns(log, **changed).rows.filter(pa.array(~gone))
    if late[-1]:  # the last visit is the longest of all
        longer = with_columns(
            replace(log, rows=rows.slice(rows.num_rows - 1).take([0] * 9)), step=20 + np.arange(9)
        )
        rows = pa.concat_tables([rows, longer.rows])
    return replace(log, rows=rows)


@pytest.mark.parametrize(
    ("domain", "recipe", "period", "guard"),
    [
        ("content", fit_impressions, None, None),
        ("content", fit_impressions, None, 2.0),
        ("ecommerce", fit_clicks, None, None),
        ("ecommerce", fit_clicks, None, 2.0),
        ("ecommerce", fit_clicks, ("2022-04-16", "2022-04-23"), None),
    ],
)
@pytest.mark.slow
def test_a_world_does_not_depend_on_later_rows(domain, recipe, period, guard, monkeypatch):
    monkeypatch.setattr("recgym.fit.leaving_terms.MIN_VISITS", 50)
    monkeypatch.setattr("recgym.fit.event_models.PRESET_ID_RIDGES", (10.0, np.inf))
    monkeypatch.setattr("recgym.fit.baseline_guard.ID_RIDGES", (10.0, np.inf))
    monkeypatch.setattr("recgym.fit.event_models.SLOPE_RIDGES", (10.0,))
    log, config = sampled(domain), replace(CONFIG, period=period, guard=guard)
    when = periods(visit_days(log), config)
    late = np.repeat(when >= TEST, np.diff(np.r_[log.session_starts(), len(log)]))
    assert 0.05 < late.mean() < 0.6
    assert cut_length(np.diff(log.session_starts())) == 6
    recent = ~late & (log.column("session") > 0.7 * log.column("session").max())
    world, same, other = (
        recipe(one, "w", config, 0, CPU, lambda *_: None)
        for one in (log, other_future(log, 1, late), other_future(log, 1, recent))
    )
    same_world(world, same)
    status = {row["term"]: row["status"] for row in world.card["terms"]}
    if guard is None:
        assert status["leave_time"] == ("fitted" if domain == "ecommerce" else "absent")
    else:
        assert status["leave_bias"] == "fitted"  # a log sampled from a world shows whole visits
    kept = ["profile"] if guard is None else []
    for name in ("user_cdf", "exposure", "item_bias", *kept):  # what is known does move it
        assert not np.array_equal(getattr(world.arrays, name), getattr(other.arrays, name)), name


def test_a_world_of_pairs_does_not_depend_on_the_held_out_pairs():
    rng = np.random.default_rng(4)
    pairs = np.unique(rng.integers(0, (60, 30), size=(900, 2)), axis=0)
    ends = np.unique(np.sort(rng.integers(0, 60, size=(200, 2)), axis=1), axis=0)
    ends = ends[ends[:, 0] < ends[:, 1]].astype(np.int32)
    friends = pa.table({"user": ends[:, 0], "friend": ends[:, 1]})
    spare = np.array([(u, i) for u in range(60) for i in range(30)])

    def log_of(chosen):
        columns = {"user": chosen[:, 0], "item": chosen[:, 1], "session": chosen[:, 0]}
        columns |= {"step": np.arange(len(chosen)), "listen": np.ones(len(chosen), bool)}
        return Log.build(
            columns,
            users=pa.table({"id": [str(u) for u in range(60)]}),
            items=pa.table({"id": [str(i) for i in range(30)], "category": [str(i % 3) for i in range(30)]}),
            domain="social",
            source=Source("pairs", "", ""),
            friends=friends,
        )

    def held_out(chosen):
        return np.stack(split_pairs(log_of(chosen), 0)[:2], 1)[split_pairs(log_of(chosen), 0)[2] == HELD_OUT]

    known = np.array(sorted(set(map(tuple, pairs)) - set(map(tuple, held_out(pairs)))))
    others = held_out(spare)[::2]
    assert len(known) < len(pairs) < len(known) + len(others) + 40
    fits = [
        fit_pairs(log_of(np.concatenate([known, late])), "w", CONFIG, 0, CPU, lambda *_: None)
        for late in (held_out(pairs), others)
    ]
    same_world(*fits)
    assert fits[0].has_graph


def test_later_users_and_items_have_an_index_and_no_weight():
    log = sampled("content")
    late = np.repeat(periods(visit_days(log), CONFIG) == TEST, np.diff(np.r_[log.session_starts(), len(log)]))
    user, item = log.column("user"), log.column("item")
    log = with_columns(
        log,
        user=np.where(
            late, user % 2 * 30, np.where(user % 30 == 0, 1, user)
        ),  # 0 and 30 come late, nobody else does
        item=np.where(late, item, np.where(item % 5 == 0, 1, item)),
    )
    frame = make_dataset(log, CONFIG, positives_only=False)
    assert sorted(frame.user_row[-2:]) == [0, 30]
    assert (np.diff(frame.user_row[:-2]) > 0).all()
    assert sorted(frame.item_row[-3:]) == [0, 5, 10]
    assert (frame.items.exposure[-3:] == 0).all()
    assert frame.items.exposure.sum() == pytest.approx(1.0)
    arrays = plain_arrays(frame, 2)
    assert (arrays["user_cdf"][-3:] == 1.0).all()
    np.testing.assert_array_equal(frame.user_row[frame.user], log.column("user"))
    np.testing.assert_array_equal(frame.item_row[frame.item], log.column("item"))


def test_weights_without_mass_are_never_drawn():
    shares = cdf(np.array([0.0, 0.1, 0.2, 0.0, 0.7 / 3, 0.0, 0.0]))
    assert draw(shares, 0, 7, 0.0) == 1
    assert draw(shares, 0, 7, np.nextafter(1.0, 0.0)) == 4
    assert shares[-1] == 1.0
    sixths = cdf(np.r_[np.ones(6), 0.0])  # six sixths in floating point fall short of 1
    assert draw(sixths, 0, 7, np.nextafter(1.0, 0.0)) == 5


def test_the_logging_policy_shows_items_without_exposure_last():
    world = synthetic(1, domain="content", num_items=12, num_categories=3)
    exposure = np.r_[np.full(4, 0.25), np.zeros(8)]
    category = np.r_[0, 0, 0, 1, np.full(8, 2)]
    world = world.with_arrays(exposure=exposure, category=category, logged_stay=np.array([0.9]))
    engine = Engine(world, 50, slate_size=6, horizon=3, reward=make_reward(world, {}))
    engine.seed(np.arange(50, dtype=np.uint64))
    engine.reset()
    policy = LoggedPolicy(world)
    for _ in range(3):
        slate, propensity = policy(engine)
        assert all(len(set(row)) == 6 for row in slate.tolist())
        assert (np.sort(slate, 1)[:, :4] == np.arange(4)).all()  # the four that are shown, then the rest
        assert np.isfinite(propensity).all()
        engine.step(slate, np.ones(50, bool))


def test_known_sessions_decide_whether_leaving_is_fitted(monkeypatch):
    monkeypatch.setattr("recgym.fit.leaving_terms.MIN_VISITS", 50)
    log = sampled("ecommerce")
    frame = make_dataset(log, CONFIG, positives_only=True)
    assert can_leave(frame, log, FitConfig())
    assert not can_leave(replace(frame, period=np.full_like(frame.period, TEST)), log, FitConfig())


def test_attributes_of_an_item_are_those_of_its_first_rows():
    rows = pd.DataFrame({
        "user": ["a", "a", "b", "b", "c"], "item": ["x", "x", "x", "y", "y"], "time": [500, 100, 300, 200, 400],
        "price": [9.0, 2.0, 7.0, np.nan, 5.0], "category": ["late", "", "early", "only", "other"],
    })  # fmt: skip
    items = Log.from_pandas(rows, domain="ecommerce", time_unit="s").items.to_pydict()
    assert items["id"] == ["x", "y"]
    assert items["price"] == [2.0, 5.0]
    assert items["category"] == ["early", "only"]
    shuffled = Log.from_pandas(rows.iloc[::-1], domain="ecommerce", time_unit="s").items.to_pydict()
    assert shuffled == items
