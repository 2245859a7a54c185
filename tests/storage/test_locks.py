"""Locks of writers, and what dead writers left."""

import pytest
from stored_folders import entries, fill, texts

from recgym import storage
from recgym.storage import locked, whole_folder


def test_the_folder_of_a_running_writer_is_not_removed(tmp_path):
    with whole_folder(tmp_path / "f") as work:
        fill(work, "first")
        assert storage.sweep(tmp_path) == 0
        with whole_folder(tmp_path / "f") as second:
            fill(second, "second")
    assert texts(tmp_path / "f") == ["first", "first"]
    (tmp_path / ".f.tmp-of-mine").mkdir()
    assert storage.sweep(tmp_path) == 0


def test_a_locked_folder_has_one_holder(tmp_path):
    def second():
        with locked(tmp_path / "f", "f is being written"):
            pass

    with locked(tmp_path / "f", "held"), pytest.raises(ValueError, match="f is being written"):
        second()
    second()
    assert entries(tmp_path) == []
    (tmp_path / ".f.lock").touch()  # of a holder who was killed
    second()
    assert entries(tmp_path) == []
