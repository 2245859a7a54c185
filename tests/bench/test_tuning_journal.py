"""The journal of a search: a kill at any byte, and any change of a byte."""

import os

import pytest

from recgym.bench.tuning_journal import CheckedJournal

LOGS = [{"op_code": 0, "study_name": "tuning"}, {"op_code": 8, "value": 1.25}, {"op_code": 6, "é": None}]


def written(folder):
    journal = CheckedJournal(folder / "journal.log", "--out x")
    journal.append_logs(LOGS[:1])
    journal.append_logs(LOGS[1:])
    assert list(journal.read_logs(1)) == LOGS[1:]
    return folder / "journal.log"


def test_a_journal_that_was_cut_off_goes_on_after_its_last_whole_line(tmp_path):
    data = written(tmp_path).read_bytes()
    for size in range(len(data)):
        path = tmp_path / "cut.log"
        path.write_bytes(data[:size])
        known = data[:size].count(b"\n")
        CheckedJournal(path, "--out x").append_logs(LOGS[known:])
        assert path.read_bytes() == data


def test_a_changed_byte_or_a_removed_line_is_refused(tmp_path):
    path = written(tmp_path)
    data = path.read_bytes()
    for place in range(len(data) - 1):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(
            ValueError, match=r"^--out x: line [123] of journal\.log is damaged; name another"
        ):
            CheckedJournal(path, "--out x")
    path.write_bytes(b"".join(data.splitlines(True)[1:]))
    with pytest.raises(ValueError, match="line 1 of"):
        CheckedJournal(path, "--out x")


def test_a_pipe_and_an_endless_journal_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.log")
    (tmp_path / "long.log").touch()
    os.truncate(tmp_path / "long.log", 1 << 41)
    for name, said in (("pipe.log", "is not a regular file"), ("long.log", "expected at most")):
        with pytest.raises(ValueError, match=said):
            CheckedJournal(tmp_path / name, "--out x")
