"""Reader of OTTO: rows and errors."""

import pytest
from log_layouts import OTTO, refused, write

from recgym.logs import read_log, validate


def test_otto(tmp_path):
    log = read_log(write(tmp_path, {"otto/otto-recsys-train.jsonl": OTTO}))
    assert log.users["id"].to_pylist() == ["0", "1"]
    assert log.items["id"].to_pylist() == ["461689", "1517085"]
    assert log.column("session").tolist() == [0, 1, 2]
    assert log.column("item").tolist() == [1, 0, 0]
    assert log.column("cart").tolist() == [True, False, True]
    assert log.column("purchase").tolist() == [False, False, True]
    assert validate(log) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"ts":1659304800025', '"ts":"soon"', "a line must be as {'session': 0"),
        ('"type":"orders"', '"type":"sneeze"', "row 1, type: the event is unknown in the domain ecommerce"),
        (
            '"aid":461689,"ts":1659369898050,',
            '"ts":1659369898050,',
            "row 1, aid: a value is needed; found nothing",
        ),
        ('{"session":1', '{"session":"a"', "train.jsonl, row 2: in the form of OTTO a line must be as"),
        ('{"session":1', '{"session":true', "train.jsonl, row 2: in the form of OTTO"),
        ('{"session":1', '{"session":[1]', "train.jsonl, row 2: in the form of OTTO"),
        ('{"session":1', '{"session":1,"session":2', "train.jsonl, row 2: in the form of OTTO"),
        ('{"session":1', '{"session":null', "train.jsonl, row 2, session: a value is needed"),
        ('{"session":1', '\n\n{"session":[]', "train.jsonl, row 4: in the form of OTTO"),
        ('{"session":1', '{"session":1,"x":2', "train.jsonl, row 2: in the form of OTTO"),
        (
            '"aid":461689,"ts":1659304900000',
            '"aid":461689,"aid":1,"ts":1659304900000',
            "train.jsonl, row 2: in",
        ),
        ('"type":"clicks"}]}\n', '"type":"clicks"}]\n', "train.jsonl, row 2: in the form of OTTO"),
        ("]}\n{", "]} {", "train.jsonl, row 1: in the form of OTTO"),
        ('"events"', '"event"', "a line must be as {'session': 0"),
    ],
)
def test_otto_errors_name_the_place(tmp_path, old, new, message):
    assert old in OTTO
    assert message in refused(write(tmp_path, {"train.jsonl": OTTO.replace(old, new, 1)}), source="otto")


def test_an_event_has_the_line_of_its_visitor(tmp_path):
    log = read_log(write(tmp_path, {"train.jsonl": OTTO.replace('{"session":1', '\n\n{"session":1')}))
    assert log.column("file_row").tolist() == [1, 4, 1]
