"""Libraries that read a Gymnasium environment their own way, each by its script: README says where they come from."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = {
    "sb3": "sb3_contrib",
    "torchrl": "torchrl",
    "minari": "minari",
    "rllib": "ray",
    "tianshou": "tianshou",
}


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.slow
def test_a_client_collects_and_trains(name):
    if importlib.util.find_spec(SCRIPTS[name]) is None:
        pytest.skip(f"{SCRIPTS[name]} is not installed in this environment")
    script = Path(__file__).with_name(f"run_{name}.py")
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip(), "a script says what it did"
