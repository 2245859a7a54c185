"""Reader of the Open Bandit Dataset: impressions with propensities, options and errors."""

import numpy as np
import pytest
from log_layouts import assert_rows_are_lines, changed, obd, refused, write

from recgym.logs import read_log, validate


def test_obd_impressions_with_propensities(tmp_path):
    folder = write(tmp_path, obd())
    log = read_log(folder)
    assert log.users["id"].to_pylist() == ["randomall-03a5-c2e4-f975", "randomall-03a5-c2e4-abcd"]
    assert log.users["user_feature_3"].to_pylist() == ["f975", "abcd"]
    assert log.items["id"].to_pylist() == ["0", "1"]
    assert log.items["category"].to_pylist() == ["kind 2", "kind 1"]
    assert log.column("time").tolist() == [1574553617000, 1574553618000, 1574553634763]
    assert log.column("session").tolist() == [0, 1, 2]
    assert log.column("item").tolist() == [0, 0, 1]
    assert log.column("user").tolist() == [0, 1, 0]
    assert log.column("position").tolist() == [0, 1, 2]
    assert log.column("propensity").tolist() == [0.25, 1.0, 0.5]
    assert log.column("click").tolist() == [True, False, False]
    assert log.column("file_row").tolist() == [3, 4, 2]
    assert validate(log) == []
    other = read_log(folder, policy="bts", campaign="men")
    assert other.users["user_feature_0"].to_pylist() == ["btsmen", "btsmen"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("1,3,0,0.5", "1,3,0,0", "all.csv, row 2, propensity: a propensity must be in (0, 1]; found 0.0"),
        (
            "1,3,0,0.5",
            "7,3,0,0.5",
            "all.csv, row 2, item_id: the id must be in the table of items; found 7",
        ),
        ("1,3,0,0.5", "1,0,0,0.5", "all.csv, row 2, position: 1, 2 or 3 is needed; found 0"),
        ("1,3,0,0.5", "1,4,0,0.5", "all.csv, row 2, position: 1, 2 or 3 is needed; found 4"),
        ("c2e4,abcd", ",abcd", "all.csv, row 4, user_feature_2: a value is needed; found ''"),
        ("2019-11-24 00:00:17+00:00", "yesterday", "all.csv, row 3, timestamp: a time is needed"),
        ("1,3,0,0.5", "1,3,2,0.5", "all.csv, row 2, click: 0 or 1 is needed; found '2'"),
    ],
)
def test_obd_errors_name_the_place(tmp_path, old, new, message):
    folder = write(tmp_path, changed(obd(), "open_bandit_dataset/random/all/all.csv", old, new))
    assert f"open_bandit_dataset/random/all/{message}" in refused(folder)


def test_exact_duplicates_of_obd_are_dropped(tmp_path):
    name, row = "open_bandit_dataset/random/all/all.csv", "2,2019-11-24 00:00:18.000000"
    texts = obd()
    line = next(line for line in texts[name].splitlines() if line.startswith(row))
    log = read_log(write(tmp_path, texts | {name: texts[name] + line + "\n"}))
    assert (len(log), log.duplicates, log.column("session").tolist()) == (3, 1, [0, 1, 2])
    assert f"{name}: 1 exact duplicate rows dropped" in log.remarks


def test_obd_options(tmp_path):
    folder = write(tmp_path, obd())
    assert refused(folder, policy="ucb") == "policy must be random or bts; it is 'ucb'"
    assert refused(folder, campaign="kids") == "campaign must be all, men or women; it is 'kids'"


def test_rows_of_the_open_bandit_dataset_are_lines_of_the_file(tmp_path):
    assert_rows_are_lines(write(tmp_path, obd()))


@pytest.mark.data
def test_facts_of_the_open_bandit_dataset(data_folder):
    clicks = {}
    for policy in ("random", "bts"):
        for campaign, items in (("all", 80), ("men", 34), ("women", 46)):
            log = read_log(data_folder / "obd_small", policy=policy, campaign=campaign)
            assert (len(log), log.num_items, log.num_sessions) == (10_000, items, 10_000)
            assert validate(log) == []
            clicks[policy, campaign] = int(log.column("click").sum())
            if policy == "random":
                np.testing.assert_allclose(log.column("propensity"), 1 / items)
    assert list(clicks.values()) == [38, 46, 46, 42, 69, 46]
