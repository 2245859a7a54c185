"""A separate test of randomised exposure: matched to the world, judged against the truth, and named on the card."""

import json
import re

import numpy as np
import pytest
from biased_logs import biased_log
from refusals import refused
from sklearn.metrics import log_loss, roc_auc_score

from recgym.cli import fit_options
from recgym.fidelity import with_randomised_test
from recgym.fidelity.card import card_markdown, worse_than_baselines
from recgym.fit import FitConfig
from recgym.fit.api import with_ids
from recgym.fit.dataset import make_dataset
from recgym.logs import read_log
from recgym.logs.fingerprint import identity
from recgym.sim.synthetic import synthetic

IN_VISIT, ALONE = "given the visit's earlier responses", "without them"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return biased_log(tmp_path_factory.mktemp("biased"), 1, users=80, items=60, shown=12, asked=10)


@pytest.fixture(scope="module")
def world(files):
    """A world of the log's users and items whose responses are those of the truth."""
    log = read_log(files.log, domain="content")
    data = make_dataset(log, FitConfig(), positives_only=False)
    users, items = (
        np.array(table["id"].to_pylist())[rows].astype(int)
        for table, rows in ((log.users, data.user_row), (log.items, data.item_row))
    )
    own = synthetic(1, domain="content", num_users=len(users), num_items=len(items), num_factors=len(items))
    x = np.log(files.chance / (1 - files.chance))[np.ix_(users, items)]
    zero = dict.fromkeys(("sigma", "mood", "kappa", "rho", "theta", "outside", "eta"), 0.0)
    own = own.with_params(**zero).with_arrays(
        profile=x, factors=np.eye(len(items)), user_bias=0 * own.arrays.user_bias, item_bias=0 * own.arrays.item_bias,
        context_bias=0 * own.arrays.context_bias, push=0 * own.arrays.push,
    )  # fmt: skip
    return with_ids(own.with_card(identity=identity(log, data.user_row, data.item_row)), log)


def figures(world):
    return {row["id"]: row for row in world.card["figures"]}


def test_the_figures_are_those_of_the_truth_on_the_rows_of_the_test(files, world):
    test = read_log(files.test, domain="content")
    judged = with_randomised_test(world, test, resamples=40)
    rows = np.genfromtxt(files.test, delimiter=",", skip_header=1)
    user, item = rows[:, 0].astype(int), rows[:, 1].astype(int)
    found, chance, flag = figures(judged), files.chance[user, item], rows[:, 2]
    for label in (IN_VISIT, ALONE):
        assert found[f"random_auc/click/{label}"]["world"] == pytest.approx(
            roc_auc_score(flag, chance), abs=2e-3
        )
        assert found[f"random_log_loss/click/{label}"]["world"] == pytest.approx(
            log_loss(flag, chance), abs=2e-3
        )
        slope = found[f"random_calibration_slope/click/{label}"]
        assert slope["low"] < 1.0 < slope["high"]
        assert found[f"random_calibration_error/click/{label}"]["n"] == len(rows)
    line = judged.card["validated"]
    assert line.startswith(
        "off-policy behaviour validated on randomised exposure, 800 rows of 80 users: click: log-loss"
    )
    auc = found[f"random_auc/click/{IN_VISIT}"]
    assert f"AUC {auc['world']:.3f} [{auc['low']:.3f}, {auc['high']:.3f}]" in line
    assert f"* validated: {line}" in card_markdown(judged)
    again = with_randomised_test(judged, test, resamples=40)
    assert again.card == judged.card


def test_figures_of_the_own_test_visits_are_named_beside(files, world):
    own = {"id": "auc/click", "figure": "AUC of click", "judges": "users", "log": None, "world": 0.7, "toy": None,
           "low": 0.6, "high": 0.8, "noise": None, "toy_name": "", "n": 9}  # fmt: skip
    judged = with_randomised_test(
        world.with_card(figures=[own]), read_log(files.test, domain="content"), resamples=20
    )
    assert re.search(
        r"AUC \.?0?.\d+ \[.*\] \(own test visits 0\.700 \[0\.600, 0\.800\]\)", judged.card["validated"]
    )


