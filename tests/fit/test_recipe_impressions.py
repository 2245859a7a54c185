"""Content worlds: random intercepts, watch times and counts before a log, against closed forms and known worlds."""

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recgym.fit.config import FitConfig
from recgym.fit.dataset import make_dataset
from recgym.fit.random_intercept import fit_random_intercept, over_intercepts
from recgym.fit.user_features import earlier_rates
from recgym.fit.watch_model import watch_form, watch_quantiles
from recgym.logs import LogError, read_log
from recgym.logs.sample import sample_log
from recgym.sim.schema import BY_RULES, BY_SHARES, WATCH_EDGES_MS
from recgym.sim.synthetic import synthetic
from recgym.sim.watch_time import watch_time

AT = 1_650_000_000_000  # [ms]
LOG = (
    "user_id,video_id,date,hourmin,time_ms,is_click,is_like,is_follow,is_comment,is_forward,is_hate,long_view,"
    "play_time_ms,duration_ms,profile_stay_time,comment_stay_time,is_profile_enter,is_rand,tab\n"
    "1,5,20220425,100,1650000002000,1,0,0,0,0,0,0,0,20000,0,0,0,0,1\n"
    "1,5,20220425,100,1650000003000,1,0,0,0,0,0,1,19000,20000,0,0,0,0,1\n"
    "2,6,20220425,100,1650000002500,0,0,0,0,0,0,0,0,20000,0,0,0,0,1\n"
)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def responses_with_intercepts(sd: float, visits: int = 4_000, rows: int = 8):
    rng = np.random.default_rng(3)
    visit = np.repeat(np.arange(visits), rows)
    x = rng.normal(size=len(visit))
    logit = -0.3 + 0.8 * x + sd * rng.normal(size=visits)[visit]
    return (rng.random(len(visit)) < sigmoid(logit)).astype(float), x, visit


@pytest.mark.parametrize("sd", [0.0, 0.5, 1.2])
def test_the_random_intercept_of_a_log_is_recovered(sd):
    found = fit_random_intercept(*responses_with_intercepts(sd))
    assert found.sd == pytest.approx(sd, abs=0.05 + 0.1 * (sd == 0.0))
    assert (found.shift, found.scale) == pytest.approx((-0.3, 0.8), abs=0.06)


def test_a_mean_over_random_intercepts_equals_a_fine_integral():
    place = np.linspace(-8, 8, 20_001)
    weight = np.exp(-(place**2) / 2) / np.exp(-(place**2) / 2).sum()
    logit = np.array([-3.0, 0.2, 1.5])
    exact = [(weight * sigmoid(at + 0.9 * place)).sum() for at in logit]
    np.testing.assert_allclose(over_intercepts(lambda m: sigmoid(logit + m), 0.9), exact, atol=1e-5)


@pytest.mark.parametrize("below", [True, False])
def test_a_fitted_table_reproduces_watch_times(below):
    """By group of durations: the median watch time of skips, clicks and long views, with clicks below the threshold."""
    world = synthetic(1, domain="content", num_users=20, num_items=40)
    frame = make_dataset(sample_log(world, "random", 4_000, seed=2), FitConfig(), positives_only=False)
    some = frame.positive & (np.arange(len(frame.item)) % 3 < below)
    watch = np.where(some, 0.3 * frame.watch, frame.watch)
    object.__setattr__(frame, "watch", watch)  # a third of all clicks may be below the threshold
    form = watch_form(frame)
    assert form == (BY_SHARES if below else BY_RULES)
    table = watch_quantiles(frame, np.ones(len(watch), bool), form)
    order = np.argsort(frame.items.duration)
    again = world.with_arrays(
        watch=np.full(1, form),
        watch_quantiles=table,
        duration=frame.items.duration,
        **{name: getattr(world.arrays, name) for name in ("exposure",)},
    )
    group = np.searchsorted(WATCH_EDGES_MS, frame.items.duration)
    second = frame.events["long_view"]
    for item in order[[3, 20, 37]]:
        rows = group[frame.item] == group[item]
        for piece, inside in enumerate((~frame.positive, frame.positive & ~second, second)):
            if (rows & inside).sum() < 200:
                continue
            drawn = [
                watch_time(again.arrays, other, piece, u)
                for other in frame.item[rows & inside][:300]
                for u in np.linspace(0.05, 0.95, 10)
            ]
            logged = watch[rows & inside]
            assert np.median(drawn) == pytest.approx(np.median(logged), rel=0.1), (item, piece)


