import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import gymnasium as gym
import numpy as np
import pyarrow.parquet as pq
import pytest

from recgym.bench import experiment, rollout, run_folder, suite, training_speed
from recgym.bench.experiment import Entry, Experiment, Preset, Run, runs_of
from recgym.bench.launch import launch
from recgym.bench.leaderboard import tables_of
from recgym.bench.report import Results, write_report
from recgym.bench.run import blank_record, job_of, settings_of
from recgym.bench.table_text import format_number
from recgym.bench.worker_pool import run_jobs
from recgym.sim.synthetic import synthetic

AGENTS = ("random", "popularity", "oracle", "oracle-plan", "ucb1")


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    root = tmp_path_factory.mktemp("worlds")
    return {d: synthetic(3, domain=d).save(root / d) for d in ("ecommerce", "content")}


def small(worlds, **changes):
    rows = tuple(
        Experiment(
            name=domain,
            env_id=f"recgym/{domain.capitalize()}-v0",
            kwargs={"world": str(folder)},
            env_steps=600,
            offline_sessions=60,
            eval_sessions=40,
        )
        for domain, folder in worlds.items()
    )
    plan = {"oracle-plan": {"simulations": 3}}
    settings = {"experiments": rows, "seeds": 2, "agents": AGENTS, "params": plan} | changes
    return Preset(name="quick", about="", **settings)


@pytest.fixture(scope="module")
def results(worlds, tmp_path_factory):
    out = tmp_path_factory.mktemp("results")
    summary = launch(small(worlds), out / "quick", workers=2)
    assert (summary.done, summary.skipped, summary.failed) == (20, 0, [])
    return out


def folders(out):
    return sorted(path.parent for path in out.glob("*/run.json"))


def test_run_json_is_the_contracts(results, worlds):
    folder = next(
        path for path in folders(results / "quick") if path.name.startswith("content-popularity-001")
    )
    record = json.loads((folder / "run.json").read_text())
    assert list(record) == [
        *("schema", "run_id", "experiment", "env", "agent", "budget", "seed", "status", "error", "final"),
        *("timing", "versions", "host", "git", "files"),
    ]
    assert (record["schema"], record["run_id"], record["status"]) == ("recgym.run/1", folder.name, "ok")
    assert record["env"]["id"] == "recgym/Content-v0"
    assert record["env"]["world_sha256"] == synthetic(3, domain="content").sha256
    assert record["seed"] == {"entropy": experiment.ENTROPY, "run": 1}
    assert record["budget"]["env_steps"] == 600
    assert record["budget"]["offline_rows"] > 60
    assert set(record["files"]) == {"curve.parquet", "sessions.parquet"}
    assert record["final"]["return"]["n"] == 40
    sessions = pq.read_table(folder / "sessions.parquet")
    assert record["final"]["return"]["mean"] == pytest.approx(np.mean(sessions["return"].to_numpy()))
    assert record["versions"]["recgym"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"extra": 1}, "keys extra"),
        ({"status": "fine"}, "status 'fine'"),
        ({"error": "x"}, "error is 'x' with status 'ok'"),
        ({"budget": {"env_steps": 1}}, "budget has"),
        ({"files": {}}, "files has"),
        ({"final": {"return": 1.0}}, "final return is 1.0, expected mean, se, n"),
    ],
)
def test_a_record_off_the_schema_is_refused(results, change, message):
    record = json.loads((folders(results / "quick")[0] / "run.json").read_text())
    run_folder.check_record(record)
    with pytest.raises(ValueError, match=message):
        run_folder.check_record(record | change)


