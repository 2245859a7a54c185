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
        ('"type":"orders"', '"type":"sneeze"', "row 4, type: the event is unknown in the domain ecommerce"),
        (
            '"aid":461689,"ts":1659369898050,',
            '"ts":1659369898050,',
            "row 4, aid: a value is needed; found nothing",
        ),
        ('"events"', '"event"', "a line must be as {'session': 0"),
    ],
)
def test_otto_errors_name_the_place(tmp_path, old, new, message):
    assert message in refused(write(tmp_path, {"train.jsonl": OTTO.replace(old, new, 1)}))
