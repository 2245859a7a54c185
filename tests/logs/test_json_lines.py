"""Values of JSON lines, and of Python dicts, that cannot be meant."""

import json

import pytest
from log_files import refused, write

from recgym.logs import read_log

MAP = "user=user,item=item,time=time,event=event"
GOOD = [{"user": k % 3, "item": f"i{k}", "time": 1_600_000_000 + k, "event": "view"} for k in range(4)]
LINES = "".join(json.dumps(row) + "\n" for row in GOOD)
LAST = '{"user": 1, "item": "a", "time": 1600000009, "event": "view"}\n'
VALUE = "a number or a word is needed"


def line(field: str, value: str) -> str:
    cells = {"user": "1", "item": '"a"', "time": "1600000009", "event": '"view"', field: value}
    return "{" + ", ".join(f'"{name}": {cell}' for name, cell in cells.items()) + "}\n"


@pytest.mark.parametrize("field", ["user", "item", "time"])
@pytest.mark.parametrize("value", ["true", "false", "[1]", "[]", '{"a": 1}', "{}", "[[1]]"])
def test_an_id_or_a_time_is_a_number_or_a_word(tmp_path, field, value):
    path = write(tmp_path / "t.jsonl", LINES + line(field, value))
    error = refused(path, domain="ecommerce", mapping=MAP)
    assert error == f"t.jsonl, row 5, {field}: {VALUE}; found {value!r}"


@pytest.mark.parametrize("value", ["[1]", '{"a": "view"}', "{}"])
@pytest.mark.parametrize("key", ["event", "context_x", "price", "category"])
def test_no_column_holds_lists_or_objects(tmp_path, key, value):
    row = '{"user": 1, "item": 2, "x": %s}\n'
    first = '"view"' if key == "event" else "null"
    path = write(tmp_path / "t.jsonl", row % first + "\n" + row % value)
    error = refused(path, domain="ecommerce", mapping=f"user=user,item=item,{key}=x")
    assert error.startswith(f"t.jsonl, row 3, x: {VALUE}; found {value!r}")