def test_every_use_has_its_own_seed():
    streams = experiment.STREAMS.values()
    experiments = [Experiment(name=name, env_id="") for name in ("content", "social")]
    runs = [
        Run(experiment=experiment, entry=Entry(agent=agent), run=run)
        for experiment in experiments
        for agent in ("ucb1", "thompson")
        for run in range(20)
    ]
    shared = {
        (r.experiment.name, r.run, s): r.seed(s) for r in runs for s in (experiment.LOG, experiment.EVALUATE)
    }
    own = [r.seed(s) for r in runs for s in streams if s not in (experiment.LOG, experiment.EVALUATE)]
    seeds = [*shared.values(), *own]
    assert len(set(seeds)) == len(seeds) == 2 * 20 * 2 + 80 * 3
    assert min(seeds) > 1000
    assert all(
        r.seed(s) == shared[r.experiment.name, r.run, s]
        for r in runs
        for s in (experiment.LOG, experiment.EVALUATE)
    )
    far = np.sort(np.array([r.env_seed(experiment.EVALUATE) for r in runs[:20]], dtype=np.float64))
    assert np.diff(far).min() > 1e6


def test_agents_of_a_seed_meet_the_same_users(results):
    tables = {}
    for folder in folders(results / "quick"):
        experiment, _, run = folder.name.rsplit("-", 1)[0].partition("-")
        table = pq.read_table(folder / "sessions.parquet")
        tables.setdefault((experiment, run[-3:]), []).append(table)
    assert len(tables) == 4
    users = []
    for group in tables.values():
        assert len(group) == len(AGENTS)
        assert all(table["user"] == group[0]["user"] and table["seed"] == group[0]["seed"] for table in group)
        assert any(table["return"] != group[0]["return"] for table in group)
        users.append(group[0]["user"].to_pylist())
    assert len({tuple(row) for row in users}) == 4


class Fixed:
    """Shows item (number of steps so far) % 7 to everybody."""

    def act(self, observation, mask=None, explore=False):
        return np.asarray(observation) % 7


@pytest.mark.parametrize("side_by_side", [1, 7, 32])
def test_played_sessions_are_those_of_the_single_environment(worlds, monkeypatch, side_by_side):
    monkeypatch.setattr(rollout, "PARALLEL_SESSIONS", side_by_side)
    kwargs = {"world": str(worlds["content"]), "observation": "tabular"}
    columns, facts = rollout.play("recgym/Content-v0", kwargs, lambda env: Fixed(), 2**64 - 5, 20)
    env = gym.make("recgym/Content-v0", **kwargs)
    for i in range(20):
        observation, info = env.reset(seed=(2**64 - 5 + i) % 2**64)
        total, items, likes, over = 0.0, [], 0, False
        assert columns["user"][i] == info["user"]
        while not over:
            items.append(int(observation) % 7)
            observation, reward, terminated, truncated, info = env.step(items[-1])
            total, likes, over = total + reward, likes + info["like"], terminated or truncated
        assert columns["return"][i] == pytest.approx(total)
        assert columns["length"][i] == columns["shown"][i] == len(items)
        assert columns["items"][columns["offsets"][i] : columns["offsets"][i + 1]].tolist() == items
        assert columns["like"][i] == likes
        assert columns["terminated"][i] == terminated
    assert facts["num_items"] == 30


class FixedSlate:
    """The same item twice in every slate, among others."""

    def act(self, observation, mask=None, explore=False):
        return np.tile([3, 5, 3, 1, 0, 2], (len(observation), 1))


def test_a_repeat_in_a_slate_is_not_shown(worlds):
    kwargs = {"world": str(worlds["ecommerce"]), "observation": "tabular"}
    columns, _ = rollout.play("recgym/EcommerceSlate-v0", kwargs, lambda env: FixedSlate(), 7, 40)
    assert np.array_equal(columns["shown"], 5 * columns["length"])
    assert columns["click"].sum() > 0
    assert len(columns["items"]) == 6 * columns["length"].sum()


