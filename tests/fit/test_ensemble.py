"""Bootstrap worlds and training periods of a fit, and environments of an ensemble."""

import shutil
from dataclasses import replace

import gymnasium
import numpy as np
import pytest

from recgym.cli.main import main
from recgym.envs.world_lookup import load_world
from recgym.fit import FitConfig, fit
from recgym.fit.dataset import make_dataset
from recgym.fit.recipe_pairs import bootstrap_weights
from recgym.fit.temporal_split import periods
from recgym.logs import read_log
from recgym.logs.sample import sample_log
from recgym.logs.splits import TEST, TRAIN, UNUSED, VALIDATION
from recgym.sim.synthetic import synthetic
from recgym.sim.world import World

DAYS = [f"2022-04-{day:02d}" for day in np.repeat(np.arange(1, 11), 10)]  # ten days of ten visits


@pytest.fixture(scope="module")
def log():
    world = synthetic(2, domain="content", num_users=30, num_items=12, num_factors=2)
    return sample_log(world, "random", 400, seed=3, horizon=5)


@pytest.fixture
def small_search(monkeypatch):
    """One or two ridges to choose from: members do not depend on how many are tried."""
    monkeypatch.setattr("recgym.fit.baseline_guard.ID_RIDGES", (10.0, np.inf))
    monkeypatch.setattr("recgym.fit.event_models.SLOPE_RIDGES", (10.0,))


def count(period):
    return [int((period == code).sum()) for code in (TRAIN, VALIDATION, TEST, UNUSED)]


def test_a_period_is_learnt_from_and_later_days_judge():
    period = periods(DAYS, FitConfig(period=("2022-04-03", "2022-04-08")))
    assert count(period) == [45, 5, 30, 20]
    assert (period[:20] == UNUSED).all()
    assert (period[70:] == TEST).all()
    assert count(periods(DAYS, FitConfig(period=(None, "2022-04-10")))) == [81, 9, 10, 0]


def test_a_period_up_to_the_end_is_judged_on_its_own_last_tenth():
    period = periods(DAYS, FitConfig(period=("2022-04-06", None)))
    assert count(period) == [40, 5, 5, 50]
    assert (period[-5:] == TEST).all()


@pytest.mark.parametrize(
    ("period", "words"),
    [
        (("2022-04-31", None), "period holds '2022-04-31', expected a day"),
        (("2022-04-05", "2022-04-05"), "period is 2022-04-05:2022-04-05: it must end after its first day"),
    ],
)
def test_a_wrong_period_is_refused(period, words):
    with pytest.raises(ValueError, match=words):
        FitConfig(period=period)


def test_a_period_that_the_log_cannot_have():
    with pytest.raises(ValueError, match="period 2023-01-01:: the log has 2022-04-01 to 2022-04-10"):
        periods(DAYS, FitConfig(period=("2023-01-01", None)))
    with pytest.raises(ValueError, match="the log has no dates"):
        periods(np.arange(50.0), FitConfig(period=("2023-01-01", None)))


def test_days_are_refused_for_a_log_of_pairs(tmp_path):
    rows = "".join(f"{k % 7},{k % 5},{1_600_000_000 + 90_000 * k}\n" for k in range(30))
    (tmp_path / "t.csv").write_text("user,item,time\n" + rows)
    log = read_log(tmp_path / "t.csv", domain="social")
    for name in ("period", "split"):
        days = {"split": None, name: ("2020-09-15", "2020-09-20")}
        with pytest.raises(ValueError, match=f"{name}: the log shows pairs of users and items"):
            fit(log, name="pairs", config=FitConfig(**days), progress=False)


@pytest.mark.parametrize("first", [None, "2022-04-03"])
def test_a_period_without_later_days_is_refused(first):
    named = f"period {first or ''}:2022-04-11: the log has 2022-04-01 to 2022-04-10, and no day from 2022-04-11 on"
    with pytest.raises(ValueError, match=named):
        periods(DAYS, FitConfig(period=(first, "2022-04-11")))
    assert count(periods(DAYS, FitConfig(period=(first, "2022-04-10"))))[2:] == [10, 20 if first else 0]


