"""Arguments from outside: whole numbers, and two values that a message distinguishes."""

import numpy as np
import pytest
from gymnasium import spaces

from recgym.checks import (
    MAX_NUMBER,
    as_array,
    did_you_mean,
    difference,
    finite_number,
    made_for_another,
    quoted,
    whole_number,
    words_or_none,
)
from recgym.envs.input_checks import check_slates, check_users
from recgym.logs.policy_checks import checked_choice

LONG = {f"event_{i}": float(i) for i in range(40)}


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3), np.array(3), True + 2])
def test_whole_numbers_of_any_type_are_pythons(value):
    assert whole_number(value, "n", 1) == 3
    assert type(whole_number(value, "n", 1)) is int


@pytest.mark.parametrize(
    "value", [0, -1, 1.0, 1.5, np.float32(2), True, np.True_, "1", None, [1], np.nan, "x\ny"]
)
def test_what_is_no_whole_number_is_named_in_one_line(value):
    with pytest.raises(ValueError, match=r"^n is .*, expected a whole number of at least 1$") as error:
        whole_number(value, "n", 1)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (LONG, {**LONG, "event_39": 1.0}),
        (LONG, {**LONG, "more": 1.0}),
        ([*LONG], [*LONG, "more"]),
        ("a" * 90 + "b", "a" * 90 + "c"),
        ("a" * 90, "a" * 91),
        (1, "1"),
        (1, 1.0),
        (None, "None"),
        (
            spaces.Box(np.zeros(2000, np.float32), np.r_[1:2001.0].astype(np.float32)),
            spaces.Box(np.zeros(2000, np.float32), np.r_[1:1001.0, 5, 1002:2001.0].astype(np.float32)),
        ),
        (
            spaces.Dict(a=spaces.Discrete(2), b=spaces.Discrete(3)),
            spaces.Dict(a=spaces.Discrete(2), b=spaces.Discrete(4)),
        ),
        ({"a": {"b": "x" * 99}}, {"a": {"b": "x" * 98 + "y"}}),
    ],
)
def test_two_values_are_never_cut_to_the_same_text(one, other):
    for first, second in (difference(one, other), difference(other, one)[::-1]):
        assert first != second
        assert max(len(first), len(second)) < 80
        assert "\n" not in first + second


def test_of_mappings_only_what_differs_is_shown():
    assert difference(LONG, {**LONG, "event_39": 1.0}) == ("{'event_39': 39.0}", "{'event_39': 1.0}")
    assert difference({"a": 1}, {"b": 1}) == ("{'a': 1}", "{'b': 1}")
    assert difference("x" * 60 + "1", "x" * 60 + "2") == ("..." + "x" * 10 + "1", "..." + "x" * 10 + "2")


def test_of_spaces_too():
    one, other = (spaces.Dict(a=spaces.Discrete(2), b=spaces.Discrete(n)) for n in (3, 4))
    assert difference(one, other) == ("{'b': Discrete(3)}", "{'b': Discrete(4)}")


def test_a_value_is_shown_in_one_line():
    assert quoted("a\nb") == r"'a\nb'"
    assert len(quoted("a" * 500)) == 79


@pytest.mark.parametrize("value", [2, 2.5, np.int8(2), np.float32(2.5), np.array(2.5), -1e300, 10**300])
def test_real_numbers_of_any_type_are_pythons(value):
    assert finite_number(value, "x") == pytest.approx(float(value))
    assert type(finite_number(value, "x")) is float


@pytest.mark.parametrize(
    "value",
    [np.nan, np.inf, -np.inf, True, np.True_, "1", None, [1], 1j, {}],
)
def test_what_is_no_real_number_is_named_in_one_line(value):
    with pytest.raises(ValueError, match=r"^x is .*, expected a finite number$") as error:
        finite_number(value, "x")
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 140


@pytest.mark.parametrize(
    ("value", "bound"),
    [(10**400, "most 1e+300"), (-(10**400), "least -1e+300"), (1e301, "most 1e+300"), (1e308, "most 1e+300")],
)
def test_finite_numbers_that_are_too_large_are_named_with_the_bound(value, bound):
    with pytest.raises(ValueError, match=r"^x is .*, expected a number of at ") as error:
        finite_number(value, "x")
    assert str(error.value).endswith(bound)
    assert len(str(error.value)) < 140


def test_numbers_out_of_range_are_named_with_the_bound():
    with pytest.raises(ValueError, match=r"^x is -1, expected a number of at least 0$"):
        finite_number(-1, "x", 0.0)
    with pytest.raises(ValueError, match=r"^x is 2, expected a number of at most 1$"):
        finite_number(2, "x", 0.0, 1.0)
    with pytest.raises(ValueError, match=r"^n is 11, expected a whole number from 1 to 10$"):
        whole_number(11, "n", 1, 10)
    assert whole_number(10, "n", 1, 10) == 10
    assert finite_number(MAX_NUMBER, "x") == MAX_NUMBER


def test_texts():
    assert words_or_none(None, "unit") is None
    assert words_or_none("s", "unit") == "s"
    with pytest.raises(ValueError, match=r"^unit is \['s'\], expected a text$"):
        words_or_none(["s"], "unit")


def test_a_number_that_python_does_not_write_is_described():
    assert quoted(10**9999) == "a whole number of 33216 bits"
    assert quoted([10**9999]) == "a list"


class Tensor:
    """As torch's: no array while it has a gradient."""

    def __init__(self, values, has_gradient=True):
        self.values, self.has_gradient = values, has_gradient

    def __array__(self, dtype=None, copy=None):
        if self.has_gradient:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad")
        return np.array(self.values, dtype)

    def detach(self):
        return Tensor(self.values, has_gradient=False)

    def cpu(self):
        return self


def test_arrays_of_lists_and_of_tensors_with_a_gradient():
    for value in ([[1, 2]], np.array([[1, 2]]), Tensor([[1, 2]])):
        np.testing.assert_array_equal(as_array(value, "x"), [[1, 2]])
    with pytest.raises(ValueError, match=r"^x is \[\[1\], \[2, 3\]\], which is no array: ") as error:
        as_array([[1], [2, 3]], "x")
    assert "\n" not in str(error.value)


def test_who_checks_arrays_reads_tensors_alike():
    running = np.ones(2, bool)
    slates, propensity = checked_choice((Tensor([[0], [2]]), Tensor([[0.5], [1.0]])), running, 1, 3)
    assert (slates.tolist(), propensity.tolist()) == ([[0], [2]], [[0.5], [1.0]])
    assert check_slates(Tensor([0, 2]), 2, 1, 3).tolist() == [[0], [2]]
    assert check_users(Tensor([2, 0]), 3).tolist() == [0, 2]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("dcf-dqm", "dcf-dqn"),
        ("LinUCB", "linucb"),
        ("Content-v1", "recgym/Content-v1"),
        ("dqn", "dcf-dqn"),
        ("v1", "recgym/Content-v1' or 'recgym/ContentSlate-v1"),
        ("nobody", None),
        ("", None),
        (7, None),
    ],
)
def test_a_name_is_suggested_where_one_is_like_it(name, meant):
    known = ["random", "dcf-dqn", "linucb", "recgym/Content-v1", "recgym/ContentSlate-v1"]
    assert did_you_mean(name, known) == ("" if meant is None else f"; did you mean '{meant}'?")


def test_messages_of_what_was_made_for_another_world():
    assert made_for_another("agent ucb1", ["world", "reward"]) == (
        "agent ucb1 was made for another world and another reward than the environment has"
    )
