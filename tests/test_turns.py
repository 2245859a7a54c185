"""Each process begins with slow tests, and every test is run once."""

import pytest
from turns import slow_first

ITEMS = [f"{folder}/{file}/{number}" for folder in "abcd" for file in "xyz" for number in range(5)]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_parts_begin_with_files_that_have_slow_tests(count):
    slow = {"a/y/3", "b/x/0", "b/z/4", "d/z/1"}
    found = slow_first(ITEMS, count, lambda item: item[0], lambda item: item[:3], slow.__contains__)
    assert sorted(found) == sorted(ITEMS)
    parts = [found[k * len(ITEMS) // count : (k + 1) * len(ITEMS) // count] for k in range(count)]
    for number, part in enumerate(parts):
        mine = [file for file in ("a/y", "b/x", "b/z", "d/z") if "abd".index(file[0]) % count == number]
        expected = [item for file in mine for item in ITEMS if item.startswith(file)]
        assert part[: len(expected)] == expected


def test_more_slow_tests_than_a_part_holds_are_all_run():
    found = slow_first(ITEMS, 2, lambda item: item[0], lambda item: item[:3], lambda item: item[0] == "a")
    assert sorted(found) == sorted(ITEMS)
    assert found[:15] == ITEMS[:15]
