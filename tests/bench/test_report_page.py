"""A published page survives the commands: a page is replaced only where the folder has the rows of all its runs."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from recgym.bench import suite
from recgym.bench.experiment import Experiment, Preset, runs_of
from recgym.bench.report_page import refuse_to_lose
from recgym.sim.synthetic import synthetic

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A preset of one environment and two agents, a second's work."""
    world = synthetic(3, domain="ecommerce").save(tmp_path_factory.mktemp("worlds") / "shop")
    row = Experiment(
        name="ecommerce",
        env_id="recgym/Ecommerce-v1",
        kwargs={"world": str(world)},
        env_steps=200,
        offline_sessions=20,
        eval_sessions=10,
    )
    return Preset(name="quick", about="", experiments=(row,), seeds=1, agents=("random", "popularity"))


@pytest.fixture
def checkout(small, tmp_path, monkeypatch):
    """A copy of the published results, current folder; preset quick is small."""
    shutil.copytree(ROOT / "results", tmp_path / "results")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(suite.PRESETS, "quick", small)
    return tmp_path


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def readmes_commands():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    return [part.strip() for block in blocks for line in block.splitlines() for part in line.split("&&")]


@pytest.mark.slow
def test_readmes_commands_leave_the_published_results(run, checkout):
    before = files(checkout / "results")
    assert {"README.md", "ladder.png"} <= set(before)
    (command,) = [line for line in readmes_commands() if line.startswith("recgym bench")]
    code, _, err = run(*command.split()[1:])
    lines = err.splitlines()
    assert code == 0
    assert lines[:2] == ["0 of 2 runs are in runs/quick", "making 2; a line for each when it ends"]
    assert lines[-2:] == ["the report is runs/README.md", "2 runs done, 0 skipped, 0 failed"]
    assert "## quick" in (checkout / "runs" / "README.md").read_text()
    assert run("report")[0] == 0
    assert files(checkout / "results") == before


def test_what_the_commands_write_is_ignored_by_git():
    if not (ROOT / ".git").exists():
        pytest.skip("no checkout")
    for path in ("runs/README.md", "runs/quick/run.json", "trained/agent.json", "my_world/world.json"):
        assert subprocess.run(["git", "check-ignore", "-q", path], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize(
    "command",
    [
        ("bench", "--out", "results"),
        ("bench", "--preset", "ladder", "--agents", "random", "--out", "results"),
    ],
)
def test_bench_does_not_begin_over_a_page_whose_rows_are_elsewhere(run, checkout, command):
    (checkout / "results" / "ladder" / "rows.parquet").unlink()
    before = files(checkout / "results")
    code, out, err = run(*command)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert re.match(
        r"recgym: results/README.md: shows \d+ runs of ladder, and the folder has rows of ", err
    ), err
    assert files(checkout / "results") == before


def test_a_preset_that_makes_every_run_of_the_page_anew_may_replace_it(checkout):
    (checkout / "results" / "ladder" / "rows.parquet").unlink()
    anew = [("ladder", run) for run in runs_of(suite.PRESETS["ladder"], equal=True)]
    refuse_to_lose(checkout / "results", anew)
    with pytest.raises(ValueError, match=r"shows \d+ runs of ladder, and the folder has rows of"):
        refuse_to_lose(checkout / "results", [each for each in anew if each[1].experiment.name != "social"])


def test_the_published_table_is_that_of_its_rows(run, checkout):
    before = files(checkout / "results")
    assert run("report", "results")[0] == 0
    assert {name: text for name, text in files(checkout / "results").items() if "lock" not in name} == before


@pytest.mark.slow
def test_a_report_keeps_a_section_whose_rows_left_the_folder(run, checkout):
    run("bench")
    page = checkout / "runs" / "README.md"
    before = page.read_bytes()
    victim = next(checkout.glob("runs/quick/ecommerce-popularity-*"))
    victim.rename(checkout / "away")
    assert run("report", "runs")[0] == 0  # its row is in rows.parquet
    assert page.read_bytes() == before
    (checkout / "runs" / "quick" / "rows.parquet").unlink()
    code, _, err = run("report", "runs")
    assert (code, err.count("\n")) == (2, 1)
    assert "shows 2 runs of quick, and the folder has rows of 1" in err
    assert "(none of popularity in recgym/Ecommerce-v1)" in err
    assert page.read_bytes() == before
    (checkout / "away").rename(victim)
    assert run("report", "runs")[0] == 0
    assert page.read_bytes() == before


def test_a_readme_that_is_no_report_is_not_replaced(run, checkout):
    (checkout / "README.md").write_text("# My project\n")
    code, out, err = run("bench", "--out", ".")
    assert (code, out) == (2, "")
    assert err == "recgym: README.md: not a report of recgym, so it is not replaced; name another folder\n"
    assert (checkout / "README.md").read_text() == "# My project\n"
    assert not (checkout / "quick").exists()


@pytest.mark.parametrize("name", ["README.md", "quick/ecommerce-random-000-00000000/run.json"])
def test_a_pipe_in_a_folder_of_results_is_not_waited_for(checkout, name):
    """In a process of its own: a read that waits for a writer ends by the alarm."""
    (checkout / "results" / "ladder" / "rows.parquet").unlink()
    place = checkout / "results" / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    os.mkfifo(place)
    code = (
        "import signal, sys; signal.alarm(30)\n"
        "from pathlib import Path\n"
        "from recgym.bench.report_page import refuse_to_lose\n"
        "refuse_to_lose(Path(sys.argv[1]))"
    )
    words = [sys.executable, "-c", code, str(checkout / "results")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    said = {"README.md": "is not a regular file", "run.json": "the folder has rows of 0"}[place.name]
    assert said in done.stderr.splitlines()[-1]