def test_unknown_users_and_items_are_counted_in_a_remark(files, world, tmp_path):
    lines = files.test.read_text().splitlines()
    more = ["9999,1,1,0.1", "9999,2,0,0.1", "3,8888,0,0.1"]
    (tmp_path / "t.csv").write_text("\n".join([*lines, *more]) + "\n")
    judged = with_randomised_test(world, read_log(tmp_path / "t.csv", domain="content"), resamples=20)
    said = "; ".join(judged.card["judged"])
    assert (
        f"randomised test: 1 of {len(lines) + 2:,} rows left out: their items have no row in the world"
        in said
    )
    assert "randomised test: 1 visits of users that the world does not know" in said
    assert figures(judged)[f"random_auc/click/{ALONE}"]["n"] == 802


def test_rows_of_an_unknown_user_in_several_visits_are_one_unit(world, tmp_path):
    rng, lines = np.random.default_rng(0), ["user,item,click,session"]
    for user in range(210):  # whose rows are all alike
        flag = int(rng.random() < 0.5)
        lines += [f"new{user},{(user + k) % 60},{flag},{user}-{k}" for k in range(8)]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    judged = with_randomised_test(world, read_log(tmp_path / "t.csv", domain="content"), resamples=200)
    rate = figures(judged)[f"random_rate/click/{ALONE}"]
    assert rate["high"] - rate["low"] == pytest.approx(2 * 1.96 * np.sqrt(0.25 / 210), rel=0.2)
    assert "1,680 rows of 210 users" in judged.card["validated"]


def test_a_baseline_knows_the_users_of_the_log(files, world):
    log, test = (read_log(place, domain="content") for place in (files.log, files.test))
    judged = with_randomised_test(world, test, log, resamples=20)
    row = figures(judged)[f"random_auc/click/{ALONE}"]
    assert row["toy_name"] == "user x item rates"
    assert 0.6 < row["toy"] < row["world"]
    assert list(row["toys"]) == ["constant rate", "item rates", "user x item rates"]
    assert row["toys"]["constant rate"] == pytest.approx(0.5)
    best = figures(judged)[f"random_log_loss/click/{IN_VISIT}"]["toy"]
    assert re.search(
        rf"log-loss \S+ \[.*?\] against {best:.3f} of user x item rates, AUC", judged.card["validated"]
    )


def test_a_world_that_a_constant_rate_beats_is_not_validated(files, world):
    """Without its log the baseline is the constant rate of the other half of the test."""
    test = read_log(files.test, domain="content")
    bad = with_randomised_test(world.with_arrays(profile=-world.arrays.profile), test, resamples=20)
    row = figures(bad)[f"random_log_loss/click/{IN_VISIT}"]
    rate = np.genfromtxt(files.test, delimiter=",", skip_header=1)[:, 2].mean()
    assert row["toy"] == pytest.approx(-rate * np.log(rate) - (1 - rate) * np.log(1 - rate), abs=0.01)
    assert row["world"] > row["toy"] + 0.1
    assert 0.05 < row["behind"] < row["world"] - row["toy"]  # lower end of the paired interval
    against = f"{row['world']:.3f} against {row['toy']:.3f} of constant rate"
    assert bad.card["validated"].startswith(
        "off-policy behaviour not validated: on randomised exposure, 800 rows of 80 users, the log-loss is worse than "
        f"a baseline's (click {against}): click: log-loss "
    )
    said = worse_than_baselines(bad.card)
    assert said.startswith(f"On the randomised test this world loses to a baseline: click, {IN_VISIT} ")
    assert card_markdown(bad).startswith(f"**{said}**")
    good = with_randomised_test(bad.with_arrays(profile=world.arrays.profile), test, resamples=20)
    assert worse_than_baselines(good.card) == ""


def test_a_world_at_another_level_is_not_validated(files, world):
    """It ranks as well as before: no baseline's log-loss is surely lower, and yet it responds too often."""
    test = read_log(files.test, domain="content")
    rate = np.genfromtxt(files.test, delimiter=",", skip_header=1)[:, 2].mean()
    high = with_randomised_test(
        world.with_arrays(user_bias=world.arrays.user_bias + 0.45), test, resamples=40
    )
    row = figures(high)[f"random_rate/click/{IN_VISIT}"]
    assert row["log"] == pytest.approx(rate, abs=1e-5)
    assert row["low"] < rate < row["high"] < row["world"]
    assert worse_than_baselines(high.card) == ""
    said = f"rate of click {row['world']:.3f}, of the test {rate:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
    assert high.card["validated"].startswith(
        "off-policy behaviour not validated: on randomised exposure, 800 rows of 80 users, no baseline's log-loss is "
        f"surely lower, but the level is off ({said}): click: log-loss "
    )


