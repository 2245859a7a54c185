"""The presets, and their restriction to some environments, agents and seeds."""

import json
from dataclasses import replace

import gymnasium as gym
import pytest
from fake_runs import write_run

from recgym.bench import published_settings, suite
from recgym.bench.experiment import runs_of
from recgym.bench.report import Results
from recgym.bench.table_text import describe_learning


def test_a_preset_is_restricted_by_name_and_unknown_names_are_errors():
    chosen = suite.choose("quick", envs=["recgym/Content-v1"], agents=["ucb1", "ucb1"], seeds=5)
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


def test_presets_name_registered_environments_and_agents():
    for name in suite.PRESETS:
        preset = suite.choose(name)
        assert all(gym.spec(row.env_id) for row in preset.experiments)
        assert {"random", "oracle-plan"} <= {entry.agent for entry in preset.entries}


def settings(preset, experiment, line):
    (row,) = [each for each in preset.experiments if each.name == experiment]
    return {entry.line: entry.params for entry in preset.entries_in(row)}.get(line)


def test_the_published_line_up():
    ladder = suite.choose("ladder")
    lines = {entry.line for entry in ladder.entries}
    assert lines >= {
        "mf",
        "markov",
        "logistic",
        "gru4rec",
        "sasrec",
        "linucb",
        "slateq",
        "sb3-dqn",
        "sb3-dqn+deep-cf",
    }
    counts = {}
    for run in runs_of(ladder):
        key = run.experiment.name, run.entry.line
        counts[key] = counts.get(key, 0) + 1
    assert set(counts.values()) == {20}
    assert ("ecommerce", "slateq") not in counts
    assert ("ecommerce-slate", "slateq") in counts


def test_the_settings_of_the_ladder_are_those_of_the_published_searches():
    ladder = suite.choose("ladder")
    names = {row.env_id.removeprefix("recgym/"): row.name for row in ladder.experiments}
    budgets = {(row.name, row.env_steps) for row in ladder.experiments}
    plans = set()
    for path in sorted(published_settings.FOLDERS[0].glob("*.json")):
        agent, env = path.stem.rsplit("-", 2)[0], "-".join(path.stem.rsplit("-", 2)[1:])
        about = json.loads(path.read_text(encoding="utf-8"))
        assert settings(ladder, names[env], agent) == about["best_params"], path.name
        assert (names[env], about["env_steps"]) in budgets, path.name
        plans.add((len(about["trials"]), about["seeds"], about["eval_sessions"], about["offline_sessions"]))
    assert len(plans) == 1, "learners are not treated alike"


def test_what_makes_a_variant_holds_against_tuned_settings():
    ladder = suite.choose("ladder")
    tuned = settings(ladder, "ecommerce", "dcf-dqn")
    assert tuned["discount"] == 0.95
    assert settings(ladder, "ecommerce", "dcf-dqn-myopic") == tuned | {"discount": 0.0}
    assert settings(ladder, "ecommerce", "sb3-dqn+deep-cf")["state"] == "deep-cf"


def test_published_settings_replace_those_of_the_suite(tmp_path, monkeypatch):
    monkeypatch.setattr(published_settings, "FOLDERS", (tmp_path,))
    ladder = suite.choose("ladder")
    (row,) = [each for each in ladder.experiments if each.name == "ecommerce"]
    before = settings(ladder, "social", "linucb")
    best = {
        "agent": "dcf-dqn",
        "env": {"id": row.env_id, "kwargs": {}},
        "best_params": {"discount": 0.5, "steps": 5},
    }
    about = best | {"trials": [], "space": {}}
    place = published_settings.publish(about, tmp_path)
    assert place.name == f"dcf-dqn-{row.env_id.removeprefix('recgym/')}.json"
    assert settings(ladder, "ecommerce", "dcf-dqn") == {"discount": 0.5, "steps": 5}
    assert settings(ladder, "ecommerce", "dcf-dqn-myopic") == {"discount": 0.0, "steps": 5}
    assert settings(ladder, "social", "linucb") == before
    with pytest.raises(ValueError, match="--publish: the search has arguments of the environment"):
        published_settings.publish(about | {"env": {"id": row.env_id, "kwargs": {"horizon": 3}}}, tmp_path)
    place.write_text(json.dumps(about | {"agent": "linucb"}))
    with pytest.raises(ValueError, match="is of linucb in"):
        settings(ladder, "ecommerce", "dcf-dqn")


