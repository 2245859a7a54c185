"""Responses join the row of their item in their slate, however late they are."""

import pytest
from log_tables import AT, refused, table

from recgym.logs import read_log, validate


def of_actions(tmp_path, *rows, header):
    return table(tmp_path, "\n".join([header, *rows]) + "\n")


@pytest.mark.parametrize(
    ("clicked", "row"),
    [("1,", 2), ("1,1", 2), (",1", 2), ("2,", 5), ("2,2", 5), (",2", 5), (",", 5), (",3", None)],
)
def test_a_click_joins_its_item_in_its_own_slate(tmp_path, clicked, row):
    """Item a is at position 1 of slate 1, then at 2 of slate 2."""
    shown = ["u,a,{},shown,1,1", "u,b,{},shown,1,2", "u,b,{},shown,2,1", "u,a,{},shown,2,2"]
    rows = [each.format(AT + k // 2) for k, each in enumerate(shown)]
    path = of_actions(
        tmp_path, *rows, f"u,a,{AT + 9},click,{clicked}", header="user,item,time,event,slate,position"
    )
    log = read_log(path, domain="content")
    assert len(log) == (4 if row else 5)
    assert log.column("file_row")[log.column("click")].tolist() == [row or 6]
    assert validate(log) == []


LATE = 40 * 60
SHOWN = [f"u,a,{AT},shown,s,1", f"u,b,{AT},shown,s,2", f"u,c,{AT + LATE},shown,r,1"]


@pytest.mark.parametrize("word", ["click", "purchase"])
@pytest.mark.parametrize("rows", [SHOWN, [*SHOWN[:2], f"u,a,{AT + 9},click,s,1", SHOWN[2]]])
def test_a_late_response_stays_in_the_session_of_its_slate(tmp_path, word, rows):
    late = f"u,a,{AT + LATE},{word},s,1"
    path = of_actions(tmp_path, *rows, late, header="user,item,time,event,slate,position")
    log = read_log(path, domain="ecommerce")
    assert log.column("session").tolist() == [0, 0, 1]
    assert log.column("click").tolist() == [True, False, False]
    assert log.column(word).tolist() == [True, False, False]
    assert log.column("time").tolist() == [AT * 1000, AT * 1000, (AT + LATE) * 1000]
    assert validate(log) == []


@pytest.mark.parametrize("word", ["shown", "click"])
def test_slates_whose_numbers_begin_anew_are_still_refused(tmp_path, word):
    """The same items an hour later, under the same number, are another slate."""
    rows = [f"u,{item},{AT + late},{word},1" for late in (0, LATE) for item in "ab"]
    path = of_actions(tmp_path, *rows, f"u,c,{AT},click,2", header="user,item,time,event,slate")
    assert "rows of one slate must be of one session and step" in str(refused(path, domain="ecommerce"))
