"""The commands fit and card: files, figures, pictures and errors."""

import json

import gymnasium
import numpy as np
import pytest
from refusals import refused

from recgym.fidelity.card import card_markdown
from recgym.logs.sample import sample_log
from recgym.sim.synthetic import synthetic


def test_fit_does_not_replace_a_folder_that_is_no_world(run, table, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes").write_text("kept")
    refused(run("fit", table, "--domain", "ecommerce", "--out", tmp_path / "mine"), "--out", "holds no world")


def test_settings_of_a_shipped_world_that_do_not_suit_a_log_are_refused(run, tmp_path):
    path, out = tmp_path / "own.csv", tmp_path / "mine"
    rows = [f"u{k % 7},i{k % 5},{1_700_000_000 + 9_000 * k},{k % 2}" for k in range(120)]
    path.write_text("\n".join(["user,item,time,click", *rows]) + "\n")
    said = {}
    for config in ("content-2", "ecommerce-2"):
        code, _, err = run("fit", path, "--out", out, "--domain", "ecommerce", "--config", config)
        said[config] = (code, "", err.splitlines(keepends=True)[-1])  # without the remarks on the log
    known = "settings of another domain; for ecommerce there are ecommerce-1, ecommerce-2"
    refused(said["content-2"], f"--config content-2: {known}")
    days = (
        "its days are 2023-11-14 to 2023-11-27, and the settings (--config) have validation from 2008-07-01"
    )
    refused(said["ecommerce-2"], "no visit in the train period", days, "--period")
    assert not out.exists()


@pytest.mark.parametrize("users", [-3, 1])
def test_a_wrong_number_of_users_for_planning_is_refused_before_the_fit(run, table, tmp_path, users):
    out = tmp_path / "mine"
    answer = run("fit", table, "--domain", "ecommerce", "--out", out, "--planning", users)
    refused(answer, f"--planning is {users}, expected a whole number of at least 2")
    assert not out.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--period", "2022"), "--period '2022': expected FROM:TO, such as"),
        (("--period", "2022-13-01:"), "--period holds '2022-13-01', expected a day such as 2022-04-29"),
        (("--period", "2022-04-02:2022-04-01"), "--period is 2022-04-02:2022-04-01: it must end after"),
        (("--test", "absent.csv"), "absent.csv: there is no such file or folder"),
        (("--graph", "absent.csv"), "absent.csv: there is no such file or folder"),
        (("--text", "title"), "--text and --encoder are needed together"),
        (("--text", "title", "--encoder", "absent"), "absent: no folder of an encoder"),
        (("--propensity-weights",), "--propensity-weights: --map names no propensity"),
    ],
)
def test_options_are_checked_before_the_log_is_read(run, table, tmp_path, monkeypatch, options, message):
    monkeypatch.setattr("recgym.logs.read_log", lambda *of, **options: pytest.fail("the log was read"))
    known = "--domain", "ecommerce", "--map", "user=user,item=item", "--out", tmp_path / "mine"
    refused(run("fit", table, *known, *options), message)
    assert not (tmp_path / "mine").exists()


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


def test_a_feed_of_clicks_alone_is_fitted_with_a_remark_on_its_default_reward(run, tmp_path):
    rng, rows = np.random.default_rng(1), 600
    lines = [
        f"{n // 6},{item},{1_650_000_000 + 60 * n},{click}"
        for n, (item, click) in enumerate(rng.integers((0, 0), (15, 2), (rows, 2)))
    ]
    table = tmp_path / "feed.csv"
    table.write_text("\n".join(["user,item,time,click", *lines]))
    mapping = "user=user,item=item,time=time,click=click"
    code, _, err = run("fit", table, "--domain", "content", "--map", mapping, "--out", tmp_path / "feed")
    remark = "environments of this world pay clicks by default, not engagement"
    assert (code, err.count(remark)) == (0, 1), err
    for line in (  # where no bar is shown
        "fitting responses, 1 of 93",
        "fitting when users leave",
        "judging on held-out rows",
        "worth of planning, 1,000 of 1,000",
    ):
        assert err.count(f"feed: {line}\n") == 1, err
    assert "\n  recgym train linucb recgym/Content-v1 --world " in err
    assert run("card", tmp_path / "feed")[2].startswith(remark)


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
    mine, env = tmp_path / "mine", "recgym/Ecommerce-v1"
    assert err.endswith(
        f"wrote {mine}\nnext:\n  recgym card {mine}\n  recgym train linucb {env} --world {mine} --steps 5000\n"
        f"  in Python: import gymnasium, recgym; gymnasium.make('{env}', world='{mine}')\n"
    )
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


