"""Arguments of the environment on the command line: checked first, part of what a run is, kept with the agent."""

import json
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from recgym.bench import run_folder, suite
from recgym.bench.env_args import tag_of
from recgym.bench.experiment import Experiment, Preset
from recgym.bench.leaderboard import tables_of
from recgym.bench.one_table import refuse_mixture
from recgym.bench.report import Results
from recgym.sim.synthetic import synthetic

SHOP = "recgym/Ecommerce-v1"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return str(synthetic(3, domain="ecommerce").save(tmp_path_factory.mktemp("worlds") / "shop"))


@pytest.fixture
def preset(world, monkeypatch):
    row = Experiment(
        name="ecommerce",
        env_id=SHOP,
        kwargs={"world": world},
        env_steps=200,
        offline_sessions=20,
        eval_sessions=20,
    )
    chosen = Preset(
        name="quick",
        about="",
        experiments=(row,),
        seeds=1,
        agents=("random", "ucb1"),
        params={"ucb1": {"scale": 0.5}},
    )
    monkeypatch.setitem(suite.PRESETS, "quick", chosen)
    return chosen


def refused(result, *words):
    code, out, err = result
    assert (code, out, err.count("\n")) == (2, "", 1), (code, out, err)
    assert all(word in err for word in words), err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"reward": "money"}', ["--env-args: recgym/Ecommerce-v1: ", "'money'"]),
        ('{"horizon": 3, "horizon": 4}', ["--env-args", "'horizon' is given twice"]),
        ('{"horizon": 0}', ["--env-args", "horizon is 0"]),
        ('{"horizon": "20"}', ["--env-args", "horizon is '20'"]),
        ('{"horizon": true}', ["--env-args", "horizon is True"]),
        ('{"horizon": 1.5}', ["--env-args", "horizon is 1.5"]),
        ('{"slate_size": -1}', ["--env-args", "slate_size is -1"]),
        ('{"n_items": "some"}', ["--env-args", "n_items"]),
        ('{"n_items": 1000000}', ["--env-args", "1000000"]),
        ('{"member": 3}', ["--env-args", "member"]),
        ('{"observation": "tabular"}', ["--env-args: 'observation' is not one of world, member"]),
        ('{"num_envs": 4}', ["--env-args: 'num_envs' is not one of"]),
        ('{"Reward": "clicks"}', ["--env-args: 'Reward' is not one of"]),
        ("reward=clicks", ["--env-args: 'reward=clicks' is not a JSON object"]),
        ("reward=clicks", [""", such as --env-args '{"reward": "clicks"}'"""]),
        ("{'reward': 'clicks'}", ["is not a JSON object", """, such as --env-args '{"reward": "clicks"}'"""]),
        ('["reward"]', ["--env-args", """expected a JSON object, such as '{"reward": "clicks"}'"""]),
        ("null", ["--env-args is null"]),
        ("", ["after --env-args, is empty"]),
        ("[" * 100_000, ["--env-args", "is not a JSON object"]),
        ('{"reward": {"click": "x"}}', ["--env-args", "click"]),
        ('{"reward": {"flies": 1}}', ["--env-args", "flies"]),
        ('{"reward": 3}', ["--env-args", "reward is 3"]),
        ('{"world": 3}', ["--env-args", "world is 3"]),
        ('{"world": "content-1"}', ["--env-args", "is of domain content"]),
    ],
)
def test_wrong_arguments_are_one_line_before_anything_runs(run, tmp_path, monkeypatch, preset, text, words):
    monkeypatch.chdir(tmp_path)
    refused(run("train", "ucb1", SHOP, "--env-args", text), *words)
    refused(run("bench", "--env-args", text), *words)
    assert not list(tmp_path.iterdir())


def test_the_world_is_given_once(run, world):
    refused(
        run("train", "ucb1", SHOP, "--world", world, "--env-args", json.dumps({"world": world})),
        "--world as well",
    )