def test_rates_before_a_log_are_shrunk_logits():
    rates = earlier_rates({"earlier_shown": [0, 50, 50], "earlier_like": [0, 1, 25], "id": ["a", "b", "c"]})
    mean = 26.5 / 101
    rate = (np.array([0, 1, 25]) + 4 * mean) / (np.array([0, 50, 50]) + 4)
    expected = np.log(rate / (1 - rate))
    np.testing.assert_allclose(rates[:, 1], expected - expected.mean(), atol=1e-5)
    assert earlier_rates({"id": ["a", "b"]}).shape == (2, 0)


def kuairand(
    folder: Path, last: int = AT + 1_000, videos: tuple[int, ...] = (5, 6, 5, 6), log: str = LOG
) -> Path:
    with gzip.open(folder / "log_standard_pure.csv.gz", "wt") as file:
        file.write(log)
    (folder / "user_features_pure.csv").write_text("user_id,degree\n1,3\n2,4\n")
    (folder / "video_features_basic_pure.csv").write_text(
        "video_id,author_id,video_type,video_duration,tag\n5,1,NORMAL,,1\n6,1,NORMAL,,2\n"
    )
    sequences = {"user_id": [1], "history_len": [9], "last_time_ms": [last], "watch_seq": [list(videos)]}
    sequences |= {
        "like_seq": [[]],
        "long_watch_seq": [[6, 5]],
    }  # the 6 may lie before the window: the last 5 is met
    kind = pa.list_(pa.int64())
    table = pa.table(
        sequences | {name: pa.array(sequences[name], kind) for name in sequences if "seq" in name}
    )
    pq.write_table(table, folder / "user_sequences_1.parquet")
    return folder


def test_earlier_sequences_are_counted_for_users_and_items(tmp_path):
    log = read_log(kuairand(tmp_path))
    assert log.users["earlier_shown"].to_pylist() == [4, 0]
    assert log.users["earlier_long_view"].to_pylist() == [2, 0]
    assert log.items["earlier_shown"].to_pylist() == [2, 2]
    assert log.items["earlier_long_view"].to_pylist() == [1, 1]
    assert log.users["earlier_like"].to_pylist() == [0, 0]
    assert log.earlier["user"].to_pylist() == [0, 0, 0, 0]
    assert log.earlier["item"].to_pylist() == [0, 1, 0, 1]
    assert log.earlier["long_view"].to_pylist() == [False, True, True, False]


def test_a_play_recorded_twice_is_one_row(tmp_path):
    log = read_log(kuairand(tmp_path))
    assert len(log) == 2
    assert sorted(log.column("watch_ms").tolist()) == [0, 19_000]
    assert any("only begun" in remark for remark in log.remarks)


def test_sequences_that_overlap_the_log_are_not_used_and_unknown_videos_are_refused(tmp_path):
    log = read_log(kuairand(tmp_path, last=AT + 3_000))
    assert "earlier_shown" not in log.users.column_names
    assert any("not used" in remark for remark in log.remarks)
    later = LOG.replace("1,5,20220425,100,1650000002000,", "1,5,20220426,100,1650000009000,").replace(
        "1,5,20220425,100,1650000003000,", "1,5,20220426,100,1650000009500,"
    )
    log = read_log(
        kuairand(tmp_path, last=AT + 2_600, log=later)
    )  # user 1 comes on the second day: 25 April ends at AT + 2500
    assert "earlier_shown" not in log.users.column_names
    assert any("after the log's first day" in remark for remark in log.remarks)
    log = read_log(kuairand(tmp_path, last=AT + 2_400, log=later))
    assert log.users["earlier_shown"].to_pylist() == [4, 0]
    with pytest.raises(LogError, match=r"user_sequences_1.parquet, row 1, watch_seq"):
        read_log(kuairand(tmp_path, videos=(5, 7)))