@pytest.mark.slow
def test_the_shipped_log_is_fitted_to_an_environment(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = run("fit", "sample", "--out", "mine", "--planning", 20)
    assert code == 0
    assert "sampled from the world ecommerce-1" in out
    assert "planning is worth" in out
    env = gymnasium.make("recgym/Ecommerce-v1", world="mine")
    env.reset(seed=0)
    env.step(0)


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Folders of a world and of a log sampled from it."""
    folder = tmp_path_factory.mktemp("card")
    world = synthetic(6, domain="social", num_users=30).with_params(sigma=0.0)
    sample_log(world, "random", 150, seed=3).write(folder / "log")
    return world.save(folder / "world"), folder / "log"


@pytest.mark.slow
def test_a_log_judges_a_world_from_the_command_line(run, places, tmp_path):
    world, log = places
    code, out, err = run(
        "card", world, "--log", log, "--since", "visit:100", "--png", tmp_path / "card.png", "--json"
    )
    assert code == 0, err
    about = json.loads(out)
    figures = {row["id"]: row for row in about["figures"]}
    assert set(figures["rate/listen"]) == {
        "id", "figure", "judges", "log", "world", "toy", "toy_name", "low", "high", "noise", "n",
    }  # fmt: skip
    assert about["judged"][-1] == "since visit 100"
    assert figures["auc/leaving"]["n"] > 100
    assert (tmp_path / "card.png").read_bytes()[:4] == b"\x89PNG"
    code, out, _ = run("card", world, "--log", log)
    assert code == 0
    assert "| rate of listen | users |" in out
    assert "* judged on " in out


def test_an_environment_is_judged_from_the_command_line(run, places):
    world, log = places
    code, out, err = run("card", world, "--log", log, "--env", "recgym/Social-v2", "--json")
    assert code == 0, err
    about = json.loads(out)
    assert about["judged"][0] == "in recgym/Social-v2: 30 items, slates of 1, at most 50 steps"
    assert {row["id"].partition("_")[0] for row in about["figures"]} == {"free"}
    refused(run("card", world, "--env", "recgym/Social-v2"), "--env has an effect only with --log LOG")
    refused(
        run("card", world, "--log", log, "--env", "recgym/Content-v1"),
        "--env recgym/Content-v1: is of domain content, world synthetic-6 of social",
    )
    refused(run("card", world, "--log", log, "--env", "Nowhere-v0"), "environment 'Nowhere-v0' is unknown")


def test_a_figure_is_marked_where_it_leaves_the_logs_interval():
    def cells(log, world, low, high, figure="f"):
        row = {
            "figure": figure,
            "judges": "users",
            "log": log,
            "world": world,
            "toy": None,
            "low": low,
            "high": high,
        }
        card = {"figures": [{**row, "n": 9}]}
        return card_markdown(synthetic(6).with_card(**card))

    assert "0.5 (outside)" in cells(0.2, 0.5, 0.1, 0.3)
    assert "(outside)" not in cells(0.2, 0.25, 0.1, 0.3)
    assert "5 (outside)" in cells(4.0, 5.0, 4.0, 4.0)  # a median
    assert "(outside)" not in cells(0.0, 0.33, 0.0, 0.0, "free_same_page")  # never in 9 rows: up to 3 / 9
    assert "0.34 (outside)" in cells(0.0, 0.34, 0.0, 0.0, "free_same_page")
    assert "0.33 (outside)" in cells(0.0, 0.33, 0.0, 0.0)  # no rate


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--map", "user=a,item=b"),
        ("--source", "own"),
        ("--time-unit", "s"),
        ("--time-format", "%Y"),
        ("--duplicates", "drop"),
        ("--domain", "content"),
    ],
)
def test_options_of_a_log_without_one_are_refused(run, world, tmp_path, option, value):
    refused(run("card", world, option, value), f"{option} has an effect only with --log LOG or --test FILE")
    code, _, err = run("card", world, option, value, "--test", tmp_path / "none.csv")
    assert code == 2
    assert "has an effect only" not in err


def test_a_log_that_cannot_be_judged_is_one_line(run, places, tmp_path):
    world, log = places
    other = synthetic(7, domain="social").save(tmp_path / "other")
    for arguments, words in (
        (("--since", "2022-04-30"), "only with --log LOG"),
        (("--log", log, "--since", "2022-04-30"), "the log has no dates"),
        (("--log", "missing.csv", "--since", "ms:soon"), "a whole number"),
        (("--png", tmp_path / "x.png"), "has no figures to draw"),
    ):
        code, _, err = run("card", world, *arguments)
        assert (code, err.count("\n")) == (2, 1)
        assert words in err
    code, _, err = run("card", other, "--log", log)
    assert (code, err.count("\n")) == (2, 1)
    assert "the log's items are not those that world synthetic-7 was fitted on" in err
