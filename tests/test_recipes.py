"""CONTRIBUTING.md's recipes, followed to the letter in a copy of the repository: one file and one row each."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PARTS = (
    "recgym",
    "agents",
    "tests",
    "docs",
    "results/tasks",
    "README.md",
    "README.zh-CN.md",
    "pyproject.toml",
)
CHECKS = {
    "an agent": """
        from agents import AGENTS, make_agent
        import gymnasium, recgym
        assert AGENTS[0].name == "greedy-mean" and AGENTS[0].name in open("README.md").read()
        env = gymnasium.make_vec("recgym/EcommerceSlate-v1", num_envs=16)
        agent = make_agent("greedy-mean", env)
        assert agent.train(agent.env, 4_000, seed=1)["untried"] == 0
        observation, _ = agent.env.reset(seed=2)
        assert agent.act(observation).shape == (16, 6)
    """,
    "a data set": """
        from recgym.logs import read_log
        log = read_log("shop")
        assert log.source.name == "example_shop" and log.num_rows == 2 and log.num_sessions == 1
    """,
    "an environment": """
        import gymnasium, recgym
        assert "| `recgym/EcommerceRow-v0` | ecommerce-1 | all | 3 | 20 |" in open("README.md").read()
        many = gymnasium.make_vec("recgym/EcommerceRow-v0", num_envs=4)
        assert many.reset(seed=1)[0].shape == (4, 26) and many.single_action_space.nvec.tolist() == [217] * 3
    """,
    "an experiment": """
        from pathlib import Path
        assert len(list(Path("runs/short").glob("*/run.json"))) == 6
        assert "### recgym/Ecommerce-v1" in Path("runs/README.md").read_text()
    """,
}


def recipe(title):
    """The section's blocks: (kind, file or "", text)."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = re.search(rf"^## Add {title}\n(.*?)^## ", text, re.DOTALL | re.MULTILINE)[1]
    return re.findall(r"^```(\w+)(?: title=\"(.*?)\")?\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)


def change(folder, diff):
    """Applies a block of the kind diff: its file, then lines that are kept, removed and added; ends with both."""
    name, *lines = diff.splitlines()
    path = folder / name.removeprefix("# ")
    text = path.read_text(encoding="utf-8").splitlines()
    at = 0
    for line in lines:
        if line[0] == "+":
            text.insert(at, line[1:])
            at += 1
            continue
        at = text.index(line[1:], at)
        if line[0] == "-":
            del text[at]
        else:
            at += 1
    path.write_text("\n".join(text) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def copy(tmp_path):
    """A copy of what a contributor edits, and a shell in it where `python` and `recgym` are this interpreter's."""
    folder = tmp_path / "copy"
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / part)
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, call in (("python", ""), ("recgym", " -m recgym")):
        (tools / name).write_text(f'#!/bin/sh\nexec "{sys.executable}"{call} "$@"\n', encoding="utf-8")
        (tools / name).chmod(0o755)
    path = os.pathsep.join([str(tools), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(folder)}

    def shell(command):
        done = subprocess.run(
            ["bash", "-euc", command],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    return folder, shell


@pytest.mark.parametrize("title", CHECKS)
@pytest.mark.slow
def test_a_recipe_works_as_it_is_written(copy, title):
    folder, shell = copy
    changed = []
    for kind, name, text in recipe(title):
        if kind == "python":
            (folder / name).write_text(text, encoding="utf-8")
            changed.append(folder / name)
        elif kind == "diff":
            changed.append(change(folder, text))
        elif kind == "sh":
            shell(text)
    lines = [line.strip() for line in CHECKS[title].strip().splitlines()]
    shell("python -c 'import recgym; assert recgym.__file__.startswith(\"" + str(folder) + "\")'")
    (folder / "check.py").write_text("\n".join(lines), encoding="utf-8")
    shell("python check.py")
    names = " ".join(str(path.relative_to(folder)) for path in changed)
    shell(f"python -m ruff check {names} && python -m ruff format --check {names}")


def test_every_recipe_is_tried():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert re.findall(r"^## Add (.*)$", text, re.MULTILINE) == list(CHECKS)


def test_a_recipe_that_no_longer_fits_is_noticed(copy):
    folder, _ = copy
    with pytest.raises(ValueError, match="is not in list"):
        change(folder, '# agents/__init__.py\n NO_SUCH_TABLE = (\n+    AgentRow("a", "b:c", "d", "e"),')
