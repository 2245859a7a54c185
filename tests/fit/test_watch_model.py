"""Watch times of own logs: whatever a click and a long view are, the world has the log's shares of the duration."""

import numpy as np
import pandas as pd
import pytest
from card_figures import by_id

from recgym.fidelity.card import card_markdown
from recgym.fit import FitConfig, fit
from recgym.fit.dataset import make_dataset
from recgym.fit.watch_model import watch_form, watch_quantiles
from recgym.logs import Log
from recgym.logs.sample import sample_log
from recgym.sim.schema import BY_RULES, BY_SHARES, WATCH_EDGES_MS
from recgym.sim.synthetic import synthetic

CONFIG = FitConfig(dim=2, epochs=1, start="zero", guard=None, bootstrap=20)


def plays(shortest_s: float, step_s: float, long_share: float, rows: int = 4_000) -> pd.DataFrame:
    """Clicks by chance, shares watched of a click by Beta(2, 2); a long view is a click above `long_share`."""
    rng = np.random.default_rng(1)
    item, session = rng.integers(40, size=rows), np.arange(rows) // 8
    duration = 1000 * (shortest_s + step_s * item)
    click = rng.random(rows) < 0.4
    watch = np.where(click, duration * rng.beta(2, 2, rows), rng.integers(0, 20_000, rows)).astype(int)
    if shortest_s < 60:
        watch = np.where(click, watch, watch // 8)
    columns = {"user": session % 100, "item": item, "session": session, "watch_ms": watch, "click": click}
    columns |= {"long_view": click & (watch > long_share * duration), "duration_ms": duration.astype(int)}
    columns["time"] = pd.to_datetime(1_600_000_000 + 7200 * session + 60 * (np.arange(rows) % 8), unit="s")
    return pd.DataFrame(columns)


def means(frame: pd.DataFrame) -> list[float]:
    """Mean shares watched of rows without a click, with a click alone, and with a long view; mean minutes a row."""
    code = np.where(frame.long_view, 2, np.where(frame.click, 1, 0))
    share = frame.watch_ms / frame.duration_ms
    return [*(float(share[code == k].mean()) for k in range(3)), float(frame.watch_ms.mean() / 60_000)]


@pytest.mark.parametrize(
    ("shortest_s", "step_s", "long_share"), [(600, 1, 0.7), (10, 1, 0.6)], ids=["films", "clips"]
)
def test_a_world_watches_as_its_log_does(shortest_s, step_s, long_share):
    frame = plays(shortest_s, step_s, long_share)
    world = fit(Log.from_pandas(frame, domain="content"), name="w", config=CONFIG, progress=False)
    assert world.arrays.watch[0] == BY_SHARES
    log = sample_log(world, "random", 3_000, seed=2, horizon=8)
    drawn = log.rows.to_pandas()
    drawn["duration_ms"] = world.arrays.duration[drawn.item]
    assert means(drawn) == pytest.approx(means(frame), rel=0.1)
    longest = (frame.watch_ms / frame.duration_ms).max()
    assert (drawn.watch_ms / drawn.duration_ms).max() <= longest + 0.01
    figures = by_id(world.card)
    for label in ("all rows", "no click", "click without long view", "long view"):
        found = figures[f"watch_minutes/{label}"]
        assert found.world == pytest.approx(found.log, rel=0.25), label
    assert "| minutes watched a row, all rows | users |" in card_markdown(world)
    assert "click and long view are not by KuaiRand's rules of 7 s and 18 s" in card_markdown(world)


def test_few_rows_of_a_duration_borrow_from_durations_near_them():
    """Who skips leaves after 2 s, whatever the duration: 120 such rows in each group; the log's minutes are met."""
    rng = np.random.default_rng(0)
    item = np.repeat(np.arange(40), 45)
    duration = 1000.0 * np.geomspace(7, 300, 40)[item]
    click = np.arange(len(item)) % 45 < 15
    watch = np.where(click, 0.8 * duration, rng.uniform(1_000, 3_000, len(item))).astype(int)
    frame = pd.DataFrame({"user": np.arange(len(item)) % 50, "item": item, "click": click, "long_view": click,
                          "watch_ms": watch, "duration_ms": duration.astype(int)})  # fmt: skip
    frame["time"] = pd.to_datetime(1_600_000_000 + 600 * rng.permutation(len(item)), unit="s")
    dataset = make_dataset(Log.from_pandas(frame, domain="content"), CONFIG, positives_only=False)
    table = watch_quantiles(dataset, np.ones(len(item), bool), BY_SHARES)
    group = np.searchsorted(WATCH_EDGES_MS, duration[~click])
    assert np.bincount(group).min() < 200 < (~click).sum()
    played = table[3 * group].mean(axis=1) * duration[~click]
    assert played.mean() == pytest.approx(watch[~click].mean(), rel=0.2)


def test_a_card_says_which_column_watch_times_need():
    frame = plays(10, 1, 0.6, rows=800).drop(columns="long_view")
    world = fit(Log.from_pandas(frame, domain="content"), name="w", config=CONFIG, progress=False)
    assert not world.arrays.watch[0]
    assert "watch times need columns click and long_view" in card_markdown(world)


def test_the_rules_hold_where_the_log_obeys_them():
    log = sample_log(synthetic(1, domain="content", num_users=20, num_items=40), "random", 500, seed=2)
    frame = make_dataset(log, FitConfig(), positives_only=False)
    assert watch_form(frame) == BY_RULES
    watch = frame.watch.copy()
    skipped = np.flatnonzero(~frame.positive & ~frame.events["long_view"])
    watch[skipped[: len(skipped) // 20]] = (
        600_000  # a twentieth of the skipped rows is above the rule of a click
    )
    object.__setattr__(frame, "watch", watch)
    assert watch_form(frame) == BY_SHARES
    object.__setattr__(frame, "watch", np.full(len(watch), np.nan))
    assert watch_form(frame) == 0
