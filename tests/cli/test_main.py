"""Help, errors, and the commands envs and validate."""

import inspect
import json
import re
import shlex
import subprocess
import sys

import pytest
from command_lines import parsed
from refusals import refused

import recgym
from recgym.bench.suite import PRESETS
from recgym.cli.greeting import greet, greeting
from recgym.cli.main import app
from recgym.envs import ENVIRONMENTS

COMMANDS = ("envs", "fit", "card", "validate", "train", "bench", "report", "speed")


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
def test_the_help_of_every_command_has_an_example(run, command):
    code, out, _ = run(command, "--help")
    assert code == 0
    assert f"recgym {command}" in out.replace("Usage: recgym", "")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_into_80_columns(run, command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = run(command, "--help")
    assert code == 0
    assert "…" not in out
    assert max(map(len, out.splitlines())) <= 80
    assert "<bool>" not in out  # a flag takes no value


@pytest.mark.parametrize("command", [command.callback for command in app.registered_commands])
def test_every_example_of_the_help_can_be_parsed(command):
    (block,) = re.findall(r"```sh\n(.*?)```", inspect.cleandoc(command.__doc__), re.DOTALL)
    lines = block.replace("\\\n", " ").splitlines()
    assert all(line.startswith(f"recgym {command.__name__}") for line in lines)
    for line in lines:
        parsed(line)


def test_version(run):
    assert run("--version") == (0, f"recgym {recgym.__version__}\n", "")


def test_no_command_greets_with_the_four_things_to_do_next(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, err = run()
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    commands = re.findall(r"^ {3}(recgym .*)", out, re.MULTILINE)
    assert [command.split()[1] for command in commands] == ["envs", "train", "bench", "fit"]
    for command in commands:
        parsed(command)


def test_the_first_two_things_to_do_work(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    commands = re.findall(r"^ {3}recgym (.*)", run()[1], re.MULTILINE)
    for command in commands[:2]:
        code, out, _ = run(*shlex.split(command))
        assert code == 0
        assert out


def test_the_greeting_counts_what_is_compared():
    quick = PRESETS["quick"]
    words = f"Compare {len(quick.agents)} agents in {len(quick.experiments)} worlds "
    assert words in greeting("recgym/Content-v1", coloured=False)


def test_the_greeting_is_coloured_where_it_is_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr("recgym.cli.greeting.is_terminal", lambda stream: True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    greet("recgym/Content-v1")
    coloured = capsys.readouterr().out
    assert "\033[" in coloured
    monkeypatch.setenv("NO_COLOR", "1")
    greet("recgym/Content-v1")
    assert capsys.readouterr().out == re.sub(r"\033\[\d+m", "", coloured)


def test_every_option_is_explained():
    for command in app.registered_commands:
        assert command.callback.__doc__.count("\n") > 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nonsense"], ["nonsense"]),
        (["card"], ["Missing argument 'WORLD': see recgym card --help\n"]),
        (["fit", "log.csv"], ["Missing option '--out': see recgym fit --help\n"]),
        (["card", "atlantis"], ["world 'atlantis' is unknown"]),
        (["card", "/"], ["/ holds no world: world.json is missing"]),
        (["card", "content-1", "--png", "x.foo"], ["--png x.foo", "must end in .png"]),
        (["envs", "--csv"], ["No such option: --csv"]),
        (
            ["train", "ucb1", "recgym/Shop-v0"],
            ["environment 'recgym/Shop-v0' is unknown", "recgym/Content-v1"],
        ),
        (["train", "ucb1", "recgym/Content-v1", "--device", "abacus"], ["--device", "'abacus'"]),
        (["bench", "--agents", ""], ["argument 3, after --agents, is empty"]),
        (["bench", "--envs", " , "], ["--envs is ' , '", "names, separated by commas"]),
        (["train", "ucb1", "recgym/Content-v1", "--steps", "many"], ["--steps", "integer"]),
        (["train", "ucb1", "recgym/Content-v1", "--world", "atlantis"], ["world 'atlantis' is unknown"]),
        (
            ["bench", "--preset", "fast"],
            ["preset 'fast' is unknown; there are quick, ladder, standard, full"],
        ),
        (["bench", "--agents", "ucb1,nobody"], ["agent 'nobody' is unknown; there are random"]),
        (
            ["train", "dcf-dqm", "recgym/Content-v1"],
            ["agent 'dcf-dqm' is unknown", "did you mean 'dcf-dqn'?"],
        ),
        (["train", "ucb1", "Content-v1"], ["did you mean 'recgym/Content-v1'?"]),
        (["train", "ucb1", "recgym/Content-v1", "--world", "contnet-2"], ["did you mean 'content-2'?"]),
        (["card", "contnet-2"], ["did you mean 'content-2'?"]),
        (["bench", "--preset", "quik"], ["did you mean 'quick'?"]),
        (["bench", "--agents", "linucbb"], ["did you mean 'linucb'?"]),
        (["bench", "--envs", "ecomerce"], ["did you mean 'ecommerce'?"]),
        (["validate", ".", "--source", "retailrocet"], ["did you mean 'retailrocket'?"]),
        (["bench", "--envs", "moon"], ["environment 'moon' is not in preset quick"]),
        (["bench", "--seeds", "0"], ["--seeds"]),
        (["report", "no-such-folder"], ["no-such-folder: no runs here"]),
        (["validate", "no-such.csv", "--domain", "social"], ["no-such.csv"]),
        (["speed", "--seconds", "0"], ["--seconds"]),
    ],
)
def test_a_wrong_argument_is_one_line(run, arguments, words):
    refused(run(*arguments), *words)


def test_envs_is_the_table(run):
    code, out, _ = run("envs", "--json")
    assert code == 0
    assert [row["id"] for row in json.loads(out)] == [row.id for row in ENVIRONMENTS]
    _, out, _ = run("envs")
    assert all(row.id in out for row in ENVIRONMENTS)


def test_an_error_of_a_log_names_file_and_column(run, table, tmp_path):
    columns = "user=visitor,item=article"
    for command in (("validate", table), ("fit", table, "--out", tmp_path / "world")):
        code, out, err = run(*command, "--domain", "ecommerce", "--map", columns)
        refused((code, out, err), "events.csv")
        assert "article" in out + err
        refused(run(*command, "--domain", "shop", "--map", columns), "shop")
    assert not (tmp_path / "world").exists()


def test_validate_lists_every_bad_row(run, table):
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


@pytest.mark.parametrize(("click", "end"), [(0, "no other rule is broken"), (1, "no rule is broken")])
def test_validate_says_no_rule_is_broken_only_where_none_is(run, tmp_path, click, end):
    path = tmp_path / "carts.csv"
    path.write_text(f"user,item,time,click,cart\nu,a,1600000000,{click},1\nu,b,1600000060,1,0\n")
    code, out, err = run("validate", path, "--domain", "ecommerce")
    assert (code, err) == (0, "")
    assert ("break the rule: cart happens only with click" in out) == (not click)
    assert out.endswith(f"dropped; {end}\n")


def test_validate_lists_all_kinds_of_problems_of_slates_once(run, tmp_path):
    table = tmp_path / "t.csv"
    rows = {
        "u1,a|b|c,b,2020-01-01 10:00:00,1|2|3": "",
        "u1,a|b|c,x,2020-01-01 10:01:00,1|2|3": "item: a chosen item must be among the items shown; found 'x'",
        "u1,a|b|c,a,2020-02-31 10:02:00,1|2|3": "time: a time is needed",
        ",a|b|c,a,2020-01-01 10:03:00,1|2|3": "user: a value is needed; found nothing",
        "u2,a|b|c,a,2020-01-01 10:04:00,1|2": "price: as many entries as items shown are needed, or one",
        "u2,a|[b|c,a,2020-01-01 10:05:00,1|2|3": "shown: a list as 1|2|3, [1, 2, 3] or ['a', 'b'] is needed",
        "u2,a;b;c,a,2020-01-01 10:06:00,1|2|3": "shown: lists with one separator are needed",
        "u2,a|b|c,a,2020-01-01 10:07:00,1|-2|3": "price: a price must be 0 or above",
        "u2,a|b|c,x,2020-02-31 10:08:00,1|2|3": "item: a chosen item must be among the items shown",
    }
    table.write_text("\n".join(["user,shown,item,time,price", *rows, ""]))
    out = refused(run("validate", table, "--domain", "ecommerce"), "t.csv: 9 problems, listed on stdout")
    expected = {f"t.csv, row {row}, {problem}" for row, problem in enumerate(rows.values(), 2) if problem}
    expected.add("t.csv, row 10, time: a time is needed")
    found = out.splitlines()
    assert len(found) == len(expected)
    for problem in expected:
        assert sum(line.startswith(problem) for line in found) == 1, problem


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


@pytest.mark.parametrize(
    ("words", "after"),
    [
        (("validate", "", "--domain", "ecommerce"), "argument 2, after validate, is empty"),
        (("fit", "sample", "--out", ""), "argument 4, after --out, is empty"),
        (("fit", "sample", "--out="), "argument 3, after --out, is empty"),
        (("card", " "), "argument 2, after card, is empty"),
    ],
)
def test_an_empty_argument_is_refused(run, words, after):
    refused(run(*words), after)
