"""Lists in cells of text: what is read, and what cannot be meant."""

import json

import numpy as np
import pyarrow as pa
import pytest
from log_files import refused, write

from recgym.logs import read_log
from recgym.logs.list_text import lists_of_text, separator

MAP = "user=user,shown=shown,item=item"


def read(tmp_path, cells, chosen):
    """Log of a table of slates, one a row."""
    rows = "".join(f"u\t{cell}\t{item}\n" for cell, item in zip(cells, chosen, strict=True))
    path = write(tmp_path / "t.tsv", "user\tshown\titem\n" + rows)
    return read_log(path, domain="content", mapping=MAP, source="generic:separator=tab")


def shown_of(log):
    names = log.items["id"].to_pylist()
    return [names[item] for item in log.column("item")]


def refusal(tmp_path, cells):
    rows = "".join(f"u\t{cell}\t\n" for cell in cells)
    return refused(write(tmp_path / "t.tsv", "user\tshown\titem\n" + rows), mapping=MAP)


@pytest.mark.parametrize(
    ("cell", "items"),
    [
        ("[0, 1, 2]", "0 1 2"),
        ("[0 1 2]", "0 1 2"),
        ("(0, 1, 2)", "0 1 2"),
        ("(0,)", "0"),
        ("{0, 1}", "0 1"),
        ("0|1|2", "0 1 2"),
        ("0;1", "0 1"),
        ("[0.0, 1.0]", "0 1"),
        ("['a', 'b']", "a b"),
        ("['a' 'b']", "a b"),
        ("['a','b',]", "a b"),
        ("[u'a', u'b']", "a b"),
        ("['a-1', 7]", "a-1 7"),
        ("  [ 0 , 1 ]  ", "0 1"),
    ],
)
def test_lists(tmp_path, cell, items):
    first = items.split()[0]
    assert shown_of(read(tmp_path, [cell], [first])) == items.split()


@pytest.mark.parametrize(
    ("cell", "items"),
    [
        ("[Alien: Covenant, Up]", ["Alien: Covenant", "Up"]),
        ("['Paris, Texas', 'Up']", ["Paris, Texas", "Up"]),
        ("['Paris, Texas']", ["Paris, Texas"]),
        ("['a|b', 'c']", ["a|b", "c"]),
        ("['it\\'s', 'b']", ["it's", "b"]),
        ('[it\'s, "b"]', ["it's", "b"]),
        ("(500) Days|Up (2009)", ["(500) Days", "Up (2009)"]),
        ("Ocean's Eleven|Up", ["Ocean's Eleven", "Up"]),
        ("['Alien (1979)', '[REC]']", ["Alien (1979)", "[REC]"]),
        ("Wait...|Up", ["Wait...", "Up"]),
        ("'Tis|Up", ["'Tis", "Up"]),
    ],
)
def test_words_keep_their_brackets_quotes_and_separators(cell, items):
    cells = pa.array([cell])
    lists, faults = lists_of_text(cells, separator(cells))
    assert lists.entries.to_pylist() == items
    assert not any(bad.any() for bad, _ in faults)


@pytest.mark.parametrize(
    "cell",
    [
        "[0,1", "0,1]", "[0,1]]", "[[0,1]", "[[0,1],[2]]", "[[0],[1]]", "[0,[1,2]]", "[(0,1),(2,3)]", "(0,1]", "[0,1)",
        "{0:1}", "{'a': 1}", '{"a": 1}', "[{'id': 0}]", '[{"id": 0}]', "['a", "['a', 'b]", "['a' 'b', 'c']",
        "['a'b, 'c']",
        "array([0, 1])", "array([0])", "Index([0, 1])", "set()", "[b'a', b'b']", "frozenset({1})", "[0,1](", ")0,1(",
        '["a", true]', '["a", null]', '["a", ["b"]]',
    ],
)  # fmt: skip
@pytest.mark.parametrize("before", [[], ["[0, 1]"]])
def test_a_list_that_cannot_be_meant_is_named(tmp_path, cell, before):
    error = refusal(tmp_path, [*before, cell])
    assert error.startswith(
        f"t.tsv, row {len(before) + 2}, shown: a list as 1|2|3, [1, 2, 3] or ['a', 'b'] is needed"
    )
    assert error.endswith(f"; found {cell!r}")


@pytest.mark.parametrize(
    "cell",
    [
        "[0,1,...,9]",
        "[0 1 ... 9]",
        "[0, 1, 2, ...]",
        "0|1|...",
        "[0,1,…]",
        "['a', 'b', ...]",
        "[0, 1...]",
        "... 9",
    ],
)
def test_a_shortened_list_is_named(tmp_path, cell):
    error = refusal(tmp_path, [cell])
    assert (
        error
        == f"t.tsv, row 2, shown: a list with all its entries is needed; this one is shortened; found {cell!r}"
    )


@pytest.mark.parametrize(
    "cell", ["[0,,1]", "0||1", "[,0]", "['a',,'b']", "[0, nan]", "[None, 0]", "[0, null]"]
)
def test_an_entry_is_never_empty(tmp_path, cell):
    assert "row 2, shown: " in refusal(tmp_path, [cell])


