"""Fits of logs of known truth are no worse than a baseline; the card says which terms the log identifies."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from card_figures import by_id
from click_logs import click_log
from visit_tables import fitted, log_with_friends, visits

from recgym.fidelity import judge_since
from recgym.fidelity.card import worse_than_baselines
from recgym.fidelity.metric_table import LOG_LOSS
from recgym.fidelity.pair_metrics import PairEvaluation
from recgym.fit import FitConfig, fit, recipe_impressions
from recgym.fit.baseline_guard import beats, best_share
from recgym.fit.dataset import seen_before
from recgym.fit.training_loop import Budget, schedule_of, step_rows
from recgym.logs import Log
from recgym.logs.splits import split_since

MARGIN = 0.01  # nats


def losses(world) -> dict[str, tuple[float, float]]:
    """The world's and the best baseline's of every log-loss on its card."""
    rows = by_id(world.card).items()
    return {name: (row.world, row.baseline) for name, row in rows if row.metric.kind == LOG_LOSS}


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


def test_a_world_has_the_kept_share_of_trained_terms(monkeypatch):
    seen = []
    monkeypatch.setattr("recgym.fit.response_calibration.best_share", lambda *rest: 0.5)
    original = recipe_impressions.fit_response

    def recorded(*rest):
        seen.append(original(*rest))
        return seen[-1]

    monkeypatch.setattr(recipe_impressions, "fit_response", recorded)
    frame = visits(1_000, 20, seed=9).assign(click=np.arange(1_000) % 3 == 0)
    world = fitted(frame, "content", epochs=2, dynamics=False)  # a streak would take the towers' place
    ((response, _),) = seen
    values = world.params
    for name in ("kappa", "rho"):
        trained = float(response.model.number(name).detach())
        assert trained != 0.0
        assert values[name] == pytest.approx(response.scale * 0.5 * trained, rel=1e-5)


def test_seen_before_equals_a_loop():
    rng = np.random.default_rng(0)
    session, item = np.repeat(np.arange(20), 8), rng.integers(5, size=160)
    positive = rng.random(160) < 0.5
    looped = [
        any(positive[s] and item[s] == item[r] and session[s] == session[r] for s in range(r))
        for r in range(160)
    ]
    np.testing.assert_array_equal(seen_before(session, item, positive), looped)


@pytest.mark.slow
def test_another_seed_trains_other_vectors_where_users_have_tastes():
    log = replace(log_with_friends(100), friends=None)
    worlds = [
        fit(log, name="w", config=FitConfig(bootstrap=20, epochs=6), seed=seed, progress=False)
        for seed in (0, 1)
    ]
    assert all(world.card["kept"] > 0 for world in worlds)
    assert worlds[0].sha256 != worlds[1].sha256


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
    assert rows["transitions"]["status"] == "fitted"
    for name in ("push", "pull"):
        assert rows[name]["source"] == "did not improve validation over transitions"


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
    assert f"5 of {len(later):,} rows left out: their items have no row in the world" in judged
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
    *said, last = err.splitlines()
    assert f"wrote {tmp_path / 'good'}" in said
    # every visit of the log has five clicks: it does not say when users leave
    assert last.startswith("Its visits are unlike the log's: ")
    assert last.endswith("When users leave is assumed.")
    bad = FitConfig(epochs=1, start="zero", guard=None, learning_rate=0.0)
    monkeypatch.setattr("recgym.cli.worlds.settings_of", lambda *rest: bad)
    code, out, err = run(*words, "--out", tmp_path / "bad")
    assert code == 0
    said = err.splitlines()[-1]
    assert said.startswith("On its own log this world loses to a baseline: the clicked item on its page ")
    assert out.splitlines()[0].strip("*") == said
