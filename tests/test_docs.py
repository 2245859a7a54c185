"""The Python and the commands of README and the pages run as they are written."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from command_lines import parsed

from recgym.cli.main import app
from recgym.logs import Log, sample_log
from recgym.sim.world import World

ROOT = Path(__file__).parents[1]
ELSEWHERE = {
    "docs/contract.md",  # an interface, compared in test_pages.py
    "docs/contributing.md",  # recipes, run in test_recipes.py
    "docs/index.md",  # run in test_pages.py
}
BLOCK = re.compile(
    r"(?P<mark>^<!-- command: \w+ -->\n)?^```(?P<language>python|sh)\n(?P<text>.*?)^```", re.M | re.S
)


def blocks(page):
    """Language and text of each block that a reader may paste; the two commands of README are run by .ci/run."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [(found["language"], found["text"]) for found in BLOCK.finditer(text) if not found["mark"]]


def pages():
    found = [str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs").rglob("*.md"))]
    return [page for page in ("README.md", *found) if page not in ELSEWHERE and blocks(page)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a log of one's own, as the pages name it."""
    monkeypatch.chdir(tmp_path)
    world = World.load(ROOT / "recgym/worlds/ecommerce-1")
    drawn = sample_log(world, "random", 60, 1).to_pandas()
    times = 1_600_000_000 + 3600 * drawn["session"].astype(int) + drawn.index % 600
    drawn = drawn.assign(timestamp=times, event="view")
    drawn["user"], drawn["item"] = "u" + drawn["user"], "i" + drawn["item"]
    names = {"user": "visitorid", "item": "itemid"}
    drawn[["user", "item", "timestamp", "event"]].rename(columns=names).to_csv("events.csv", index=False)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("page", pages())
def test_a_page_runs(page, folder, capsys):
    scope: dict = {}
    python = [text for language, text in blocks(page) if language == "python"]
    for language, text in blocks(page):
        if language == "python":
            exec(compile(text, page, "exec"), scope)
            continue
        if page != "docs/own-log.md":
            continue  # parsed below; those of README are the same, the others take minutes
        for line in text.splitlines():
            arguments = shlex.split(line)[1:]
            if arguments[0] == "fit":
                arguments += [
                    "--planning",
                    "0",
                ]  # the estimate takes minutes; tests/cli/test_fitting.py has it
            assert app(arguments, standalone_mode=False) in (None, 0), f"{page}: {line}"
    for text in python:
        exec(compile(text, f"{page}, run again", "exec"), scope)
    if page == "README.md":
        assert scope["observations"].shape[0] == 1024
        assert scope["again"].act(scope["observation"]) == scope["agent"].act(scope["observation"])
        assert "'se':" in capsys.readouterr().out
    if page == "docs/command-line.md":
        truth = scope["target"][0] @ (0.05 + 0.02 * np.arange(10))
        assert all(one.low < truth < one.high for name, one in scope["estimates"].items() if name != "DM")
        assert scope["estimates"]["DM"].value == pytest.approx(truth, abs=0.02)
    if page == "docs/own-log.md":
        assert scope["own"].indexed_by == World.load("my_world").index_digest
        assert Log.read("my_log").indexed_by is None


@pytest.mark.parametrize("page", pages())
def test_the_commands_of_a_page_can_be_parsed(page):
    commands = [text for language, text in blocks(page) if language == "sh"]
    for line in "".join(commands).splitlines():
        assert line.startswith("recgym "), f"{page}: {line}"
        parsed(line)
    if page == "README.md":
        assert commands == [text for language, text in blocks("docs/own-log.md") if language == "sh"]


def test_the_python_of_readme_is_short():
    twelve, agent = (text for language, text in blocks("README.md") if language == "python")
    assert len([line for line in twelve.splitlines() if line.strip()]) == 12
    lines = [line for line in agent.splitlines() if line.strip() and "import" not in line]
    assert len(lines) <= 10
