"""The command tune."""

import json
import shlex

import pytest
from refusals import refused


def test_a_search_writes_trials_best_settings_and_a_picture(run, world, tmp_path):
    arguments = "tune", "ucb1", "recgym/Ecommerce-v1", "--world", world, "--steps", "200", "--sessions", "10"
    folder, space = tmp_path / "search", tmp_path / "space.json"
    space.write_text('{"scale": {"low": 0.01, "high": 1, "log": true}}')
    options = (
        "--env-args",
        '{"slate_size": 2}',
        "--trials",
        "2",
        "--seeds",
        "2",
        "--space",
        space,
        "--out",
        folder,
    )
    code, out, err = run(*arguments, *options)
    assert code == 0
    assert out.startswith("2 trials: 2 complete\nown settings: ")
    _, command = err.split(f"wrote {folder}; to train: ")
    train = shlex.split(command)
    assert train[:4] == ["recgym", "train", "ucb1", "recgym/Ecommerce-v1"]
    assert json.loads(train[train.index("--env-args") + 1]) == {"world": str(world), "slate_size": 2}
    summary = json.loads((folder / "tuning.json").read_text(), parse_constant=pytest.fail)
    assert [trial["number"] for trial in summary["trials"]] == [0, 1]
    assert (folder / "trials.png").read_bytes().startswith(b"\x89PNG")
    assert run(*arguments, *options)[:2] == (0, out)
    steps = f"--out {folder}: holds a search with another --steps; name another folder"
    refused(run(*arguments, *options, "--steps", "300"), steps)
    refused(run(*arguments, *options, "--seed", "4"), f"--out {folder}: holds a search with another --seed;")


def test_wrong_arguments_are_one_line(run, world, tmp_path):
    start = "tune", "ucb1", "recgym/Ecommerce-v1", "--world", world, "--out", tmp_path / "search"
    refused(run(*start, "--space", "none.json"), "--space none.json: is no JSON object and no file")
    refused(run(*start, "--space", '{"scale": 3}'), "--space", "scale is 3, expected a list of values")
    refused(run(*start, "--space", '{"alpha": [1, 2]}'), "agent ucb1 has no parameter 'alpha'")
    refused(run(*start, "--space", "{"), "--space")
    refused(run("tune", "random", *start[2:]), "agent random has no search space", "ucb1")
    refused(run("tune", "ucb1", "recgym/Shop", *start[3:]), "environment 'recgym/Shop' is unknown")
    refused(run(*start, "--publish", tmp_path), "--publish: the search has arguments of the environment")
    refused(run("tune", "nobody", *start[2:]), "agent 'nobody' is unknown")
    other = "recgym/Content-v1", *start[3:]
    for command in ("tune", "train"):
        refused(run(command, "ucb1", *other), "--world: recgym/Content-v1: world", "is of domain ecommerce")
    assert not (tmp_path / "search").exists()


def test_a_tiny_search_is_published_as_settings_of_the_presets(run, tmp_path, monkeypatch):
    from recgym.bench import published_settings

    words = (
        "tune",
        "ucb1",
        "recgym/Ecommerce-v1",
        "--steps",
        100,
        "--sessions",
        5,
        "--trials",
        1,
        "--seeds",
        1,
    )
    space = '{"scale": [0.25]}'
    code, _, err = run(
        *words, "--space", space, "--out", tmp_path / "search", "--publish", tmp_path / "published"
    )
    place = tmp_path / "published" / "ucb1-Ecommerce-v1.json"
    assert code == 0
    said = err.splitlines()
    assert said.index(f"published {place}") == 1 + next(
        k for k, line in enumerate(said) if line.startswith("wrote ")
    )
    assert json.loads(place.read_text()) == json.loads((tmp_path / "search" / "tuning.json").read_text())
    monkeypatch.setattr(published_settings, "FOLDERS", (tmp_path / "published",))
    assert published_settings.published("ucb1", "recgym/Ecommerce-v1") == {"scale": 0.25}
    assert published_settings.published("ucb1", "recgym/Content-v1") is None


def test_a_folder_that_is_a_file_is_refused_before_the_search(run, world, tmp_path, monkeypatch):
    monkeypatch.setattr("recgym.bench.tuning.tune", lambda *of: pytest.fail("it was searched"))
    file = tmp_path / "readme.py"
    file.write_text("kept")
    for option in ("--out", "--publish"):
        given = "tune", "ucb1", "recgym/Ecommerce-v1", option, file
        refused(run(*given), f"{option} {file}: is a file, expected a folder")
    for command, option in (("train", "--out"), ("train", "--tensorboard")):
        refused(run(command, *given[1:3], option, file), f"{option} {file}: is a file, expected a folder")
    refused(run("bench", "--preset", "quick", "--out", file), f"--out {file}: is a file, expected a folder")
    assert file.read_text() == "kept"
