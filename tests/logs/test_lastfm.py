"""Reader of Last.fm: ranks, tags and friends; facts of the real log."""

import zipfile
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest
from log_layouts import assert_rows_are_lines, refused

from recgym.logs import LogError, read_log, validate
from recgym.logs.lastfm import friends


def lastfm(tmp_path: Path) -> Path:
    (tmp_path / "user_artists.dat").write_text(
        "userID\tartistID\tweight\n2\t51\t10\n2\t9\t30\n2\t100\t10\n10\t9\t5\n3\t51\t1\n"
    )
    (tmp_path / "user_friends.dat").write_text("userID\tfriendID\n2\t10\n10\t2\n3\t2\n2\t3\n")
    (tmp_path / "user_taggedartists.dat").write_text(
        "userID\tartistID\ttagID\tday\tmonth\tyear\n2\t51\t1\t1\t4\t2009\n3\t51\t2\t1\t4\t2009\n2\t9\t1\t1\t4\t2009\n"
        "3\t777\t2\t1\t4\t2009\n"
    )
    (tmp_path / "tags.dat").write_bytes('tagID\ttagValue\n1\t"métal\n2\trock\n'.encode("latin-1"))
    return tmp_path


def test_lastfm_ranks_and_tags(tmp_path):
    log = read_log(lastfm(tmp_path))
    assert log.users["id"].to_pylist() == ["2", "3", "10"]
    assert log.items["id"].to_pylist() == ["9", "51", "100"]
    assert log.items["category"].to_pylist() == [
        '"métal',
        '"métal',
        "unknown",
    ]  # a tie goes to the commoner tag
    assert log.column("session").tolist() == [0, 0, 0, 1, 2]
    assert log.column("item").tolist() == [0, 1, 2, 1, 0]
    assert log.column("listens").tolist() == [30, 10, 10, 1, 5]
    assert log.column("step").tolist() == [0, 1, 2, 0, 0]
    assert log.column("listen").all()


def test_a_folder_around_a_zip_and_the_zip_read_alike(tmp_path):
    log = read_log(lastfm(tmp_path))
    (tmp_path / "packed").mkdir()
    with zipfile.ZipFile(tmp_path / "packed" / "set.zip", "w") as packed:
        for file in tmp_path.glob("*.dat"):
            packed.write(file, f"hetrec/{file.name}")
    for path in (tmp_path / "packed", tmp_path / "packed" / "set.zip"):
        assert read_log(path).rows.drop(["file"]).equals(log.rows.drop(["file"]))


def test_friends_are_undirected_pairs_of_user_indices(tmp_path):
    pairs = friends(lastfm(tmp_path))
    assert pairs.tolist() == [[0, 1], [0, 2]]
    assert pairs.dtype == np.int32
    (tmp_path / "user_friends.dat").write_text("userID\tfriendID\n2\t11\n")
    with pytest.raises(LogError, match="row 2, friendID: the user must be in user_artists"):
        friends(tmp_path)


def test_rows_of_lastfm_are_lines_of_the_file(tmp_path):
    assert_rows_are_lines(lastfm(tmp_path))
    path = tmp_path / "user_friends.dat"
    path.write_text(path.read_text().replace("3\t2", "3\t3"))
    assert refused(tmp_path).startswith("user_friends.dat, row 6, friendID: a friend must be another user")


@pytest.mark.data
def test_facts_of_lastfm(data_folder):
    log = read_log(data_folder / "lastfm_hetrec2k")
    assert (len(log), log.num_users, log.num_items) == (92_834, 1_892, 17_632)
    assert len(friends(data_folder / "lastfm_hetrec2k")) == 25_434 // 2
    assert validate(log) == []
    category = pc.value_counts(log.items["category"]).to_pylist()
    assert {c["values"]: c["counts"] for c in category}["unknown"] == 5_499
