"""Parameters of another type are refused."""

import json
from dataclasses import fields
from typing import get_type_hints

import numpy as np
import pytest
from refusals import refused
from zoo_cases import ENV, NAMES, env_for, one_line

from agents import Problem, agent_class

WRONG = {
    bool: (1, "yes", None, 0.0),
    int: (1.5, "8", True, None, [8], 2.0),
    float: ("a", True, None, [0.1], float("inf"), float("nan")),
    str: (1, None, True),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_parameter_of_another_type_is_refused(name):
    kind = agent_class(name)
    problem = Problem.of(env_for(name, {}))
    types = get_type_hints(kind.config)
    for field in fields(kind.config):
        for value in WRONG[types[field.name]]:
            with pytest.raises(
                ValueError, match=rf"agent {name}: {field.name} is .*, expected (a|True)"
            ) as error:
                kind(problem, **{field.name: value})
            assert one_line(error)
        kind(problem, **{field.name: np.array([field.default])[0]})  # numpy's numbers are numbers


def test_a_wrong_type_on_the_command_line_is_one_line(run, tmp_path):
    for params, words in (
        ({"width": 1.5}, "agent dcf-dqn: width is 1.5, expected a whole number"),
        ({"width": "8"}, "agent dcf-dqn: width is '8', expected a whole number"),
        ({"compile": 1}, "agent dcf-dqn: compile is 1, expected True or False"),
        ({"compile": True}, "compile is True, but torch compiles no recurrent encoder"),
        ({"encoder": 3}, "agent dcf-dqn: encoder is 3, expected a text"),
        ({"discount": None}, "agent dcf-dqn: discount is None, expected a finite number"),
    ):
        refused(run("train", "dcf-dqn", ENV, "--out", tmp_path / "a", "--params", json.dumps(params)), words)
    assert not any(tmp_path.iterdir())
