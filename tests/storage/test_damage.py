"""Damaged folders are refused in one line, and killed commands go on: small runs of `damage.py` and `kills.py`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parents[1]


@pytest.mark.parametrize("kind", ["world", "agent", "checkpoint", "results"])
@pytest.mark.slow
def test_damage_is_refused_in_one_line(kind):
    words = [sys.executable, HERE / "damage.py", "--count", "12", "--seed", "7", "--kinds", kind]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)
    assert found["bad"] == [], done.stderr
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
