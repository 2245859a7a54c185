"""Damaged folders are refused in one line, and killed commands go on: small runs of `damage.py` and `kills.py`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parents[1]


KINDS = ("world", "agent", "checkpoint", "results")


@pytest.fixture(scope="module")
def damaged():
    """What was read of damaged folders: of one process, as all kinds need the same agents."""
    words = [sys.executable, HERE / "damage.py", "--count", "12", "--seed", "7", "--kinds", ",".join(KINDS)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.slow
def test_damage_is_refused_in_one_line(kind, damaged):
    found = json.loads(damaged.stdout)
    assert [bad for bad in found["bad"] if bad.startswith(f"{kind} ")] == [], damaged.stderr
    assert sum(found["counts"][kind].values()) == 12
    assert found["counts"][kind]["refused"] >= 6


@pytest.mark.parametrize("command", ["train q-learning"])  # fit takes minutes: by hand
@pytest.mark.slow
def test_a_killed_command_resumes_to_the_same_result(command):
    words = [sys.executable, HERE / "kills.py", "--count", "2", "--seed", "7", "--commands", command]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)[command]
    assert (found["stuck"], found["other end"], found["left"]) == ([], 0, []), done.stderr
    assert found["kills"] >= 2
