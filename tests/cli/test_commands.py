import json
import subprocess
import sys

import gymnasium
import numpy as np
import pytest
from refusals import refused

import recgym
from agents import agent_class
from agents.problem import Problem
from recgym.bench import speed as speed_module
from recgym.bench.rollout import make_vector
from recgym.cli.main import app
from recgym.envs import ENVIRONMENTS
from recgym.sim.synthetic import synthetic

COMMANDS = ("envs", "fit", "card", "validate", "train", "bench", "report", "speed")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return str(synthetic(4, domain="ecommerce").save(tmp_path_factory.mktemp("worlds") / "shop"))


@pytest.fixture
def table(tmp_path):
    """A log of three rows; the last has a propensity that cannot be."""
    path = tmp_path / "events.csv"
    path.write_text("visitor,product,when,p\na,x,1600000000,0.5\na,y,1600000060,0.5\nb,x,1600000000,1.5\n")
    return path


def test_help_is_quick_and_imports_nothing_heavy():
    heavy = ["torch", "numba", "pandas", "pyarrow", "matplotlib", "stable_baselines3"]
    code = (
        "import sys\nfrom recgym.cli.main import main\ntry:\n main(['--help'])\nexcept SystemExit as stop:\n"
        f" loaded = [name for name in {heavy} if name in sys.modules]\n"
        " sys.exit(f'{loaded} {stop.code}' if loaded or stop.code else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(f" {name} " in done.stdout for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_helps_with_an_example(run, command):
    code, out, _ = run(command, "--help")
    assert code == 0
    assert f"recgym {command}" in out.replace("Usage: recgym", "")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_reads_at_80_columns(run, command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = run(command, "--help")
    assert code == 0
    assert "…" not in out
    assert max(map(len, out.splitlines())) <= 80
    assert out.count("<bool>") == 1  # --help's own; a flag takes no value


def test_version(run):
    assert run("--version") == (0, f"recgym {recgym.__version__}\n", "")


def test_no_command_shows_the_help(run):
    code, out, _ = run()
    assert code == 0
    assert "Usage: recgym" in out


def test_every_option_is_explained():
    for command in app.registered_commands:
        assert command.callback.__doc__.count("\n") > 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nonsense"], ["nonsense"]),
        (["card"], ["Missing argument"]),
        (["card", "atlantis"], ["world 'atlantis' is unknown"]),
        (["card", "/"], ["/ holds no world: world.json is missing"]),
        (["card", "content-1", "--png", "x.foo"], ["--png x.foo", "must end in .png"]),
        (["envs", "--csv"], ["No such option: --csv"]),
        (
            ["train", "ucb1", "recgym/Shop-v0"],
            ["environment 'recgym/Shop-v0' is unknown", "recgym/Content-v0"],
        ),
        (["train", "ucb1", "recgym/Content-v0", "--device", "abacus"], ["--device", "'abacus'"]),
        (["bench", "--agents", ""], ["--agents is ''", "names, separated by commas"]),
        (["bench", "--envs", " , "], ["--envs is ' , '", "names, separated by commas"]),
        (["train", "ucb1", "recgym/Content-v0", "--steps", "many"], ["--steps", "integer"]),
        (["train", "ucb1", "recgym/Content-v0", "--world", "atlantis"], ["world 'atlantis' is unknown"]),
        (
            ["bench", "--preset", "fast"],
            ["preset 'fast' is unknown; there are quick, ladder, standard, full"],
        ),
        (["bench", "--agents", "ucb1,nobody"], ["agent 'nobody' is unknown; there are random"]),
        (["bench", "--envs", "moon"], ["environment 'moon' is not in preset quick"]),
        (["bench", "--seeds", "0"], ["--seeds"]),
        (["report", "no-such-folder"], ["no-such-folder: no runs here"]),
        (["validate", "no-such.csv", "--domain", "social"], ["no-such.csv"]),
        (["speed", "--seconds", "0"], ["--seconds"]),
    ],
)
def test_what_a_stranger_gets_wrong_is_one_line(run, arguments, words):
    refused(run(*arguments), *words)


def test_unknown_agent_and_wrong_world_of_train(run, world):
    refused(
        run("train", "nobody", "recgym/Ecommerce-v0", "--world", world), "agent 'nobody' is unknown", "ucb1"
    )
    refused(
        run("train", "ucb1", "recgym/Content-v0", "--world", world), "is of domain ecommerce", "needs content"
    )


