"""Hyperparameter search: an objective with a known optimum, resumption, refusals."""

import json
from dataclasses import fields

import numpy as np
import pytest
import torch

from agents import AGENTS, agent_class
from recgym.bench import tuning
from recgym.bench.experiment import ENTROPY, EVALUATE, Entry, Experiment, Run
from recgym.bench.search_spaces import SPACES, SearchRange, parse_space, space_of
from recgym.bench.tuning import HOLDOUT_ENTROPY, SEARCH_ENTROPY, SearchPlan, check_plan, tune
from recgym.bench.tuning_picture import draw_trials

SPACE = {"scale": SearchRange(0.01, 10.0, log=True), "fresh": (True, False)}


def plan(**changes):
    experiment = Experiment(
        name="tune", env_id="recgym/Ecommerce-v1", kwargs={"n_items": 6}, env_steps=200, eval_sessions=20
    )
    return SearchPlan(**{"agent": "ucb1", "experiment": experiment, "space": SPACE, "trials": 14, **changes})


@pytest.fixture
def surface(monkeypatch):
    """Returns that are largest at scale .1 without `fresh`; counts the trained settings."""
    calls = []

    def returns(plan, chosen, number, entropy):
        calls.append((number, entropy))
        rng = np.random.default_rng([number, entropy])
        height = -abs(np.log(chosen["scale"] / 0.1)) - 2.0 * chosen["fresh"]
        return height + 0.01 * rng.normal(size=20)

    monkeypatch.setattr(tuning, "_returns", returns)
    return calls


def test_the_search_finds_the_best_settings(surface, tmp_path):
    summary = tune(plan(trials=40), tmp_path / "search")
    best = summary["best_params"]
    assert not best["fresh"]
    assert 0.05 < best["scale"] < 0.2
    trials = summary["trials"]
    assert trials[0]["params"] == {"scale": 1.0, "fresh": True}  # the agent's own
    assert any(trial["state"] == "pruned" for trial in trials)
    gain = summary["gain_over_first"]
    assert gain["low"] > 3.0
    assert {entropy for _, entropy in surface} == {SEARCH_ENTROPY, HOLDOUT_ENTROPY}
    assert json.loads((tmp_path / "search" / "tuning.json").read_text()) == json.loads(json.dumps(summary))


@pytest.mark.parametrize("seed", range(3))
def test_the_first_trials_cover_every_part_of_the_space(surface, tmp_path, seed):
    """Of nine independent draws of a switch, eight or nine were the same in 4 % of the searches."""
    space = {**SPACE, "share": (0, 1, 2)}
    space |= {"count": SearchRange(1, 9, whole=True), "width": SearchRange(-1.0, 2.0)}
    found = [tuning._start(plan(space=space, seed=seed), number) for number in range(1, tuning.START_TRIALS)]
    assert sorted(int(3.0 * (np.log10(trial["scale"]) + 2.0)) for trial in found) == list(range(9))
    assert sorted(int(3.0 * (trial["width"] + 1.0)) for trial in found) == list(range(9))
    assert sorted(trial["count"] for trial in found) == list(range(1, 10))
    assert sorted(trial["share"] for trial in found) == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert sum(trial["fresh"] for trial in found) in (4, 5)
    trials = tune(plan(seed=seed), tmp_path / "search")["trials"]
    assert sum(trial["params"]["fresh"] for trial in trials[1:10]) in (4, 5)


@pytest.mark.parametrize("stop", [1, 5, 23])
def test_a_search_that_was_cut_off_ends_as_it_would_have(surface, tmp_path, monkeypatch, stop):
    whole = tune(plan(), tmp_path / "whole")
    done, own = [], tuning._returns

    def cut(*arguments):
        done.append(arguments)
        if len(done) == stop:
            raise KeyboardInterrupt
        return own(*arguments)

    monkeypatch.setattr(tuning, "_returns", cut)
    with pytest.raises(KeyboardInterrupt):
        tune(plan(), tmp_path / "cut")
    assert not (tmp_path / "cut" / "tuning.json").exists()
    resumed = tune(plan(), tmp_path / "cut")
    assert resumed["trials"] == whole["trials"]
    assert resumed["best_params"] == whole["best_params"]