def test_train_keeps_them_with_the_agent_and_checks_them_at_resume(run, world, tmp_path):
    words = (
        "train",
        "ucb1",
        SHOP,
        "--world",
        world,
        "--steps",
        300,
        "--sessions",
        20,
        "--out",
        tmp_path / "a",
    )
    short = ("--env-args", '{"horizon": 2, "reward": {"click": 3.0}}')
    code, out, _ = run(*words, *short)
    assert code == 0
    about = json.loads((tmp_path / "a" / "training.json").read_text())
    assert about["env"]["kwargs"] == {"world": world, "horizon": 2, "reward": {"click": 3.0}}
    assert 1 <= about["final"]["length"]["mean"] <= 2
    assert run(*words, *short, "--resume")[:2] == (0, out)
    code, _, err = run(*words, "--resume")
    assert (code, err.count("\n")) == (2, 1)
    assert "holds an ended training with env" in err


def test_more_steps_than_the_ended_training_had_names_from(run, world, tmp_path):
    words = ("train", "ucb1", SHOP, "--world", world, "--sessions", 20, "--out", tmp_path / "a")
    assert run(*words, "--steps", 300)[0] == 0
    refused(
        run(*words, "--steps", 600, "--resume"),
        "ended after 300 environment steps, not 600",
        f"--from {tmp_path / 'a'}",
    )


@pytest.mark.slow
def test_bench_does_not_mix_runs_of_other_arguments(run, preset, tmp_path):
    """Each set of arguments has runs and a table of its own; settings found for the experiment hold in all."""
    out = tmp_path / "runs"
    args = '{"reward": "conversion", "horizon": 3}'
    assert run("bench", "--out", out, "--agents", "random", "--workers", 1)[0] == 0
    code, text, err = run("bench", "--out", out, "--workers", 1, "--env-args", args)
    assert (code, err.splitlines()[-1]) == (0, "2 runs done, 0 skipped, 0 failed")
    again = run("bench", "--out", out, "--workers", 1, "--env-args", args)[2].splitlines()
    assert again == [
        f"2 of 2 runs are in {out / 'quick'}",
        f"the report is {out / 'README.md'}",
        "0 runs done, 2 skipped, 0 failed",
    ]
    plain, other = Results(out).tables["quick"]
    assert [row.agent for row in plain.rows] == ["random"]
    assert {row.agent for row in other.rows} == {"random", "ucb1"}
    assert other.experiment == "ecommerce+horizon=3,reward=conversion"
    assert f"quick: {SHOP}+horizon=3,reward=conversion" in text
    page = (out / "README.md").read_text()
    assert f"### {SHOP} (" in page
    assert f"### {SHOP}+horizon=3,reward=conversion (" in page
    assert '"reward": "conversion", "horizon": 3}' in page
    record = run_folder.read_record(next(out.glob("quick/*ucb1*")))
    assert record["env"]["kwargs"] == {"world": preset.experiments[0].kwargs["world"], **json.loads(args)}
    assert record["agent"]["params"]["scale"] == 0.5


def test_runs_of_other_arguments_under_one_name_are_not_paired(run, preset, tmp_path):
    assert run("bench", "--out", tmp_path, "--workers", 1)[0] == 0
    runs = Results(tmp_path).runs["quick"]
    assert tables_of("quick", runs)[0].rows[1].gain is not None
    env = runs[0].record["env"]
    odd = env | {"kwargs": env["kwargs"] | {"horizon": 3}}
    moved = env | {"kwargs": env["kwargs"] | {"world": "the same, elsewhere"}}
    for changed, is_paired in ((odd, False), (moved, True)):
        mixed = [runs[0]._replace(record=runs[0].record | {"env": changed}), *runs[1:]]
        (table,) = tables_of("quick", mixed)
        assert (table.rows[1].gain is not None) == is_paired
        with nullcontext() if is_paired else pytest.raises(ValueError, match="2 versions of the environment"):
            refuse_mixture("here", [run.record for run in mixed])