@pytest.mark.parametrize("value", [True, [1], {"a": 1}])
def test_a_column_of_such_values_is_named(tmp_path, value):
    rows = [row | {"user": value} for row in GOOD]
    path = write(tmp_path / "t.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    message = refused(path, domain="ecommerce", mapping=MAP)
    assert message.startswith(f"t.jsonl, row 1, user: {VALUE}; found ")


@pytest.mark.parametrize("field", ["user", "item", "time", "event"])
def test_a_key_occurs_once_in_a_line(tmp_path, field):
    twice = LAST.replace("{", f'{{"{field}": 7, ')
    path = write(tmp_path / "t.jsonl", LINES + twice)
    error = refused(path, domain="ecommerce", mapping=MAP)
    assert error.startswith(f"t.jsonl, row 5, {field}: a key must occur once in a line; found ")
    python = write(tmp_path / "t.jsonl", LINES + twice.replace('"', "'"))
    assert refused(python, domain="ecommerce", mapping=MAP) == error


def test_fields_that_are_not_read_may_be_anything(tmp_path):
    more = LAST.replace("}", ', "x": {"a": 1, "a": 2}, "x": [true]}')
    log = read_log(write(tmp_path / "t.jsonl", LINES + more), domain="ecommerce", mapping=MAP)
    assert len(log) == 5


def test_events_may_be_true_or_false(tmp_path):
    rows = "".join(
        f'{{"user": {k}, "item": 1, "yes": {word}}}\n' for k, word in enumerate(("true", "false", "1"))
    )
    path = write(tmp_path / "t.jsonl", rows)
    for key in ("click", "event"):
        log = read_log(path, domain="content", mapping=f"user=user,item=item,{key}=yes")
        assert log.column("click").tolist() == [True, False, True]


@pytest.mark.parametrize(
    "value", ["0x5f5e0ff0", "1_600_000_009", "0b11", "0o17", "1j", "b'1'", "{1}", "(1,)"]
)
def test_numbers_of_a_python_dict_are_decimal(tmp_path, value):
    path = write(tmp_path / "t.json", LINES + LAST.replace('"', "'").replace("1600000009", value))
    error = refused(path, domain="ecommerce", mapping=MAP)
    assert error.startswith(
        ("t.json, row 5: a line must be one JSON object", "t.json, row 5, time: a number or")
    )


@pytest.mark.parametrize(
    "text", [LAST.strip() + " " + LAST, LAST.replace(", ", ",\n", 1), LAST.strip() + "," + LAST]
)
def test_a_line_is_one_object(tmp_path, text):
    path = write(tmp_path / "t.jsonl", LINES + text)
    assert refused(path, domain="ecommerce", mapping=MAP).startswith(
        "t.jsonl, row 5: a line must be one JSON object"
    )


def test_a_lone_surrogate_is_refused_by_row(tmp_path):
    for field, value in (("item", r'"a\ud800"'), ("event", r'"\udc00"')):
        error = refused(
            write(tmp_path / "t.json", LINES + line(field, value)), domain="ecommerce", mapping=MAP
        )
        assert error.startswith(f"t.json, row 5, {field}: text in UTF-8 is needed; found ")
    slates = (
        '{"user": 1, "shown": ["a", "b"], "item": "b"}\n{"user": 1, "shown": ["a", "\\udc00"], "item": "a"}\n'
    )
    error = refused(write(tmp_path / "t.json", slates), domain="content")
    assert error.startswith("t.json, row 2, shown: text in UTF-8 is needed")
    pair = LINES + line("item", r'"\ud83d\ude00"')  # one character
    log = read_log(write(tmp_path / "t.json", pair), domain="ecommerce", mapping=MAP)
    assert "\U0001f600" in log.items["id"].to_pylist()


@pytest.mark.parametrize("key", ["like", "click", "time"])
def test_a_key_that_only_later_lines_have_is_not_left_out(tmp_path, key):
    """The first hundred lines show the fields; a later one would be dropped without a word."""
    early = [{"user": f"u{k}", "item": "i", "x": {key: 1}} for k in range(120)]
    late = {"user": "v", "item": "i", "text": f'"{key}": 1'}
    path = write(tmp_path / "t.jsonl", "".join(json.dumps(row) + "\n" for row in [*early, late]))
    assert len(read_log(path, domain="content")) == 121
    path = write(
        tmp_path / "t.jsonl", "".join(json.dumps(row) + "\n" for row in [*early, late, late | {key: 1}])
    )
    rule = "the key is in none of the first 100 lines, and would not be read; a map names the keys to read"
    assert refused(path) == f"t.jsonl, row 122, {key}: {rule}"
    assert len(read_log(path, domain="content", mapping="user=user,item=item")) == 122


@pytest.mark.parametrize("key", ["price", "category", "prix", "价格"])
@pytest.mark.parametrize("is_ascii", [True, False])
def test_a_key_of_the_map_may_be_in_later_lines_alone(tmp_path, key, is_ascii):
    """The refusal of such a key says to name it in a map."""
    rows = [
        {"user": f"u{k % 9}", "item": f"i{k}", "time": 1_600_000_000 + k, "event": "view"} for k in range(150)
    ]
    rows[130] |= {key: 3}
    path = write(tmp_path / "t.jsonl", "".join(json.dumps(row, ensure_ascii=is_ascii) + "\n" for row in rows))
    if key in ("price", "category"):
        assert f"t.jsonl, row 131, {key}: the key is in none of the first 100 lines" in refused(
            path, domain="ecommerce"
        )
    meant = "category" if key == "category" else "price"
    log = read_log(path, domain="ecommerce", mapping=f"{MAP},{meant}={key}")
    known = log.items["id"].to_pylist().index("i130")
    assert log.items[meant][known].as_py() == ("3" if key == "category" else 3.0)
    assert log.num_rows == 150
    assert sorted(log.column("time")) == [1000 * row["time"] for row in rows]
    error = refused(path, domain="ecommerce", mapping=f"{MAP},{meant}=prise")
    assert error.startswith("t.jsonl, row 1: a line must have 'prise'; found user, item, time, event")
    rows[140] |= {key: [3]}
    write(path, "".join(json.dumps(row, ensure_ascii=is_ascii) + "\n" for row in rows))
    error = refused(path, domain="ecommerce", mapping=f"{MAP},{meant}={key}")
    assert error == f"t.jsonl, row 141, {key}: {VALUE}; found '[3]'"