def test_a_longer_search_starts_with_the_shorter_one(surface, tmp_path):
    short = tune(plan(), tmp_path / "search")
    longer = tune(plan(trials=16), tmp_path / "search")
    both = zip(longer["trials"], short["trials"], strict=False)  # the finalists may be others
    assert all(a["params"] == b["params"] and a["returns"][:3] == b["returns"][:3] for a, b in both)
    assert len(longer["trials"]) == 16


def test_settings_that_exclude_one_another_are_a_failed_trial(tmp_path, monkeypatch):
    def returns(plan, chosen, number, entropy):
        if chosen["fresh"]:
            raise ValueError("fresh needs another scale")
        return np.full(20, chosen["scale"])

    monkeypatch.setattr(tuning, "_returns", returns)
    summary = tune(plan(trials=8), tmp_path / "search")
    assert summary["trials"][0]["state"] == "failed"
    assert summary["trials"][0]["error"] == "fresh needs another scale"
    assert summary["gain_over_first"] is None
    monkeypatch.setattr(tuning, "_returns", lambda *_: returns(None, {"fresh": True}, 0, 0))
    with pytest.raises(ValueError, match="no trial was completed: fresh needs another scale"):
        tune(plan(trials=2), tmp_path / "none")


def test_trials_share_users_with_no_table():
    entry, experiment = Entry(agent="ucb1"), plan().experiment
    seeds = {Run(experiment=experiment, entry=entry, run=0, entropy=e).seed(EVALUATE)
             for e in (SEARCH_ENTROPY, HOLDOUT_ENTROPY, ENTROPY)}  # fmt: skip
    assert len(seeds) == 3


@pytest.mark.slow
def test_an_agent_is_searched_in_its_environment(tmp_path):
    summary = tune(plan(trials=4, seeds=2), tmp_path / "search")
    assert len({trial["value"] for trial in summary["trials"]}) > 1
    draw_trials(summary, tmp_path / "trials.png")
    first = (tmp_path / "trials.png").read_bytes()
    draw_trials(summary, tmp_path / "trials.png")
    assert (tmp_path / "trials.png").read_bytes() == first[: len(first)]


@pytest.mark.parametrize("agent", SPACES)
def test_spaces_are_of_parameters_that_their_agents_take(agent):
    check_plan(plan(agent=agent, space=space_of(agent)))


def test_every_agent_with_parameters_has_a_space():
    own = {row.name for row in AGENTS if row.family != "references" and fields(agent_class(row.name).config)}
    assert own == set(SPACES)


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({}, "the search space has no parameter"),
        ({"scale": 3}, "scale is 3, expected a list of values or low, high, log, whole"),
        ({"scale": []}, "expected a list of values or low, high"),
        ({"scale": {"low": 1}}, "expected a list of values or low, high"),
        ({"scale": {"low": 1, "high": 1}}, "expected low < high, above 0 where log is true"),
        ({"scale": {"low": 0, "high": 1, "log": True}}, "above 0 where log is true"),
        ({"scale": {"low": "a", "high": 1}}, "expected low < high"),
        ({"scale": {"low": 0.5, "high": 3, "whole": True}}, "expected whole numbers"),
        ({"scale": {"low": 0, "high": float("inf")}}, "expected low < high"),
    ],
)
def test_wrong_spaces_name_the_parameter(about, message):
    with pytest.raises(ValueError, match=message):
        parse_space(about)