def test_a_bootstrap_draws_whole_visits_with_replacement_and_leaves_the_test(log):
    plain = make_dataset(log, FitConfig(), positives_only=False)
    drawn = make_dataset(log, FitConfig(resample=1), positives_only=False)
    assert count(drawn.period) == count(plain.period)
    assert len(drawn.item) == drawn.lengths.sum() == len(drawn.watch)

    def visits(frame, *which):
        rows = zip(frame.user.tolist(), frame.item.tolist(), frame.positive.tolist(), strict=True)
        cells = list(rows)
        return [
            tuple(cells[s : s + n])
            for s, n in zip(frame.starts[list(which)], frame.lengths[list(which)], strict=True)
        ]

    kept, there = visits(drawn, *drawn.sessions(TRAIN)), visits(plain, *plain.sessions(TRAIN))
    assert set(kept) <= set(there)
    share = len(set(kept)) / len(set(there))
    assert share == pytest.approx(1 - np.exp(-1), abs=0.08)  # of visits that a bootstrap holds (Efron, 1979)
    assert visits(drawn, *drawn.sessions(TEST)) == visits(plain, *plain.sessions(TEST))
    np.testing.assert_array_equal(drawn.items.category, plain.items.category)
    again = make_dataset(log, FitConfig(resample=1), positives_only=False)
    other = make_dataset(log, FitConfig(resample=2), positives_only=False)
    np.testing.assert_array_equal(drawn.item, again.item)
    assert not np.array_equal(drawn.item[:100], other.item[:100])


@pytest.mark.slow
def test_members_share_the_indices_and_differ_in_the_numbers(log, small_search):
    worlds = [
        fit(log, name="w", config=FitConfig(dim=2, epochs=1, bootstrap=20, resample=seed), progress=False)
        for seed in (None, 1, 2)
    ]
    for world in worlds[1:]:
        np.testing.assert_array_equal(world.arrays.category, worlds[0].arrays.category)
        np.testing.assert_array_equal(world.arrays.duration, worlds[0].arrays.duration)
        assert world.num_users == worlds[0].num_users
    biases = [world.arrays.item_bias for world in worlds]
    assert np.corrcoef(biases)[0, 1] > 0.5
    assert not np.array_equal(biases[1], biases[2])


def test_members_of_pairs_count_each_pair_by_a_poisson_number():
    counts = bootstrap_weights(200_000, 1)
    shares = np.bincount(counts)[:4] / len(counts)
    np.testing.assert_allclose(shares, np.exp(-1) / np.array([1, 1, 2, 6]), atol=0.005)
    assert (bootstrap_weights(10, None) == 1).all()
    shown = sample_log(
        synthetic(3, domain="social", num_users=60, num_items=20), "random", 600, seed=1, horizon=8
    )
    liked = replace(shown, rows=shown.rows.filter(shown.column("listen").astype(bool)))
    config = FitConfig(dim=4, epochs=2, bootstrap=20, min_listeners=1)
    worlds = [
        fit(liked, name="w", config=replace(config, resample=seed), progress=False)
        for seed in (None, 1, 1, 2)
    ]
    factors = [world.arrays.factors for world in worlds]
    assert len({world.num_items for world in worlds}) == 1
    np.testing.assert_array_equal(factors[1], factors[2])
    assert not np.array_equal(factors[0], factors[1])
    assert not np.array_equal(factors[1], factors[3])


@pytest.mark.slow
def test_the_command_makes_members_and_an_environment_takes_one(
    log, tmp_path, capsys, monkeypatch, small_search
):
    log.write(tmp_path / "log")
    monkeypatch.chdir(tmp_path)
    for members, replaced in (
        ("2", []),
        ("1", ["--replace"]),
    ):  # the second fit leaves no member of the first
        with pytest.raises(SystemExit) as end:
            main(["fit", "log", "--out", "mine", "--planning", "0", "--ensemble", members, *replaced])
        assert end.value.code == 0
    assert [folder.name for folder in (tmp_path / "mine" / "members").iterdir()] == ["1"]
    assert load_world("mine", 1).sha256 != load_world("mine").sha256
    env = gymnasium.make("recgym/Content-v1", world="mine", member=1)
    assert env.unwrapped.privileged().world.sha256 == load_world("mine", 1).drawn().sha256
    with pytest.raises(ValueError, match=r"member is 2, world 'mine' has 1$"):
        gymnasium.make("recgym/Content-v1", world="mine", member=2)
    with pytest.raises(
        ValueError, match="world 'content-2' has no members; recgym fit --ensemble 5 makes some"
    ):
        gymnasium.make("recgym/Content-v1", member=1)
    with pytest.raises(ValueError, match="member is 0, expected a whole number of at least 1"):
        gymnasium.make("recgym/Content-v1", world="mine", member=0)
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main(["fit", "log", "--out", "other", "--period", "2022"])
    assert end.value.code == 2
    assert "--period '2022': expected FROM:TO" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_a_world_is_replaced_only_with_replace(tmp_path, capsys, monkeypatch):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "world.json").write_text("kept")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(["fit", "sample", "--out", "mine"])
    assert end.value.code == 2
    assert (
        capsys.readouterr().err
        == "recgym: --out mine: holds a world; name another folder, or say --replace\n"
    )
    assert (tmp_path / "mine" / "world.json").read_text() == "kept"


class Stopped(Exception):
    """Raised in place of Ctrl-C or a power cut."""


