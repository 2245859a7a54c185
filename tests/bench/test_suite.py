"""The presets, and their restriction to some environments, agents and seeds."""

import gymnasium as gym
import pytest

from recgym.bench import suite
from recgym.bench.experiment import runs_of


def test_a_preset_is_restricted_by_name_and_unknown_names_are_errors():
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


def test_presets_name_registered_environments_and_agents():
    for name in suite.PRESETS:
        preset = suite.choose(name)
        assert all(gym.spec(row.env_id) for row in preset.experiments)
        assert {"random", "oracle-plan"} <= {entry.agent for entry in preset.entries}