@pytest.mark.parametrize("column", ["propensity", "is_rand"])
def test_exposure_that_is_not_random_validates_nothing(files, world, tmp_path, column):
    head, *lines = files.test.read_text().splitlines()
    if column == "propensity":
        lines = [line.rsplit(",", 1)[0] + f",{0.1 + 0.5 * (k % 2)}" for k, line in enumerate(lines)]
    (tmp_path / "t.csv").write_text("\n".join([head, *lines]) + "\n")
    log = read_log(tmp_path / "t.csv", domain="content")
    if column == "is_rand":
        import dataclasses

        import pyarrow as pa

        flag = pa.array(np.arange(len(log)) % 4 > 0)
        log = dataclasses.replace(log, rows=log.rows.append_column("context_is_rand", flag))
    judged = with_randomised_test(world, log, resamples=20)
    assert judged.card["validated"].startswith(
        "off-policy behaviour not validated: the test that was given has "
    )
    assert ("propensities of 0.1 to 0.6" in judged.card["validated"]) == (column == "propensity")


def test_a_test_that_cannot_judge_is_refused(files, world, tmp_path, run):
    (tmp_path / "t.csv").write_text("user,item\n" + "".join(f"{k},{k}\n" for k in range(30)))
    with pytest.raises(ValueError, match="has no rows without a response"):
        with_randomised_test(world, read_log(tmp_path / "t.csv", domain="content"))
    folder = world.save(tmp_path / "world")
    (tmp_path / "other.csv").write_text(
        "user,item,click\n" + "".join(f"{k},z{k},{k % 2}\n" for k in range(30))
    )
    refused(run("card", folder, "--test", tmp_path / "other.csv"), "the log's items are not those")
    refused(run("card", folder, "--test", tmp_path / "none.csv"), "none.csv")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (("user,item",), "the randomised test has no rows without a response"),
        (("user,item,click", "1,z1,1", "2,z2,0", "3,z3,0"), "shows other items than the log: 3 of 3 rows"),
    ],
)
def test_a_test_that_cannot_judge_is_refused_before_the_fit(files, tmp_path, run, monkeypatch, rows, said):
    rows = rows if len(rows) > 1 else (*rows, "1,1", "2,2")
    (tmp_path / "other.csv").write_text("\n".join(rows) + "\n")
    monkeypatch.setattr("recgym.fit.fit", None)
    options = "--domain", "content", "--test", tmp_path / "other.csv", "--out", tmp_path / "w"
    code, out, err = run("fit", files.log, *options)
    first, *others, refusal = err.splitlines(keepends=True)
    assert first.startswith("log.csv: there are no times")
    alone = ["no column says what users did"] if "click" not in rows[0] else []
    assert [line.partition(",")[0] for line in others] == alone
    refused((code, out, refusal), said)
    assert not (tmp_path / "w").exists()


def test_a_fit_compares_the_test_with_its_log_once(files, world, monkeypatch):
    compared = []
    monkeypatch.setattr(
        "recgym.fidelity.randomised_test.refuse_own_rows", lambda *logs: compared.append(logs)
    )
    log = read_log(files.log, domain="content")
    for before, known in ((1, log), (0, None)):  # by `recgym fit`, by `recgym card --log`
        judge = fit_options.test_of([files.test], None, "content", None, {}, known)
        assert len(compared) == before
        assert figures(judge(world, log, 0)).keys() >= {"random_auc/click/" + IN_VISIT}
        assert len(compared) == 1
        compared.clear()


def test_the_command_line_reads_the_test_as_the_log(files, world, tmp_path, run):
    folder = world.save(tmp_path / "world")
    text = files.test.read_text().replace("user,item,click", "who,what,clicked", 1)
    (tmp_path / "t.csv").write_text(text)
    columns = "user=who,item=what,click=clicked,propensity=propensity"
    code, out, err = run("card", folder, "--test", tmp_path / "t.csv", "--map", columns, "--json")
    assert code == 0, err
    about = json.loads(out)
    assert about["validated"].startswith("off-policy behaviour validated on randomised exposure")
    assert {row["id"].split("/")[0] for row in about["figures"]} == {
        "random_rate", "random_log_loss", "random_auc", "random_calibration_error", "random_calibration_slope",
    }  # fmt: skip