def test_a_log_is_refused_by_file_and_column(run, table, tmp_path):
    columns = "user=visitor,item=article"
    for command in (("validate", table), ("fit", table, "--out", tmp_path / "world")):
        code, out, err = run(*command, "--domain", "ecommerce", "--map", columns)
        refused((code, out, err), "events.csv")
        assert "article" in out + err
        refused(run(*command, "--domain", "shop", "--map", columns), "shop")
    assert not (tmp_path / "world").exists()


def test_validate_tells_every_bad_row(run, table):
    columns = "user=visitor,item=product,time=when,propensity=p"
    run_of = ("validate", table, "--domain", "ecommerce", "--map", columns)
    out = refused(run(*run_of), "events.csv: 1 problem, listed on stdout")
    assert run(*run_of)[2].count("row 4") == 0
    assert out.count("\n") == out.count("events.csv, row 4, p") == 1
    assert "(0, 1]" in out
    assert "1.5" in out
    table.write_text(table.read_text().replace("1.5", "0.5"))
    code, out, err = run("validate", table, "--domain", "ecommerce", "--map", columns)
    assert (code, err) == (0, "")
    assert "3 rows" in out


def test_fit_does_not_replace_a_folder_that_is_no_world(run, table, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes").write_text("kept")
    refused(run("fit", table, "--domain", "ecommerce", "--out", tmp_path / "mine"), "--out", "holds no world")


def test_envs_is_the_table(run):
    code, out, _ = run("envs", "--json")
    assert code == 0
    assert [row["id"] for row in json.loads(out)] == [row.id for row in ENVIRONMENTS]
    _, out, _ = run("envs")
    assert all(row.id in out for row in ENVIRONMENTS)


def test_card_and_the_worth_of_planning(run, world):
    code, out, _ = run("card", world)
    assert code == 0
    assert out.startswith("# synthetic-4 (ecommerce)")
    code, out, _ = run("card", world, "--planning", "10", "--json")
    about = json.loads(out)
    assert (code, about["name"]) == (0, "synthetic-4")
    worth = about["planning"]
    assert worth["sessions"] == 10
    assert worth["low"] < worth["difference"] < worth["high"]
    assert worth["difference"] == pytest.approx(worth["oracle_plan"] - worth["oracle"])
    assert run("card", world, "--planning", "10", "--json")[1] == out
    refused(run("card", world, "--planning", "1"), "--planning is 1")


def test_train_saves_an_agent_that_loads(run, world, tmp_path):
    folder = tmp_path / "agent"
    arguments = (
        "train",
        "ucb1",
        "recgym/Ecommerce-v0",
        "--world",
        world,
        "--steps",
        "2000",
        "--sessions",
        "40",
    )
    code, out, _ = run(*arguments, "--out", folder, "--seed", "3")
    assert code == 0
    assert out.startswith("return: ")
    about = json.loads((folder / "training.json").read_text())
    assert (about["agent"]["name"], about["budget"]["env_steps"]) == ("ucb1", 2000)
    kind = agent_class("ucb1")
    env = make_vector("recgym/Ecommerce-v0", 4, world=world, observation=kind.observation)
    agent = kind.load(folder, Problem.of(env))
    observation, _ = env.reset(seed=0)
    assert np.asarray(agent.act(observation)).shape == (4,)
    refused(run(*arguments, "--out", folder, "--seed", "3"), "holds a trained agent", "--from", "--replace")
    again = run(*arguments, "--out", folder, "--seed", "3", "--replace")
    assert again[:2] == (0, out)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes").write_text("kept")
    refused(run(*arguments, "--out", tmp_path / "other"), "--out", "holds no trained agent")


def test_speed_measures_every_environment(run, world, monkeypatch):
    content = next(row for row in ENVIRONMENTS if row.id == "recgym/Content-v0")
    rows = [row._replace(world=world) for row in ENVIRONMENTS if row.domain == "ecommerce"]
    monkeypatch.setattr(
        speed_module, "ENVIRONMENTS", [*rows, content._replace(world=synthetic(4, domain="content"))]
    )
    code, out, _ = run("speed", "--seconds", "0.01", "--json")
    assert code == 0
    measured = json.loads(out)
    assert [row["name"] for row in measured] == [
        *(row.id for row in rows),
        "recgym/Content-v0",
        "recgym/Content-v0, 200 items",
        "recgym/Content-v0, 6000 items",
        "Gymnasium CartPole-v1",
    ]
    assert measured[0]["slate"] == 1
    assert measured[1]["slate"] == 6
    assert all(row["vector"] > row["single"] > 100 for row in measured)


def test_fit_writes_the_world_and_prints_its_card(run, table, tmp_path, monkeypatch):
    asked = {}

    def fit(log, **settings):
        asked.update(settings, rows=log.num_rows)
        return synthetic(4, domain="ecommerce")

    monkeypatch.setattr("recgym.fit.fit", fit)
    table.write_text(table.read_text().replace("1.5", "0.5"))
    columns = "user=visitor,item=product,time=when,propensity=p"
    arguments = (
        "fit",
        table,
        "--domain",
        "ecommerce",
        "--map",
        columns,
        "--out",
        tmp_path / "mine",
        "--seed",
        3,
        "--planning",
        0,
    )
    code, out, err = run(*arguments)
    assert code == 0
    assert out.startswith("# synthetic-4 (ecommerce)")
    assert err.endswith(f"wrote {tmp_path / 'mine'}\n")
    assert (asked["rows"], asked["name"], asked["seed"], asked["device"]) == (3, "mine", 3, "auto")
    assert f"fit LOG --domain ecommerce --map {columns} --out mine --seed 3\n" in out
    assert run("card", tmp_path / "mine")[1] == out
    assert "--out mine --name other --seed 3\n" in run(*arguments, "--replace", "--name", "other")[1]
    code, _, err = run(*arguments)  # a world that is there stays, unless one says otherwise
    assert code == 2
    assert "--replace" in err
    assert run(*arguments, "--replace")[0] == 0
    table.write_text(
        "visitor,product,when,p\na,x,3/9/2020 10:00,0.5\na,y,3/9/2020 10:01,0.5\nb,x,4/9/2020 10:00,1\n"
    )
    out = run(*arguments, "--replace", "--time-format", "%d/%m/%Y %H:%M", "--duplicates", "drop")[1]
    assert f"--map {columns} --time-format '%d/%m/%Y %H:%M' --duplicates drop --out mine --seed 3\n" in out


def test_the_log_that_ships_fits_to_an_environment(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = run("fit", "sample", "--out", "mine", "--planning", 20)
    assert code == 0
    assert "sampled from the world ecommerce-1" in out
    assert "looking ahead is worth" in out
    env = gymnasium.make("recgym/Ecommerce-v0", world="mine")
    env.reset(seed=0)
    env.step(0)


def test_times_of_a_table_are_named_and_stated(run, tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("user,item,time\na,x,1/2/2020\na,x,1/2/2020\nb,y,3/2/2020\n")
    out = refused(run("validate", table, "--domain", "social"), "t.csv: 1 problem, listed")
    assert "t.csv, row 2, time" in out
    assert "--time-format" in out
    assert "all 3 rows break this rule" in out
    code, out, _ = run("validate", table, "--domain", "social", "--time-format", "%d/%m/%Y")
    assert (code, out.splitlines()[:2]) == (0, [
        "t.csv: times from 2020-02-01 to 2020-02-03 UTC, unit date (%d/%m/%Y)",
        "t.csv: 1 exact duplicate rows kept, as times are whole days; duplicates=drop drops them",
    ])  # fmt: skip
    arguments = ("validate", table, "--domain", "social", "--time-format", "%d/%m/%Y", "--duplicates", "drop")
    assert "2 rows, 2 sessions, 2 users, 2 items, 1 duplicates dropped" in run(*arguments)[1]
    table.write_text("user,item,time\na,x,1\nb,y,3\n")
    out = refused(run("validate", table, "--domain", "social"), "t.csv: 1 problem, listed")
    assert "t.csv, row 2, time" in out
    assert "--time-unit" in out
    assert "1970-01-01 00:00:01 to" in run("validate", table, "--domain", "social", "--time-unit", "s")[1]
    refused(run("validate", table, "--domain", "social", "--time-unit", "h"), "time_unit 'h' is unknown")