@pytest.mark.parametrize(
    ("cells", "sign", "row"),
    [
        (["[0, 1]", "0|1", "[1, 2]"], "|", 2),
        (["0|1", "0,1", "1|2"], "|", 3),
        (["0,1", "0 1", "1,2"], ",", 3),
        (["0;1", "0,1"], ";", 3),
    ],
)
def test_lists_have_one_separator(tmp_path, cells, sign, row):
    error = refusal(tmp_path, cells)
    assert error.startswith(
        f"t.tsv, row {row}, shown: lists with one separator are needed; other rows have {sign!r}"
    )


def test_an_item_may_have_the_sign_of_another_list(tmp_path):
    log = read(tmp_path, ["New York|Berlin", "Los Angeles", "a,b|c", "d,e"], ["", "", "", ""])
    assert shown_of(log) == ["New York", "Berlin", "Los Angeles", "a,b", "c", "d,e"]


@pytest.mark.parametrize("cell", ["", "nan", "[]", "NA", "()", "None"])
def test_rows_without_a_list_are_counted(tmp_path, cell):
    log = read(tmp_path, ["[0, 1]", cell, cell, "[2, 3]"], ["0", "1", "2", "3"])
    assert log.rows["slate"].to_pylist() == [0, 0, None, None, 1, 1]
    what = "2 rows without a list of the items shown: each chosen item is a row without a slate"
    assert [line for line in log.remarks if "without a list" in line] == [f"t.tsv: {what}"]


def test_slates_with_an_item_twice_are_counted(tmp_path):
    log = read(tmp_path, ["[0, 0, 1]", "[1, 2]", "[2, 3, 3, 3]"], ["1", "1", "2"])
    assert len(log) == 9
    said = "2 slates show an item more than once: each place is a row; the first is t.tsv, row 2"
    assert [line for line in log.remarks if "more than once" in line] == [said]
    log = read(tmp_path, ["[0, 0, 1]", "[1, 2]", "[2, 3, 3, 3]"], ["0", "1", "3"])
    chosen = "t.tsv: 2 slates show a chosen item more than once: each of its places has the response"
    assert [line for line in log.remarks if "more than once" in line] == [chosen, said]
    assert log.column("click").tolist() == [True, True, False, True, False, False, True, True, True]
    log = read(tmp_path, ["[0, 1]", "[1, 2]"], ["1", "1"])
    assert not any("more than once" in line or "without a list" in line for line in log.remarks)


@pytest.mark.parametrize(
    "shown", [[{"id": 0}], [[0]], [0, None], [True], {"a": 0}, True], ids=lambda value: json.dumps(value)
)
def test_lists_of_json_hold_numbers_and_words(tmp_path, shown):
    rows = [{"user": 1, "item": 0, "shown": [0, 1]}, {"user": 1, "item": 0, "shown": shown}]
    path = write(tmp_path / "t.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    assert refused(path, mapping=MAP).startswith("t.jsonl, row 2, shown: a ")
    path = write(tmp_path / "t.jsonl", json.dumps(rows[1]) + "\n")
    assert refused(path, mapping=MAP).startswith("t.jsonl, row 1, shown: a ")


def test_words_in_lists_of_json_are_unchanged(tmp_path):
    words = ["café", "a, b", 'say "x"', "it's", "[REC]", "back\\slash"]
    rows = [{"user": 1, "item": word, "shown": words} for word in words[:1]]
    path = write(tmp_path / "t.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    log = read_log(path, domain="content", mapping=MAP)
    assert sorted(log.items["id"].to_pylist()) == sorted(words)
    assert log.column("click").tolist() == [True] + [False] * 5


def test_labels_in_lists_of_json_may_be_true_or_false(tmp_path):
    path = write(tmp_path / "t.jsonl", '{"user": 1, "shown": ["a", "b"], "yes": [true, false]}\n')
    log = read_log(path, domain="content", mapping="user=user,shown=shown,click=yes")
    assert log.column("click").tolist() == [True, False]


SIGNS = "abcXY19 .-_:/'\"()[]{},;|\\\\é日&#"


def words_of(rng) -> list[str]:
    """Words that are no numbers, without surrounding spaces."""
    made = ("".join(rng.choice(list(SIGNS), rng.integers(1, 8))).strip() for _ in range(rng.integers(1, 6)))
    return list(dict.fromkeys(word if word.strip("0123456789.") else "a" for word in made))


@pytest.mark.parametrize(
    "written",
    [
        repr,
        json.dumps,
        lambda words: json.dumps(words, ensure_ascii=False, separators=(",", ":")),
        lambda words: repr(tuple(words)),
        lambda words: "{" + ", ".join(map(repr, words)) + "}",
        lambda words: "[" + " ".join(map(repr, words)) + "]",
        lambda words: "[" + ";".join(map(repr, words)) + "]",
    ],
    ids=["list", "json", "compact json", "tuple", "set", "numpy", "semicolons"],
)
def test_lists_of_any_words_are_read_as_they_are_written(written):
    rng = np.random.default_rng(0)
    for _ in range(300):
        words = words_of(rng)
        cells = pa.array([written(words)])
        lists, faults = lists_of_text(cells, separator(cells))
        assert lists.entries.to_pylist() == words, cells
        assert not any(bad.any() for bad, _ in faults), cells
