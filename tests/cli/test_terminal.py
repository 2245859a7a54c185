"""JSON of the commands: strict, whatever the figures are."""

import json

import numpy as np
import pytest

from recgym.cli.terminal import print_json


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