def test_plans_that_do_not_fit_are_refused(surface, tmp_path):
    with pytest.raises(ValueError, match="search space: agent ucb1 has no parameter 'alpha'"):
        check_plan(plan(space={"alpha": (1, 2)}))
    with pytest.raises(ValueError, match="search space: scale is -1"):
        check_plan(plan(space={"scale": SearchRange(-1, 2)}))
    with pytest.raises(ValueError, match="scale: both searched and fixed by --params"):
        check_plan(plan(params={"scale": 1.0}))
    with pytest.raises(ValueError, match="agent random has no search space; there are"):
        space_of("random")
    tune(plan(trials=2), tmp_path / "search")
    with pytest.raises(ValueError, match="holds a search with another --seeds; name another folder"):
        tune(plan(trials=2, seeds=1), tmp_path / "search")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="exists and holds no search; name another folder"):
        tune(plan(trials=2), tmp_path / "other")


def test_trials_run_on_one_thread_as_runs_do(tmp_path, monkeypatch):
    """Two threads of a small network wait for each other on a busy machine."""
    seen = []
    kind = agent_class("deep-cf")
    prepare = kind.prepare

    def counting(self, *args, **kwargs):
        seen.append(torch.get_num_threads())
        return prepare(self, *args, **kwargs)

    monkeypatch.setattr(kind, "prepare", counting)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        tune(plan(agent="deep-cf", trials=1, space={"epochs": (1, 2)}), tmp_path / "search")
        assert (set(seen), torch.get_num_threads()) == ({1}, 3)
    finally:
        torch.set_num_threads(before)


def lucky(monkeypatch, cut=None):
    """Settings without `fresh` earn 1 on average, others 0; on the seeds of the trials one of the others earns 2."""
    calls, own = [], {"share": (0, 1, 2, 3), "fresh": (True, False)}

    def returns(plan, chosen, number, entropy):
        if len(calls) == cut:
            raise KeyboardInterrupt
        calls.append((chosen["share"], chosen["fresh"], number, entropy))
        is_lucky = chosen["share"] == 2 and chosen["fresh"] and number < plan.seeds
        return np.full(20, 2.0 if is_lucky and entropy == SEARCH_ENTROPY else 1.0 - chosen["fresh"])

    monkeypatch.setattr(tuning, "_returns", returns)
    return calls, plan(space=own, params={}, seeds=2, trials=12)


def test_a_lucky_trial_is_not_the_best(monkeypatch, tmp_path):
    monkeypatch.setattr(tuning, "check_plan", lambda plan: None)
    monkeypatch.setattr(tuning, "settings_of", lambda *_: {"share": 0, "fresh": True})
    calls, searched = lucky(monkeypatch)
    summary = tune(searched, tmp_path / "search")
    trials = summary["trials"]
    leading = max(
        (trial for trial in trials if len(trial["returns"]) >= 2),
        key=lambda trial: np.mean(trial["returns"][:2]),
    )
    assert leading["params"] == {"share": 2, "fresh": True}
    assert leading["returns"] == (2.0, 2.0, 0.0, 0.0, 0.0, 0.0)
    assert not summary["best_params"]["fresh"]
    assert trials[0]["params"] == {"share": 0, "fresh": True}
    assert len(trials[0]["returns"]) == 6
    assert sum(len(trial["returns"]) == 6 for trial in trials) == 4
    assert summary["gain_over_first"]["mean"] == 1.0
    finals = [each for each in calls if each[2] >= 2]
    assert {entropy for *_, entropy in finals} == {SEARCH_ENTROPY}
    assert len(finals) == 4 * 4


@pytest.mark.parametrize("left", [1, 7, 17])
def test_finals_that_were_cut_off_go_on(monkeypatch, tmp_path, left):
    monkeypatch.setattr(tuning, "check_plan", lambda plan: None)
    monkeypatch.setattr(tuning, "settings_of", lambda *_: {"share": 0, "fresh": True})
    calls, searched = lucky(monkeypatch)
    whole = tune(searched, tmp_path / "whole")
    first, _ = lucky(monkeypatch, cut=len(calls) - left)
    with pytest.raises(KeyboardInterrupt):
        tune(searched, tmp_path / "cut")
    rest, _ = lucky(monkeypatch)
    again = tune(searched, tmp_path / "cut")
    assert {**again, "git": None} == {**whole, "git": None}
    assert len(first) + len(rest) == len(calls) + (left < 5) * (4 - left)  # the comparison is made whole