def test_a_line_equal_to_its_agent_as_tuned_is_run_once(tmp_path, monkeypatch):
    """Where the search chose discount 0; a page of other settings may have its rows."""
    monkeypatch.setattr(published_settings, "FOLDERS", (tmp_path,))
    best = {"agent": "dcf-dqn", "best_params": {"discount": 0.0}, "trials": [], "space": {}}
    published_settings.publish(best | {"env": {"id": "recgym/Content-v1", "kwargs": {}}}, tmp_path)
    lines = [
        {
            (run.experiment.name, run.entry.line)
            for run in runs_of(suite.choose("ladder", seeds=1), equal=equal)
        }
        for equal in (False, True)
    ]
    assert lines[1] - lines[0] == {("content", "dcf-dqn-myopic")}


def test_what_reinforcement_learning_adds_is_printed(tmp_path, monkeypatch):
    preset = replace(suite.PRESETS["quick"], myopic="dcf-dqn-myopic")
    monkeypatch.setitem(suite.PRESETS, "quick", preset)
    for seed in range(4):
        write_run(tmp_path / "quick", "content", "random", seed)
        write_run(tmp_path / "quick", "content", "dcf-dqn", seed, params={"discount": 0.9})
        write_run(tmp_path / "quick", "content", "dcf-dqn-myopic", seed, mean=2.0, params={"discount": 0.0})
        write_run(tmp_path / "quick", "social", "dcf-dqn", seed, params={"discount": 0.0})
    write_run(tmp_path / "quick", "content", "ucb1", 0)
    content, social = Results(tmp_path).tables["quick"]
    rows = {row.agent: row for row in content.rows}
    assert content.learning.mean == pytest.approx(
        rows["dcf-dqn"].value.mean - rows["dcf-dqn-myopic"].value.mean
    )
    assert content.learning.n == 4
    low, high = content.learning.low, content.learning.high
    assert describe_learning(content).endswith(
        f"adds {content.learning.mean:+.2f} [{low:+.2f}, {high:+.2f}]."
    )
    assert (
        describe_learning(social) == "Reinforcement learning adds nothing: dcf-dqn as tuned has discount 0."
    )
    assert (content.seeds, content.notes[-1]) == (4, "fewer seeds, preliminary: ucb1 1")


def test_arguments_that_an_experiment_has_make_no_other_one():
    """Else the same command with the same arguments would be another table with other seeds."""
    once = suite.choose("quick", env_args={"horizon": 9})
    assert suite._with_arguments(once.experiments[0], {"horizon": 9}) == once.experiments[0]
    assert suite._with_arguments(once.experiments[0], {"horizon": 8}).name != once.experiments[0].name


def test_an_environment_is_chosen_with_its_perturbations():
    names = [row.name for row in suite.PRESETS["robustness"].experiments]
    by_name = [row.name for row in suite.choose("robustness", envs=["content"]).experiments]
    assert by_name == [name for name in names if name.partition("@")[0] == "content"]
    by_id = suite.choose("robustness", envs=["recgym/Content-v1"])
    assert [row.name for row in by_id.experiments] == by_name
    one = suite.choose("robustness", envs=["content@user_mix=low"])
    assert [row.name for row in one.experiments] == ["content@user_mix=low"]


def test_arguments_of_a_perturbed_experiment_are_those_of_training_too():
    rows = suite.choose("robustness", envs=["content"], env_args={"horizon": 20}).experiments
    before = suite.choose("robustness", envs=["content"]).experiments
    for row, old in zip(rows, before, strict=True):
        assert row.base == "content+horizon=20"
        assert row.name == row.base + old.name.removeprefix("content")
        assert row.kwargs == {**old.kwargs, "horizon": 20}
        assert row.training_kwargs == {**old.training_kwargs, "horizon": 20}
    with pytest.raises(ValueError, match="horizon is 0"):
        suite.choose("robustness", env_args={"horizon": 0})
    with pytest.raises(
        ValueError, match="--env-args: recgym/Content-v1: perturbed responses need a reward that pays"
    ):
        suite.choose("robustness", envs=["content"], env_args={"reward": "watch_time"})


def test_assumed_terms_are_swept_at_the_base_of_perturbations():
    perturbed = suite.choose("robustness", envs=["content"]).experiments
    both = suite.choose("robustness", envs=["content"], assume="sweep").experiments
    plain = suite.choose("quick", envs=["content"], assume="sweep").experiments
    assert {row.name for row in both} == {row.name for row in (*perturbed, *plain)}
    assert len(both) == len(perturbed) + len(plain) - 1
