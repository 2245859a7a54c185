"""JSON of the commands, strict whatever the figures are; and the help of options."""

import json
import re

import numpy as np
import pytest

from recgym.bench.env_args import ALLOWED
from recgym.cli.terminal import EnvArgs, Map, print_json
from recgym.logs.mapping import ATTRIBUTES, KEYS


def strict(text):
    def refuse(token):
        raise AssertionError(token)

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, np.float32("nan"), np.array(np.nan)])
def test_numbers_that_are_not_finite_are_null(capsys, value):
    print_json({"a": [value, (1.5, value)], "b": {"c": value}, "d": 2})
    assert strict(capsys.readouterr().out) == {"a": [None, [1.5, None]], "b": {"c": None}, "d": 2}


def test_numbers_of_numpy_are_numbers(capsys):
    print_json({1: np.int64(3), "x": np.array([1.0, np.nan]), "y": np.True_, "z": np.float32(0.5)})
    assert strict(capsys.readouterr().out) == {"1": 3, "x": [1.0, None], "y": True, "z": 0.5}


@pytest.mark.parametrize(("option", "names"), [(Map, (*KEYS, *ATTRIBUTES)), (EnvArgs, ALLOWED)])
def test_the_help_of_an_option_names_all_that_it_takes(option, names):
    words = re.findall(r"\w+", option.__metadata__[0].help)
    assert [name for name in names if name not in words] == []
