"""A log of three sessions, and its problems."""

from pathlib import Path

import pyarrow as pa

from recgym.logs import Log, Source, validate

SOURCE = Source("tiny", "CC0", "nobody")


def tiny(domain="content", **changes) -> Log:
    """Three sessions of two users: sessions 0 and 1 (user 0) have two steps, session 2 (user 1) has one."""
    columns = {
        "user": [0, 0, 0, 0, 1],
        "item": [0, 1, 2, 0, 1],
        "time": [1_000, 2_000, 50_000, 60_000, 30_000],
        "session": [0, 0, 1, 1, 2],
        "step": [0, 1, 0, 1, 0],
        "click": [True, False, True, True, False],
        "long_view": [True, False, False, True, False],
    }
    users, items = pa.table({"id": ["a", "b"]}), pa.table({"id": ["x", "y", "z"]})
    return Log.build(columns | changes, users=users, items=items, domain=domain, source=SOURCE)


def found_problems(log: Log) -> list[tuple[int, str, str]]:
    return [(problem.row, problem.column, problem.rule) for problem in validate(log)]


def table(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "events.csv"
    path.write_text(text)
    return path


def other_remarks(log: Log) -> tuple[str, ...]:
    """Remarks of a log whose table says nothing of responses, but the one that says so."""
    said = [line for line in log.remarks if line.startswith("no column says what users did")]
    assert len(said) == 1
    return tuple(line for line in log.remarks if line not in said)