def test_a_second_call_skips_what_is_whole_and_redoes_what_is_not(worlds, results, tmp_path):
    out = tmp_path / "quick"
    shutil.copytree(results / "quick", out)
    whole = launch(small(worlds), out, workers=1)
    assert (whole.done, whole.skipped) == (0, 20)
    broken, lost, *rest = folders(out)
    (broken / "sessions.parquet").write_bytes(b"half")
    (lost / "run.json").unlink()
    (out / ".run.tmp-0123abcd").mkdir()
    before = {path: path.stat().st_mtime_ns for folder in rest for path in folder.iterdir()}
    again = launch(small(worlds), out, workers=1)
    assert (again.done, again.skipped) == (2, 18)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert not list(out.glob(".*"))
    assert pq.read_table(broken / "sessions.parquet") == pq.read_table(
        results / "quick" / broken.name / "sessions.parquet"
    )


def test_another_setting_replaces_the_runs_of_its_cells_alone(worlds, results, tmp_path):
    out = tmp_path / "quick"
    shutil.copytree(results / "quick", out)
    preset = small(worlds, agents=("oracle-plan",), params={"oracle-plan": {"simulations": 4}})
    assert launch(preset, out, workers=1).done == 4
    assert len(folders(out)) == 20
    assert all(
        f in folders(out) for f in [out / g.name for g in folders(results / "quick")] if "plan" not in f.name
    )


SCRIPT = """
import signal
import sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job is started deaf to it
from recgym.bench import suite
from recgym.bench.experiment import Experiment, Preset
if __name__ == "__main__":
    world, out = sys.argv[1:]
    row = Experiment(name="ecommerce", env_id="recgym/Ecommerce-v0", kwargs={"world": world},
                     env_steps=100_000_000, eval_sessions=30)
    agents = ("random", "q-learning")  # the second would learn for an hour
    suite.PRESETS["quick"] = Preset(name="quick", about="", experiments=(row,), seeds=3, agents=agents)
    from recgym.cli.main import main
    main(["bench", "--workers", "1", "--out", out])
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_bench_goes_on_where_it_was(worlds, tmp_path, how):
    script, out = tmp_path / "bench.py", tmp_path / "results"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), str(worlds["ecommerce"]), str(out)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, start_new_session=True, **pipes) as process:
        deadline = time.monotonic() + 120  # a cold cache compiles first
        while not list(out.glob("quick/.*q-learning*.tmp-*")) and time.monotonic() < deadline:
            time.sleep(0.02)
        workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        if how == signal.SIGINT:
            os.killpg(process.pid, how)  # as a terminal does: the workers get it too
        else:
            process.send_signal(how)
        _, errors = process.communicate(timeout=20)
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert errors.splitlines()[-1].startswith("recgym: stopped; complete runs are kept")
        assert "Traceback" not in errors
    deadline = time.monotonic() + 5
    while any(Path(f"/proc/{pid}").exists() for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert workers
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
    assert list(out.glob("quick/.*.tmp-*"))
    whole = {path: (path / "run.json").stat().st_mtime_ns for path in folders(out / "quick")}
    row = Experiment(
        name="ecommerce",
        env_id="recgym/Ecommerce-v0",
        kwargs={"world": str(worlds["ecommerce"])},
        env_steps=100_000_000,
        eval_sessions=30,
    )
    quicker = small(worlds, experiments=(row,), seeds=3, agents=("random",), params={})
    summary = launch(quicker, out / "quick", workers=1)
    assert (summary.done, summary.skipped) == (2, 1)
    assert {path: (path / "run.json").stat().st_mtime_ns for path in whole} == whole
    assert not list(out.glob("quick/.*.tmp-*"))


def test_a_failing_run_is_recorded_and_stops_no_other(worlds, tmp_path):
    preset = small(worlds, seeds=1, agents=("random", "slateq"))
    pairs = [replace(row, kwargs={**row.kwargs, "slate_size": 21}) for row in preset.experiments]
    preset = replace(preset, experiments=tuple(pairs))  # slateq sees 20 items back
    summary = launch(preset, tmp_path / "quick", workers=2)
    assert (summary.done, len(summary.failed)) == (2, 2)
    assert "not of 21" in summary.failed[0]
    folder = next(path for path in folders(tmp_path / "quick") if "slateq" in path.name)
    record = run_folder.read_record(folder)
    assert record["status"] == "error"
    assert "not of 21" in record["error"]
    assert "Traceback" in (folder / "error.txt").read_text()
    assert launch(preset, tmp_path / "quick", workers=1).skipped == 2  # the failed ones are tried again
    write_report(tmp_path)
    assert "2 runs failed:" in (tmp_path / "README.md").read_text()


FULL_DISK = """
import resource, sys
from recgym.bench import suite
from recgym.bench.experiment import Experiment, Preset
from recgym.cli.main import main
row = Experiment(name="ecommerce", env_id="recgym/Ecommerce-v0", kwargs={"world": sys.argv[1]},
                 env_steps=200, offline_sessions=20, eval_sessions=int(sys.argv[3]))