def test_a_tag_is_fit_for_a_folder_and_names_one_setting():
    assert tag_of({}) == ""
    assert tag_of({"reward": "revenue", "horizon": 20}) == "horizon=20,reward=revenue"
    odd = [{"world": "a/b"}, {"reward": {"click": 1, "horizon": 20}}, {"reward": {"click": 1}, "horizon": 20}]
    tags = [tag_of(each) for each in odd]
    assert len(set(tags)) == 3
    assert all(tag.isalnum() and len(tag) == 8 for tag in tags)


def test_tensorboard_has_a_folder_a_run_and_the_judged_returns(run, world, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for seed, args in ((0, ()), (1, ("--env-args", '{"horizon": 3}'))):
        words = ("train", "ucb1", SHOP, "--world", world, "--steps", 300, "--sessions", 20, "--seed", seed)
        code, out, _ = run(*words, *args, "--out", tmp_path / str(seed), "--tensorboard", tmp_path / "tb")
        assert code == 0
        folder = tmp_path / "tb" / (f"ucb1-Ecommerce-v1-{seed}" + "+horizon=3" * seed)
        events = EventAccumulator(str(folder))
        events.Reload()
        (judged,) = events.Scalars("judged/return")
        assert judged.step == 300
        assert f"return: {judged.value:.3f}" in out


@pytest.mark.parametrize(
    "words",
    [
        ("train", "ucb1", SHOP, "--out"),
        ("train", "ucb1", SHOP, "--out", "fine", "--tensorboard"),
        ("bench", "--out"),
        ("card", "content-1", "--png"),
        ("fit", "sample", "--out"),
    ],
)
def test_a_place_that_cannot_be_written_is_found_before_the_work(run, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    option = next(word for word in reversed(words) if word.startswith("--"))
    for place in (
        "file/x.png",
        "file/deep/x.png",
        "/proc/x.png",
        "x" * 300 + "/y.png",
    ):
        if place.startswith("/proc") and not Path("/proc/self").exists():
            continue
        refused(run(*words, place), f"{option} {place}", "cannot be written")
    if option != "--png":
        refused(run(*words, "file"), f"{option} file: is a file, expected a folder")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("words", [("train", "ucb1", SHOP), ("fit", "sample")])
def test_a_folder_that_cannot_be_replaced_is_found_before_the_work(run, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    for place in (".", "..", tmp_path):
        refused(run(*words, "--out", place), f"--out {place}", "is or contains the working folder")
    (tmp_path / "world").mkdir()
    for name in ("SHA256SUMS", "world.json"):
        (tmp_path / "world" / name).write_text("")
    refused(
        run(*words, "--out", "world/sub/x"), "--out world/sub/x", "a stored folder, expected one beside it"
    )
    (tmp_path / "volume").mkdir()
    monkeypatch.setattr(Path, "is_mount", lambda path: path.name == "volume")
    refused(run(*words, "--out", "volume"), "--out volume", "is a mount point, expected a folder inside it")


@pytest.mark.slow
def test_curves_without_room_are_one_line(world, tmp_path):
    """The disk is a limit on the size of files; the error is raised in TensorBoard's thread."""
    code = (
        "import resource, sys, torch.utils.tensorboard\n"
        "from recgym.cli.main import main\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))\n"
        "main(['train', 'ucb1', *sys.argv[1:]])"
    )
    words = [sys.executable, "-c", code, SHOP, "--world", world, "--out", str(tmp_path / "agent")]
    words += ["--tensorboard", str(tmp_path / "tb")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    place = tmp_path / "tb" / "ucb1-Ecommerce-v1-0"
    assert (done.returncode, done.stderr) == (2, f"recgym: {place}: File too large\n")
    assert not (tmp_path / "agent").exists()