@pytest.mark.parametrize("stage", ["first", "member", "planning"])
def test_a_stopped_fit_resumes_from_its_finished_members(log, tmp_path, capsys, monkeypatch, stage):
    log.write(tmp_path / "log")
    monkeypatch.chdir(tmp_path)
    fitted = []

    def quick(read, name, config, **rest):
        if len(fitted) == {"first": 0, "member": 2}.get(stage, -1):
            raise Stopped
        fitted.append(name)
        return synthetic(int(config.resample or 0), domain="content").with_card(name=name)

    def worth(world, begun, users, seed, terms):
        if stage == "planning":
            raise Stopped
        return {"oracle": 1.0, "oracle_plan": 1.0, "difference": 0.0, "low": 0.0, "high": 0.0, "sessions": users,
                "is_bandit": True}  # fmt: skip

    monkeypatch.setattr("recgym.fit.fit", quick)
    monkeypatch.setattr("recgym.cli.worlds._planning", worth)
    words = ["fit", "log", "--ensemble", "2", "--planning", "9"]
    with pytest.raises(Stopped):
        main([*words, "--out", "mine"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log"] + ["mine"] * (stage != "first")
    if stage != "first":
        assert (
            World.load("mine").card["unfinished"]["left"] == ["ensemble", "planning"][stage == "planning" :]
        )
        assert (tmp_path / "mine" / "members").is_dir() == (stage == "planning")
        with pytest.raises(SystemExit):
            main(["fit", "log", "--planning", "9", "--out", "mine"])  # another command
        assert "holds a world; name another folder, or say --replace" in capsys.readouterr().err
    before, stage = len(fitted), ""
    with pytest.raises(SystemExit) as end:
        main([*words, "--out", "mine"])
    assert end.value.code == 0, capsys.readouterr().err
    assert len(fitted) - before == {0: 3, 2: 2, 3: 0}[before]
    (tmp_path / "again").mkdir()  # an empty folder may be written to
    monkeypatch.chdir(tmp_path / "again")
    with pytest.raises(SystemExit):
        main([*words[:1], "../log", *words[2:], "--out", "mine"])
    for file in ("world.json", "SHA256SUMS", "members/1/world.json", "members/2/SHA256SUMS"):
        assert (tmp_path / "mine" / file).read_bytes() == (tmp_path / "again" / "mine" / file).read_bytes()
    assert "unfinished" not in World.load("mine").card


@pytest.mark.parametrize("options", [[], ["--ensemble", "1"], ["--terms"]])
def test_a_stopped_estimate_of_planning_goes_on(log, tmp_path, capsys, monkeypatch, options):
    log.write(tmp_path / "log")
    monkeypatch.setattr("recgym.fit.fit", lambda *args, **rest: synthetic(2, domain="content"))
    played = []

    def returns(env_id, world, seed, first, count, simulations, report):
        if len(played) == stop:
            raise Stopped
        played.append(first)
        return np.random.default_rng([len(world.sha256), first]).exponential(9.0, (2, count)) ** 3

    monkeypatch.setattr("recgym.bench.planning._returns", returns)
    monkeypatch.setattr("recgym.bench.planning._with_session_length", lambda world, *_: world)
    monkeypatch.setattr("recgym.bench.planning.session_length", lambda *_: 5.0)
    files = []
    for stops in ([None], [3, 5, 5, 9, None] if options == ["--terms"] else [1, 3, 3, None]):
        folder = tmp_path / f"of {len(stops)}"
        folder.mkdir()
        monkeypatch.chdir(folder)
        played.clear()
        for stop in stops:
            with pytest.raises(SystemExit if stop is None else Stopped):
                main(["fit", "../log", "--planning", "150", "--out", "mine", *options])
            if stop is not None:
                assert World.load("mine").card["unfinished"]["left"] == ["planning"]
        files.append(
            [list(played), *((folder / "mine" / name).read_bytes() for name in ("world.json", "SHA256SUMS"))]
        )
        said = capsys.readouterr().err
    assert files[0] == files[1]
    assert len(files[0][0]) >= 5
    assert "mine: fitted already; now its planning, of which 96 sessions are played\n" in said
    assert "unfinished" not in World.load("mine").card


def test_a_stopped_fit_does_not_go_on_with_another_log(log, tmp_path, capsys, monkeypatch):
    log.write(tmp_path / "log")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("recgym.fit.fit", lambda *args, **rest: synthetic(1, domain="content"))
    monkeypatch.setattr("recgym.cli.worlds._planning", lambda *args: (_ for _ in ()).throw(Stopped))
    with pytest.raises(Stopped):
        main(["fit", "log", "--out", "mine"])
    shutil.rmtree(tmp_path / "log")
    sample_log(synthetic(4, domain="content"), "random", 20, seed=3, horizon=5).write(tmp_path / "log")
    with pytest.raises(SystemExit):
        main(["fit", "log", "--out", "mine"])
    assert "--out mine: holds a world begun with another log" in capsys.readouterr().err
