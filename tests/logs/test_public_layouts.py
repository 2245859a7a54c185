"""Damaged files of every public data set: one line or a log, never another error."""

import pytest
from log_layouts import assert_rows_are_lines, write
from public_layouts import LAYOUTS

from recgym.logs import LogError, read_log, validate
from recgym.logs.registry import SOURCES

DAMAGES = {
    "empty": lambda data: b"",
    "a blank line": lambda data: b"\n",
    "its first line alone": lambda data: data.split(b"\n")[0] + b"\n",
    "cut": lambda data: data[: len(data) // 2],
    "cut in the last line": lambda data: data[:-3],
    "no first line": lambda data: data.partition(b"\n")[2],
    "zero bytes": lambda data: data[:60] + b"\0\0\0" + data[63:],
    "another encoding": lambda data: data[:-5] + b"\xff\xfe" + data[-5:],
    "a longer row": lambda data: data.rstrip(b"\n") + b",1;2\t3\n",
    "a row of words": lambda data: data + data.split(b"\n")[0] + b"\n",
    "Windows' line ends": lambda data: data.replace(b"\n", b"\r\n"),
    "a quote": lambda data: data[:-2] + b'"' + data[-2:],
}
CASES = [(source, name) for source, files in LAYOUTS.items() for name in files]


def outcome(folder, **options):
    """The message of a refused folder, or the log."""
    try:
        return "", read_log(folder, **options)
    except LogError as error:
        return str(error), None


@pytest.mark.parametrize(("source", "name"), CASES, ids=[f"{source}-{name}" for source, name in CASES])
def test_a_damaged_file_is_one_line_or_a_valid_log(tmp_path, source, name):
    files = LAYOUTS[source]
    data = files[name].encode() if isinstance(files[name], str) else files[name]
    stated = {} if SOURCES[source].domain else {"domain": "content"}
    for label, damage in DAMAGES.items():
        folder = write(tmp_path / label.replace(" ", "_"), files | {name: damage(data)})
        message, log = outcome(folder, source=source, **stated)
        assert "\n" not in message, label
        assert len(message) < 1000, label
        assert log is None or validate(log) == [], label


OF_TEXT = [
    source for source, files in LAYOUTS.items() if all(isinstance(text, str) for text in files.values())
]


@pytest.mark.parametrize("source", OF_TEXT)
def test_rows_are_lines_of_the_file(tmp_path, source):
    stated = {} if SOURCES[source].domain else {"domain": "content"}
    assert_rows_are_lines(write(tmp_path, LAYOUTS[source]), source=source, **stated)
