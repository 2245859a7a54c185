"""Libraries that read a Gymnasium environment their own way, each by the script that a page of docs shows."""

import importlib.util
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

SCRIPTS = {
    "sb3": "sb3_contrib",
    "torchrl": "torchrl",
    "minari": "minari",
    "rllib": "ray",
    "tianshou": "tianshou",
    "cleanrl": "torch",
    "arrays": "numpy",
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


def test_every_script_has_a_page_that_shows_it():
    folder = Path(__file__).parents[2] / "docs" / "integrations"
    pages = {page.stem: page.read_text(encoding="utf-8") for page in folder.glob("*.md")}
    assert pages.keys() - {"index"} == SCRIPTS.keys()
    for name in SCRIPTS:
        assert f'--8<-- "tests/clients/run_{name}.py"' in pages[name]
        assert f"({name}.md)" in pages["index"]


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_page_has_lines_of_its_script_that_a_clone_shows(name):
    """Paragraphs are parts of the script, but for their indentation; the fence `py` is not run by itself."""
    page = Path(__file__).parents[2] / "docs" / "integrations" / f"{name}.md"
    (block,) = re.findall(r"^```py\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    script = Path(__file__).with_name(f"run_{name}.py").read_text(encoding="utf-8")
    assert 5 <= sum(bool(line) for line in block.splitlines()) <= 12
    for paragraph in re.split(r"\n{2,}", block.strip("\n")):
        forms = [textwrap.indent(paragraph, " " * width) for width in range(0, 13, 4)]
        assert any(f"\n{form}\n" in script for form in forms), paragraph
