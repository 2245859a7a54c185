"""Fits of logs of known truth are no worse than a baseline; the card says which terms the log identifies."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from card_figures import by_id
from click_logs import click_log

from recgym.fidelity import judge_since
from recgym.fidelity.card import card_markdown, worse_than_baselines
from recgym.fidelity.leaving_metrics import MEASURES, survival
from recgym.fidelity.metric_table import LOG_LOSS
from recgym.fidelity.pair_metrics import PairEvaluation
from recgym.fit import FitConfig, fit, recipe_impressions
from recgym.fit.baseline_guard import beats, best_share
from recgym.fit.dataset import make_dataset, seen_before
from recgym.fit.exposure_terms import fit_stay, validated
from recgym.fit.training_loop import Budget, schedule_of, step_rows
from recgym.logs import Log
from recgym.logs.splits import split_since

pytestmark = pytest.mark.usefixtures("one_thread")
MARGIN = 0.01  # nats


def visits(rows: int, items: int, seed: int, length: int = 5) -> pd.DataFrame:
    """Rows of visits of `length`, items by a share that falls as 1 / rank."""
    rng = np.random.default_rng(seed)
    session = np.repeat(np.arange(rows // length), length)
    share = 1.0 / np.arange(1, items + 1)
    time = 1_600_000_000 + 7200 * session + 30 * np.tile(np.arange(length), rows // length)
    return pd.DataFrame(
        {
            "user": [f"u{u}" for u in rng.integers(50, size=rows // length)[session]],
            "item": [f"i{i}" for i in rng.choice(items, p=share / share.sum(), size=len(session))],
            "session": session,
            "time": pd.to_datetime(time, unit="s"),
        }
    )


def losses(world) -> dict[str, tuple[float, float]]:
    """The world's and the best baseline's of every log-loss on its card."""
    rows = by_id(world.card).items()
    return {name: (row.world, row.baseline) for name, row in rows if row.metric.kind == LOG_LOSS}


def fitted(frame: pd.DataFrame, domain: str, **settings):
    log = Log.from_pandas(frame, domain=domain)
    return fit(log, name="w", config=FitConfig(bootstrap=20, **settings), progress=False)


@pytest.mark.parametrize("rows", [500, 2_765])
@pytest.mark.slow
def test_a_log_of_popularity_alone_is_learnt(rows):
    world = fitted(visits(rows, 40, seed=0), "ecommerce")
    figures = losses(world)
    assert figures["page_log_loss"]
    for name, (ours, baseline) in figures.items():
        assert ours < baseline + MARGIN, name
    assert worse_than_baselines(world.card) == "" or "against" in worse_than_baselines(world.card)


def test_pairs_of_popularity_alone_are_learnt():
    frame = visits(2_000, 60, seed=1).drop(columns=["session", "time"]).drop_duplicates().assign(listen=True)
    ((ours, baseline),) = losses(fitted(frame, "social")).values()
    assert ours < baseline + MARGIN


def test_a_world_that_loses_says_so_first():
    log, _ = click_log(visits=60)
    config = FitConfig(dim=2, epochs=1, start="zero", guard=None, bootstrap=20)
    world = fit(log, name="w", config=config, progress=False)
    row = {
        "id": "log_loss/x",
        "figure": "log-loss of x",
        "judges": "users",
        "log": None,
        "world": 2.5,
        "toy": 2.0,
        "low": None,
    }
    bad = world.with_card(figures=[{**row, "high": None, "noise": None, "toy_name": "popularity", "n": 50}])
    said = "On its own log this world loses to a baseline: x 2.500 nats against 2.000 of popularity"
    assert worse_than_baselines(bad.card) == f"{said} (50 rows, judges the users)"
    assert card_markdown(bad).splitlines()[0] == f"**{worse_than_baselines(bad.card)}**"
    good = world.with_card(figures=[{**bad.card["figures"][0], "world": 2.0004}])
    assert card_markdown(good).splitlines()[0] == "# w (ecommerce)"


def test_a_kept_share_beats_the_baseline_by_standard_errors():
    rng = np.random.default_rng(0)
    baseline, visit = np.full(1_000, 2.0), np.arange(1_000) // 5
    noise, gain = rng.normal(0, 0.5, 1_000), 0.2
    assert not beats(baseline + noise - noise.mean() - 0.01, baseline, visit, 2.0)
    assert beats(baseline + noise - noise.mean() - gain, baseline, visit, 2.0)
    alike = np.repeat(noise[:200], 5)  # rows of a visit are one
    assert beats(baseline + alike - alike.mean() - 0.05, baseline, np.arange(1_000), 2.0)
    assert not beats(baseline + alike - alike.mean() - 0.05, baseline, visit, 2.0)
    best = best_share(lambda share: baseline + (share - 0.5) ** 2 - 0.25 + 0.1 * share * noise, visit, 2.0)
    assert best == 0.5
    assert best_share(lambda share: baseline + share * np.abs(noise), visit, 2.0) == 0.0


def test_training_ends_where_validation_no_longer_improves():
    plan = Budget.of(FitConfig(patience=3, steps=1_000), 10)
    assert plan == Budget(16, 6, 3)
    assert not plan.ends([3.0, 2.0, 2.1, 2.2])
    assert plan.ends([3.0, 2.0, 2.1, 2.2, 2.0])
    fixed = Budget.of(FitConfig(epochs=12), 10)
    assert fixed == Budget(12, 1, None)
    assert not fixed.ends([1.0] * 50)
    rows = [step_rows(FitConfig(), size) for size in (400, 24_000, 300_000, 5_000_000)]
    assert rows == [64, 240, 2048, 5_000]


def test_a_schedule_of_few_steps_has_a_rate_at_each():
    for steps in range(1, 25):
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
        schedule = schedule_of(optimizer, FitConfig(epochs=steps), 1)
        rates = [schedule.get_last_lr()[0]]
        for _ in range(steps - 1):
            optimizer.step()
            schedule.step()
            rates.append(schedule.get_last_lr()[0])
        assert np.isfinite(rates).all()
        assert max(rates) <= 0.1 + 1e-12


def test_quantiles_where_every_visit_is_as_long():
    clock, ended = np.tile(np.arange(1, 16), 30), np.zeros(450)  # 16 rows each, the last cut by the log's end
    lengths = survival(clock, ended, np.ones(450))
    assert {name: measure(lengths) for name, measure in MEASURES.items()} == {
        "mean": 16.0, "median": 16.0, "90th percentile": 16.0, "99th percentile": 16.0,
    }  # fmt: skip
    ended[clock == 15] = 1.0
    assert MEASURES["median"](survival(clock, ended, np.ones(450))) == 15.0


def test_a_card_says_what_the_log_has_of_randomised_exposure():
    log, _ = click_log(visits=60)

    def with_column(name, values):
        place = log.rows.schema.get_field_index(name)
        column = pa.array(values)
        rows = log.rows
        return replace(
            log,
            rows=rows.append_column(name, column) if place < 0 else rows.set_column(place, name, column),
        )

    num = log.num_rows
    assert validated(log).endswith("this log has no propensities and no flag of randomised exposure")
    assert "randomised exposure, uniform propensities of 0.1 on 100%" in validated(
        with_column("propensity", np.full(num, 0.1))
    )
    spread = validated(with_column("propensity", np.linspace(0.1, 0.5, num)))
    assert "randomised exposure, propensities of 0.1 to 0.5" in spread
    assert "a deterministic policy" in validated(with_column("propensity", np.ones(num)))
    assert f"7 of {num} rows that is_rand marks" in validated(with_column("is_rand", np.arange(num) < 7))
    assert "holds ratings, no exposure is logged" in validated(with_column("rating", np.ones(num)))


def ratings() -> pd.DataFrame:
    frame = visits(1_500, 40, seed=3)
    frame["rating"] = np.random.default_rng(4).integers(1, 6, size=len(frame))
    return frame


def test_the_exposure_of_a_table_of_ratings_is_assumed():
    rows = {row["term"]: row for row in fitted(ratings(), "content", epochs=1).card["terms"]}
    assert (rows["exposure"]["status"], rows["exposure"]["value"]) == ("assumed", "share of ratings")
    assert "no impressions are logged" in rows["exposure"]["source"]
    assert rows["logged_stay"]["status"] == "absent"  # one category


MEMORY = ("push", "eta", "pull", "kappa", "decay", "rho")


def card_of_noise(length: int, domain: str, **settings) -> dict[str, dict]:
    """Terms of a log whose responses are independent of users and of earlier steps of the session."""
    frame = visits(900, 20, seed=9, length=length)
    response = "listen" if domain == "social" else "click"
    frame[response] = np.random.default_rng(1).random(len(frame)) < 0.3
    return {row["term"]: row for row in fitted(frame, domain, **settings).card["terms"]}


@pytest.mark.slow
def test_initial_values_are_not_called_fitted():
    rows = card_of_noise(5, "content")
    assert {name: rows[name]["status"] for name in ("profile", "factors", *MEMORY)} == dict.fromkeys(
        ("profile", "factors", *MEMORY), "absent"
    )
    assert rows["push"]["source"] == "did not improve validation over effects of users, items and contexts"
    assert rows["item_bias"]["status"] == "fitted"


@pytest.mark.parametrize("domain", ["content", "social"])
def test_sessions_of_one_row_do_not_identify_memory(domain):
    rows = card_of_noise(1, domain, guard=None, epochs=1)
    assert {rows[name]["status"] for name in ("push", "eta", "pull")} == {"absent"}
    assert (rows["rho"]["status"], rows["rho"]["value"]) == ("assumed", -1.0)
    known = {"content": ("absent", "absent", 0.0), "social": ("assumed", "assumed", -0.1)}[domain]
    assert (rows["kappa"]["status"], rows["decay"]["status"], rows["kappa"]["value"]) == known


def test_a_world_has_the_kept_share_of_trained_terms(monkeypatch):
    seen = []
    monkeypatch.setattr("recgym.fit.response_model.best_share", lambda *rest: 0.5)
    original = recipe_impressions.fit_response

    def recorded(*rest):
        seen.append(original(*rest))
        return seen[-1]

    monkeypatch.setattr(recipe_impressions, "fit_response", recorded)
    frame = visits(1_000, 20, seed=9).assign(click=np.arange(1_000) % 3 == 0)
    world = fitted(frame, "content", epochs=2)
    ((response, _),) = seen
    values = world.params
    for name in ("kappa", "rho"):
        trained = float(response.model.number(name).detach())
        assert trained != 0.0
        assert values[name] == pytest.approx(response.scale * 0.5 * trained, rel=1e-5)


@pytest.mark.slow
def test_a_card_has_no_facts_of_other_logs():
    for domain in ("content", "social", "ecommerce"):
        card = card_markdown(fitted(visits(600, 20, seed=2).assign(**{
            "listen" if domain == "social" else "click": np.arange(600) % 3 == 0
        }), domain, epochs=1))  # fmt: skip
        for words in ("KuaiRand", "74 same-day", "the log's 74", "no log here"):
            assert words not in card, (domain, words)


def test_staying_is_fitted_where_a_log_identifies_it():
    log, _ = click_log(visits=300)
    frame = make_dataset(log, FitConfig(), positives_only=True)
    every = np.ones(log.num_rows, bool)
    assert fit_stay(frame, every) == pytest.approx(0.7, abs=0.06)
    one = replace(frame, items=replace(frame.items, category=np.zeros(18, np.int64), categories=("all",)))
    assert fit_stay(one, every) is None


def test_seen_before_equals_a_loop():
    rng = np.random.default_rng(0)
    session, item = np.repeat(np.arange(20), 8), rng.integers(5, size=160)
    positive = rng.random(160) < 0.5
    looped = [
        any(positive[s] and item[s] == item[r] and session[s] == session[r] for s in range(r))
        for r in range(160)
    ]
    np.testing.assert_array_equal(seen_before(session, item, positive), looped)


def log_with_friends(pairs: int) -> Log:
    """Impressions with and without a listen, of users of two tastes; most friends have the same taste."""
    rng = np.random.default_rng(0)
    user, item = rng.integers(80, size=3_000), rng.integers(30, size=3_000)
    liked = rng.random(3_000) < np.where(user % 2 == item % 2, 0.7, 0.1)
    time = pd.to_datetime(1_600_000_000 + 600 * np.arange(3_000), unit="s")
    frame = pd.DataFrame({"user": [f"{u:02}" for u in user], "item": item, "time": time, "listen": liked})
    log = Log.from_pandas(frame, domain="social")
    ends = rng.integers(80, size=(6 * pairs, 2))
    ends = ends[
        (ends[:, 0] < ends[:, 1]) & ((ends[:, 0] % 2 == ends[:, 1] % 2) | (rng.random(len(ends)) < 0.1))
    ]
    ends = np.unique(ends, axis=0)[:pairs].astype(np.int32)
    return replace(log, friends=pa.table({"user": ends[:, 0], "friend": ends[:, 1]}))


def test_a_social_log_of_impressions_has_a_graph(tmp_path):
    world = fit(log_with_friends(300), name="w", config=FitConfig(bootstrap=20, epochs=4), progress=False)
    assert world.has_graph
    rows = {row["term"]: row for row in world.card["terms"]}
    assert rows["graph"]["status"] == rows["connect_taste"]["status"] == "fitted"
    assert rows["connect_taste"]["value"] > 0
    assert "friends_auc" in by_id(world.card)
    assert len(world.arrays.friend) // 2 == pytest.approx(300, rel=0.05)


@pytest.mark.slow
def test_another_seed_trains_other_vectors_where_users_have_tastes():
    log = replace(log_with_friends(100), friends=None)
    worlds = [
        fit(log, name="w", config=FitConfig(bootstrap=20, epochs=6), seed=seed, progress=False)
        for seed in (0, 1)
    ]
    assert all(world.card["kept"] > 0 for world in worlds)
    assert worlds[0].sha256 != worlds[1].sha256


def test_the_card_counts_friends_that_are_too_few():
    from recgym.sim.friend_requests import most_candidates

    world = fit(log_with_friends(40), name="w", config=FitConfig(bootstrap=20, epochs=1), progress=False)
    assert not world.has_graph
    rows = {row["term"]: row for row in world.card["terms"]}
    assert rows["graph"]["source"] == "40 friend pairs of users with rows; a graph needs 100"
    with pytest.raises(ValueError, match="no graph of friends: 40 friend pairs of users with rows"):
        most_candidates(world)


@pytest.mark.parametrize("longest", [1, 4])
@pytest.mark.slow
def test_short_sessions_end_as_in_the_log(longest):
    frame = visits(1_200, 20, seed=5, length=1)
    if longest > 1:  # 3 or 4 rows
        frame["session"] = np.arange(1_200) // 4
        frame["user"] = [f"u{session % 50}" for session in frame["session"]]
        frame = frame.drop(index=frame.index[3::8]).reset_index(drop=True)
    world = fitted(frame, "ecommerce")
    ours, baseline = losses(world)["log_loss/leaving"]
    assert ours < baseline + MARGIN
    rows = {row["term"]: row["status"] for row in world.card["terms"]}
    assert rows["leave_bias"] == "fitted"
    assert rows["leave_item"] == "absent"
    assert rows["push"] == rows["kappa"] == "absent"  # no item depends on the one before


@pytest.mark.slow
def test_a_chain_of_items_is_learnt():
    """Each item is followed by one other with probability .8, which no few factors represent."""
    rng = np.random.default_rng(0)
    frame, follows = visits(2_400, 30, seed=6, length=8), rng.permutation(30)
    item = rng.integers(30, size=len(frame))
    for row in range(len(frame)):
        if row % 8 and rng.random() < 0.8:
            item[row] = follows[item[row - 1]]
    frame["item"] = [f"i{i:02}" for i in item]
    world = fitted(frame, "ecommerce", steps=240)
    ours, baseline = losses(world)["page_log_loss"]
    assert ours < baseline + MARGIN
    assert baseline < 2.0
    rows = {row["term"]: row for row in world.card["terms"]}
    assert "transition counts" in rows["push"]["source"]
    assert rows["pull"]["status"] == "assumed"


def test_a_log_of_later_days_alone_judges_a_world():
    dated = Log.from_pandas(visits(1_500, 20, seed=7), domain="ecommerce")
    for log in (dated, click_log(visits=300)[0]):  # with and without a clock
        world = fit(log, name="w", config=FitConfig(bootstrap=20, epochs=1), progress=False)
        late = split_since(log, world.card["since"])[1]
        whole, alone = judge_since(world, log, resamples=20), judge_since(world, late, resamples=20)
        name = "page_log_loss"
        ours = [by_id(each.entries())[name] for each in (whole, alone)]
        assert ours[0].world == ours[1].world
        assert (
            "baselines are trained on the other half" in alone.remarks[-1] or "no clock" in alone.remarks[-1]
        )


def test_the_error_of_a_log_of_one_user_names_what_is_missing():
    frame = visits(100, 20, seed=8).assign(user="u", session=0).drop(columns="time")
    with pytest.raises(
        ValueError, match=r"it has 1 visits in all and needs at least 6, .* or a column session"
    ):
        fitted(frame, "ecommerce")
    with pytest.raises(
        ValueError, match="the log has one user; a world of pairs needs users who share items"
    ):
        fitted(frame.drop(columns="session").assign(listen=True), "social")
    few = frame.drop(columns="session").assign(user=[f"u{row % 4}" for row in range(100)], listen=True)
    world = fitted(few, "social", min_listeners=1, steps=60)  # four users without times: pairs are held out
    assert world.num_users == 4
    assert "period" in world.card


def test_a_later_log_with_other_tables_judges_a_world(run, tmp_path):
    frame = visits(1_500, 20, seed=7)
    world = fitted(frame, "ecommerce", steps=60)
    world.save(tmp_path / "w")
    since = pd.to_datetime(int(world.card["since"].removeprefix("ms:")), unit="ms")
    late = frame[frame.time >= since]
    new = late.tail(5).assign(item="a new item", session=10_000)
    new["time"] += pd.Timedelta("1D")
    later = pd.concat([late, new])
    later.to_csv(tmp_path / "later.csv", index=False)
    code, out, err = run("card", tmp_path / "w", "--log", tmp_path / "later.csv", "--json")
    assert code == 0, err
    judged = json.loads(out)["judged"]
    assert any(line.startswith("mapped by the ids of world w") for line in judged)
    assert "5 rows left out: their items have no row in the world" in judged
    name = "page_log_loss"
    whole = Log.from_pandas(pd.concat([frame, new]), domain="ecommerce")
    found = by_id(judge_since(world, whole, resamples=20).entries())[name].world
    assert found == by_id(json.loads(out))[name].world
    assert found == losses(world)[name][0]  # training rows are not judged on


def test_pairs_of_other_tables_are_held_out_as_they_were():
    frame = visits(2_000, 60, seed=1).drop(columns=["session", "time"]).drop_duplicates().assign(listen=True)
    world = fitted(frame, "social", steps=60)
    new = pd.DataFrame({"user": ["a", "u1"], "item": ["a", "a"], "listen": True})
    own, other = (
        PairEvaluation.of(world, Log.from_pandas(part, domain="social"), None, 20, 0)
        for part in (frame, pd.concat([new, frame]))
    )
    for name in ("user", "item", "period"):
        order = [np.lexsort((case.item, case.user)) for case in (own, other)]
        np.testing.assert_array_equal(
            getattr(own, name)[order[0]], getattr(other, name)[order[1]], err_msg=name
        )


@pytest.mark.slow
def test_fit_ends_with_the_baselines_that_a_world_loses_to(run, tmp_path, monkeypatch):
    frame = visits(600, 20, seed=2)
    frame.to_csv(tmp_path / "log.csv", index=False)
    words = ("fit", tmp_path / "log.csv", "--domain", "ecommerce", "--planning", 0)
    code, _, err = run(*words, "--out", tmp_path / "good")
    assert code == 0
    assert err.splitlines()[-1] == f"wrote {tmp_path / 'good'}"
    bad = FitConfig(epochs=1, start="zero", guard=None, learning_rate=0.0)
    monkeypatch.setattr("recgym.cli.worlds.settings_of", lambda *rest: bad)
    code, out, err = run(*words, "--out", tmp_path / "bad")
    assert code == 0
    said = err.splitlines()[-1]
    assert said.startswith("On its own log this world loses to a baseline: the clicked item on its page ")
    assert out.splitlines()[0].strip("*") == said
