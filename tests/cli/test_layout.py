"""Tables lose no character at any width: ids and intervals are whole, or their column is left out and named."""

import os
import pty
import re
import struct
import subprocess
import sys
import termios
from fcntl import ioctl

import pytest
from printed_report import AGENTS

import agents
from recgym.cli.layout import TableColumn, widths
from recgym.envs import ENVIRONMENTS

WIDTHS = (60, 80, 120, 200)


def in_terminal(width, code):
    """What a Python program prints to a terminal of some width, without colours."""
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    env = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=theirs, stderr=subprocess.PIPE, env={**env, "TERM": "xterm"}
    ) as process:
        os.close(theirs)
        parts = []
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            parts.append(part)
        errors = process.stderr.read()
    os.close(ours)
    assert process.returncode == 0, errors
    return re.sub(r"\x1b\[[0-9;]*m", "", b"".join(parts).decode()).replace("\r", "")


def command(*arguments):
    return f"from recgym.cli.main import main; main({list(arguments)!r})"


REPORT = """
import sys
sys.path.insert(0, {here!r})
from printed_report import report
report()
"""


@pytest.mark.parametrize("width", WIDTHS)
def test_ids_of_the_environments_are_whole(width):
    text = in_terminal(width, command("envs"))
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    ids = [line.split()[0] for line in text.splitlines() if line.startswith("recgym/")]
    assert ids == [row.id for row in ENVIRONMENTS]
    assert "about" in text.splitlines()[0]  # the task has room before slate and horizon
    assert all(row.world in text for row in ENVIRONMENTS)
    assert ("Columns that do not fit" in text) == (width < 120)


@pytest.mark.parametrize("width", WIDTHS)
def test_intervals_of_a_report_are_whole(width):
    text = in_terminal(width, REPORT.format(here=os.path.dirname(os.path.dirname(__file__))))
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    table = text.partition("With Holm's correction")[0]
    lines = [line for line in table.splitlines() if line.split(" ")[0] in AGENTS]
    assert [line.split()[0] for line in lines] == list(AGENTS)
    assert all("+1.23 [+0.98, +1.49]" in line for line in lines)
    assert "recgym/EcommerceSlate-v1" in text
    assert "no [bold]room[/bold]" in text
    left = re.search(r"\(a wider terminal or a pipe\s+shows\s+them\): ([^.]*)\.", text)
    assert (left is None) == (width >= 120)


@pytest.mark.parametrize("width", WIDTHS)
def test_figures_of_a_card_are_whole(width):
    text = in_terminal(width, command("card", "content-1"))
    assert "…" not in text
    tables = [line for line in text.splitlines() if re.match(r"rate of (click|like) ", line)]
    assert max(map(len, tables)) <= width
    assert any("0.5129 to 0.5301" in line and "0.5217" in line and "0.5218" in line for line in tables)
    assert "long_view" in text
    assert "(leave_idle)" in text or "leave_idle" in text


@pytest.mark.parametrize("width", WIDTHS)
def test_a_terminal_gets_the_names_of_the_agents(width):
    text = in_terminal(width, command("envs"))
    assert "\nbandits: epsilon-greedy, ucb1, thompson, " in text.replace("\r", "")
    assert {row.name for row in agents.AGENTS} <= set(re.split(r"[,\s]+", text))


def test_a_pipe_gets_every_column_in_one_line_a_row(run):
    _, out, _ = run("envs")
    lines = out.splitlines()
    assert lines[0].split() == ["id", "world", "items", "slate", "horizon", "reward", "about"]
    assert len(lines) == 2 + len(ENVIRONMENTS)
    for line, row in zip(lines[2:], ENVIRONMENTS, strict=True):
        assert line.startswith(row.id)
        assert line.rstrip().endswith(row.about)


def test_columns_find_room_by_rank():
    columns = [
        TableColumn("id"),
        TableColumn("wide", 1),
        TableColumn("thin", 2),
        TableColumn("words", 3, is_text=True),
    ]
    rows = [("an-id", "w" * 40, "1", "some words to wrap")]
    assert widths(columns, rows, None) == {0: 5, 1: 40, 2: 4, 3: 18}
    assert widths(columns, rows, 200) == {0: 5, 1: 40, 2: 4, 3: 18}
    assert widths(columns, rows, 64) == {0: 5, 1: 40, 2: 4, 3: 6}
    assert widths(columns, rows, 47) == {0: 5, 2: 4, 3: 18}  # what does not fit leaves its room to others
    assert widths(columns, rows, 12) == {0: 5, 2: 4}
    assert widths(columns, rows, 3) == {0: 5}  # an id is whole even where the terminal is narrower
    alike = [TableColumn(name) for name in ("id", "one", "other")]
    assert widths(alike, [("an-id", "1" * 20, "2" * 30)], 60) == {
        0: 5,
        1: 20,
    }  # no column is wider than its line
