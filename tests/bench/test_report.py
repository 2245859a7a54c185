"""The page of a results folder."""

import json
import re
import shutil
import subprocess
import time
from types import SimpleNamespace

import pytest
from bench_runs import folders
from fake_runs import write_run, write_table

from recgym.bench import machine
from recgym.bench.report import Results, write_report


def test_the_same_rows_give_the_same_bytes(results, tmp_path):
    first, second = tmp_path / "a", tmp_path / "b" / "elsewhere"
    (first / "quick").mkdir(parents=True)
    for folder in reversed(folders(results / "quick")):
        shutil.copytree(folder, first / "quick" / folder.name)
    shutil.copytree(results, second, ignore=shutil.ignore_patterns(".lock"))
    write_report(first)
    time.sleep(1.1)  # a timestamp of a second would show
    write_report(second)
    for name in ("README.md", "quick.png"):
        assert (first / name).read_bytes() == (second / name).read_bytes()
    write_report(second)
    assert (first / "README.md").read_bytes() == (second / "README.md").read_bytes()


def test_a_changed_file_is_an_error(results, tmp_path):
    shutil.copytree(results / "quick", tmp_path / "quick")
    victim = folders(tmp_path / "quick")[3]
    (victim / "sessions.parquet").write_bytes(
        (folders(results / "quick")[0] / "sessions.parquet").read_bytes()
    )
    with pytest.raises(ValueError, match=f"{victim.name}/sessions.parquet differs from its checksum"):
        Results(tmp_path)
    (victim / "run.json").unlink()  # a run is not left out in silence
    with pytest.raises(ValueError, match=rf"{victim.name} holds no run: run\.json is missing"):
        Results(tmp_path)


def test_a_commit_that_is_not_known_is_explained(tmp_path):
    write_run(tmp_path / "quick", "content", "random", 0, commit=None)
    write_report(tmp_path)
    assert "; commit unknown (installed package, version 0.1.0).\n" in (tmp_path / "README.md").read_text()


@pytest.mark.parametrize(
    ("noted", "sha"),
    [
        (json.dumps({"url": "https://x", "vcs_info": {"vcs": "git", "commit_id": "b" * 40}}), "b" * 40),
        (json.dumps({"url": "file:///x", "dir_info": {}}), None),
        ("{", None),
        (None, None),
    ],
)
def test_an_installed_package_has_the_commit_that_pip_noted(monkeypatch, noted, sha):
    def no_checkout(*args, **kwargs):
        raise subprocess.CalledProcessError(1, "git")

    monkeypatch.setattr(subprocess, "run", no_checkout)
    package = SimpleNamespace(read_text=lambda name: noted if name == "direct_url.json" else None)
    monkeypatch.setattr(machine, "distribution", lambda name: package)
    assert machine.git.__wrapped__() == {"sha": sha, "dirty": None if sha is None else False}


def test_an_agent_that_is_judged_in_several_settings_was_trained_once(tmp_path):
    for name in ("ecommerce", "ecommerce@outside=low", "ecommerce@outside=high"):
        for agent in ("random", "ucb1"):
            write_run(tmp_path / "ladder", name, agent, 0)
            write_run(tmp_path / "ladder", name, agent, 1)
    write_report(tmp_path)
    seconds = 2 * (0.25 + 1.5) + 2 * (0.25 + 2.5) + 12 * 0.125
    assert f"12 runs, {seconds / 60:.1f} CPU minutes" in (tmp_path / "README.md").read_text(encoding="utf-8")


def test_columns_that_no_table_fills_are_on_no_page(tmp_path):
    write_table(tmp_path / "quick", agents=("random", "ucb1"))
    write_report(tmp_path)
    text, page = ((tmp_path / name).read_text(encoding="utf-8") for name in ("README.md", "index.html"))
    assert "| agent | return | over random, paired 95 % | response rate |" in text
    assert ">score, 95 %<" not in page
    rows = re.findall(r"<tr data-environment.*|<thead><tr><th data.*?</tr>", page)
    assert {len(re.findall("<t[dh] data-", row)) for row in rows} == {10}