suite.PRESETS["quick"] = Preset(name="quick", about="", experiments=(row,), seeds=2, agents=("random", "popularity"))
limit = int(sys.argv[4])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
main(["bench", "--workers", "1", "--out", sys.argv[2]])
"""


def bench_with_room(worlds, out, sessions, room):
    words = [sys.executable, "-c", FULL_DISK, str(worlds["ecommerce"]), str(out), str(sessions), str(room)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_a_full_disk_is_no_failure_of_a_run(worlds, tmp_path):
    """A limit on the size of files stands for the disk: the tables of a run have no room, its run.json has."""
    assert (
        bench_with_room(worlds, tmp_path / "first", 20, 1 << 30).returncode == 0
    )  # what it compiles has room
    done = bench_with_room(worlds, tmp_path / "full", 2_000, 9_000)
    place = f"{tmp_path / 'full' / 'quick'}{os.sep}ecommerce-random-000-"
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert re.fullmatch(rf"recgym: {re.escape(place)}[0-9a-f]{{8}}: File too large\n", done.stderr), (
        done.stderr
    )
    assert not (tmp_path / "full").exists()


def job(number):
    if number == 2:
        os._exit(3)
    if number == 3:
        raise KeyError("three")
    return number * number


@pytest.mark.parametrize("workers", [1, 2])
def test_a_dead_worker_takes_its_own_job_alone(workers):
    started = []
    outcomes = sorted(run_jobs(job, [0, 1, 2, 3, 4], workers, started.append))
    assert [outcome.value for outcome in outcomes] == [0, 1, None, None, 16]
    assert outcomes[2].error == "worker process died (exit code 3)"
    assert outcomes[3].error == "KeyError: 'three'"
    assert sorted(started) == [0, 1, 2, 3, 4]


def test_two_benches_do_not_share_a_folder(worlds, tmp_path):
    with run_folder.only_one(tmp_path), pytest.raises(ValueError, match="another bench is writing there"):
        launch(small(worlds), tmp_path, workers=1)


def test_the_report_has_the_same_bytes_again(results, tmp_path):
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


def test_tables_follow_from_the_rows(results):
    content = next(table for table in Results(results).tables["quick"] if table.experiment == "content")
    rows = {row.agent: row for row in content.rows}
    assert list(rows) == list(AGENTS)
    assert content.mark == "smoke run: 2 seeds, not ranked"
    returns = {}
    for agent in AGENTS:
        paths = sorted((results / "quick").glob(f"content-{agent}-0*/sessions.parquet"))
        returns[agent] = np.stack([pq.read_table(path)["return"].to_numpy() for path in paths])
        assert rows[agent].value.mean == pytest.approx(returns[agent].mean())
    gain = (returns["ucb1"] - returns["random"]).mean(axis=1)
    half = (
        12.706204736432095 * abs(gain[1] - gain[0]) / 2
    )  # t(0.975, 1) times the standard error of two values
    assert rows["ucb1"].gain[1:3] == pytest.approx((gain.mean() - half, gain.mean() + half))
    top = returns["oracle-plan"].mean() - returns["random"].mean()
    assert rows["oracle"].score.value == pytest.approx(
        (returns["oracle"].mean() - returns["random"].mean()) / top
    )
    assert rows["random"].gain is None
    assert content.planning.n == 80
    assert content.planning.mean == pytest.approx((returns["oracle-plan"] - returns["oracle"]).mean())


def test_few_seeds_are_marked(results):
    table = Results(results).tables["quick"][0]
    marks = [replace(table, seeds=seeds).mark for seeds in (1, 9, 10, 19, 20)]
    assert marks[0] == "smoke run: 1 seed, not ranked"
    assert marks[1].startswith("smoke run")
    assert marks[2:4] == ["preliminary: 10 seeds", "preliminary: 19 seeds"]
    assert marks[4] == ""


def test_runs_of_another_world_are_not_paired(results):
    found = Results(results)
    runs = [run for run in found.runs["quick"] if run.record["experiment"] == "content"]
    odd = [
        run._replace(record=run.record | {"env": run.record["env"] | {"world_sha256": "other"}})
        if run.record["agent"]["name"] == "random"
        else run
        for run in runs
    ]
    (table,) = tables_of("quick", odd)
    assert all(row.gain is None for row in table.rows if row.agent != "random")
    assert "2 versions of the world" in " ".join(table.notes)


def test_an_agent_judged_on_fewer_visits_is_paired_on_these(results):
    found = Results(results)
    runs = [run for run in found.runs["quick"] if run.record["experiment"] == "content"]
    cut = [
        run._replace(returns=run.returns[:15]) if run.record["agent"]["name"] == "oracle-plan" else run
        for run in runs
    ]
    (table,), (whole,) = tables_of("quick", cut), tables_of("quick", runs)
    rows, before = ({row.agent: row for row in each.rows} for each in (table, whole))
    of = {
        name: np.stack([run.returns for run in runs if run.record["agent"]["name"] == name])
        for name in ("random", "oracle", "oracle-plan")
    }
    random, oracle, plan = (of[name][:, :15].mean() for name in of)
    assert table.sessions == 40
    assert table.planning.n == 30
    assert table.planning.mean == pytest.approx(plan - oracle)
    assert rows["oracle"].score.value == pytest.approx((oracle - random) / (plan - random))
    assert rows["oracle"].gain == before["oracle"].gain
    assert table.notes[0].startswith("oracle-plan is judged on the first 15 of these sessions")


def test_a_preset_judges_a_slow_agent_on_the_first_visits(worlds):
    runs = runs_of(small(worlds, eval_sessions={"oracle-plan": 7}))
    visits = {(run.entry.agent, run.experiment.eval_sessions) for run in runs}
    assert visits == {(agent, 7 if agent == "oracle-plan" else 40) for agent in AGENTS}


def test_a_changed_file_is_not_reported(results, tmp_path):
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


def test_presets_choose_and_refuse():
    chosen = suite.choose("quick", envs=["recgym/Content-v0"], agents=["ucb1", "ucb1"], seeds=5)
    assert [row.name for row in chosen.experiments] == ["content"]
    assert [entry.agent for entry in chosen.entries] == ["ucb1"]
    assert len(runs_of(chosen)) == 5
    for changes, message in (
        ({"envs": ["shop"]}, "environment 'shop' is not in preset quick"),
        ({"agents": ["nobody"]}, "agent 'nobody' is unknown; there are random"),
        ({"seeds": 0}, "seeds is 0"),
    ):
        with pytest.raises(ValueError, match=message):
            suite.choose("quick", **changes)
    with pytest.raises(ValueError, match="preset 'fast' is unknown; there are quick, ladder, standard, full"):
        suite.choose("fast")


def test_an_agent_stands_in_two_lines_with_settings_of_their_own(worlds, tmp_path):
    """Tuned for an experiment, a second line under a label, an agent of slates alone: rows, pairs, order."""
    preset = small(
        worlds,
        seeds=2,
        agents=("random", "ucb1", "thompson"),
        params={"ucb1": {"scale": 2.0}},
        tuned={"content": {"ucb1": {"fresh": False}}},
        variants=(Entry(agent="ucb1", params={"scale": 0.5}, label="ucb1, narrow"),),
        slate_agents=("thompson",),
    )
    runs = runs_of(preset)
    settings = {
        (run.experiment.name, run.entry.line): (run.entry.params.get("scale"), run.entry.params.get("fresh"))
        for run in runs
        if run.entry.agent == "ucb1"
    }
    assert settings[("content", "ucb1")] == (2.0, False)
    assert settings[("content", "ucb1, narrow")] == (0.5, False)
    assert settings[("ecommerce", "ucb1")] == (2.0, None)
    assert all(run.entry.agent != "thompson" for run in runs)
    launch(preset, tmp_path / "quick", workers=2)
    assert len(folders(tmp_path / "quick")) == len(runs)
    for table in Results(tmp_path).tables["quick"]:
        assert [row.agent for row in table.rows] == ["random", "ucb1", "ucb1, narrow"]
        assert all(row.gain is not None and row.reference_gain is None for row in table.rows[1:])


def test_every_preset_is_of_registered_environments_and_agents():
    for name in suite.PRESETS:
        preset = suite.choose(name)
        assert all(gym.spec(row.env_id) for row in preset.experiments)
        assert {"random", "oracle-plan"} <= {entry.agent for entry in preset.entries}


def test_numbers_are_written_short():
    assert [format_number(value) for value in (0.0, 12.3456, -0.012345, 1234.5, float("nan"))] == [
        "0",
        "12.3",
        "-0.0123",
        "1234",
        "-",
    ]


def test_wrong_parameters_are_refused_before_the_first_run(worlds, tmp_path):
    preset = small(worlds, agents=("random", "ucb1"), params={"ucb1": {"nonsense": 1}})
    with pytest.raises(ValueError, match="agent ucb1 has no parameter 'nonsense'"):
        launch(preset, tmp_path / "quick", workers=2)
    assert not list(tmp_path.glob("quick/*/run.json"))


def test_records_hold_every_parameter_and_a_changed_default_is_another_run(worlds, tmp_path, monkeypatch):
    from agents.bandits.ucb1 import Ucb1, Ucb1Params

    run = runs_of(small(worlds, agents=("ucb1",), seeds=1))[0]
    first = job_of(run, tmp_path)
    assert blank_record(first)["agent"]["params"] == {"scale": 1.0, "fresh": True}

    @dataclass(frozen=True, kw_only=True)
    class Retuned(Ucb1Params):
        scale: float = 0.5

    monkeypatch.setattr(Ucb1, "config", Retuned)
    settings_of.cache_clear()
    assert job_of(run, tmp_path).run_id != first.run_id
    settings_of.cache_clear()


def test_judging_stops_the_clock_of_a_training(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(training_speed.time, "perf_counter", lambda: now[0])

    def judge():
        now[0] += 100.0
        return 0.1 if now[0] < 250.0 else 0.6

    clock = training_speed._StopAtScore(judge, target=0.5)
    for steps in range(0, 10_000, 128):
        now[0] += 1.0
        try:
            clock.keep(steps, None)
        except training_speed._TargetReached:
            break
    assert (clock.steps, clock.score) == (512, 0.6)
    assert clock.seconds == 5.0


def test_training_is_timed_where_the_log_misleads_and_where_it_does_not():
    misled, shop = training_speed.tasks()
    rows = list(training_speed.measure_training(shop, steps=512))
    assert [(row.agent, row.steps) for row in rows[:2]] == [("sb3-dqn", 512)] * 2
    assert rows[2].score >= rows[0].score
    assert rows[2].steps == 0  # what its log taught is enough
    log = misled.log()
    assert np.bincount(log.column("item")[log.column("listen") > 0]).argmax() == 3
