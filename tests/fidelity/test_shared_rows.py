"""A randomised test that holds rows of the fitted log is refused; chance repeats are not."""

import numpy as np
import pytest
from refusals import refused

from recgym.fidelity.randomised_test import check_test
from recgym.logs import read_log

NOON = 1_600_000_000


def written(path, rows, *, timed=True):
    """A log of rows user, item, seconds, click."""
    kept = (0, 1, 2, 3) if timed else (0, 1, 3)
    head = np.array(["user", "item", "time", "click"])[list(kept)]
    lines = [",".join(head), *(",".join(str(row[k]) for k in kept) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


def events(seed, num=300, users=20, items=30, step=60):
    rng = np.random.default_rng(seed)
    user, item, click = rng.integers(0, users, num), rng.integers(0, items, num), rng.random(num) < 0.3
    return [
        (f"u{u}", f"i{i}", NOON + step * int(t), int(c))
        for u, i, t, c in zip(user, item, np.sort(rng.integers(0, 9_999, num)), click, strict=True)
    ]


def checked(tmp_path, test, log, **form):
    check_test(*(read_log(written(tmp_path / f"{name}.csv", rows, **form), domain="ecommerce")
                 for name, rows in (("test", test), ("log", log))))  # fmt: skip


@pytest.mark.parametrize("timed", [True, False])
def test_the_log_itself_is_no_test(tmp_path, timed):
    log = events(1)
    with pytest.raises(ValueError, match=r"rows of the log .* of its (300|2\d\d) rows; leave them out"):
        checked(tmp_path, log, log, timed=timed)
    with pytest.raises(ValueError, match="has rows of the log"):
        checked(tmp_path, log[:100], log + events(2), timed=timed)


def test_a_tenth_of_the_rows_of_a_log_with_times_is_refused(tmp_path):
    log, own = events(1), events(2)
    with pytest.raises(ValueError, match="by user, item and time: 30 of its 300 rows"):
        checked(tmp_path, sorted(own[:270] + log[:30], key=lambda row: row[2]), log)


@pytest.mark.parametrize("timed", [True, False])
def test_the_same_users_and_items_at_other_times_are_a_test(tmp_path, timed):
    checked(tmp_path, events(2), events(1), timed=timed)


def test_few_rows_of_one_day_may_be_equal_by_chance(tmp_path):
    log, own = events(1), events(2)
    checked(tmp_path, sorted(own[:298] + log[:2], key=lambda row: row[2]), log)


def test_a_fit_refuses_before_it_begins(tmp_path, run, monkeypatch):
    log = written(tmp_path / "log.csv", events(1))
    monkeypatch.setattr("recgym.fit.fit", None)
    code, out, err = run("fit", log, "--domain", "ecommerce", "--out", tmp_path / "w", "--test", log)
    refused((code, out, err.splitlines(keepends=True)[-1]), "300 of its 300 rows")
    assert not (tmp_path / "w").exists()
