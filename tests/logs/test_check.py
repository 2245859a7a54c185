"""Validation of a log: every rule names its rows."""

from dataclasses import replace

import pandas as pd
import pyarrow as pa
import pytest
from log_files import refused, write
from small_logs import found_problems, tiny

from recgym.logs import Log, read_log, validate


def test_a_valid_log_has_no_problem():
    assert found_problems(tiny()) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"propensity": [1.2, 0.5, 1.0, 0.0, 0.1]}, [1, 4]),
        ({"propensity": pa.array([None, 0.5, float("nan"), None, 1.0])}, [3]),
        ({"position": [0, -1, 0, 0, 0]}, [2]),
        ({"watch_ms": [-1, 0, 0, 0, 0]}, [1]),
        ({"price": pa.array([float("inf"), 1, 1, 1, None])}, [1]),
        ({"item": [0, 1, 3, 0, -1]}, [3, 5]),
        ({"user": [0, 0, 0, 0, 2]}, [5]),
        ({"user": [0, 1, 0, 0, 1]}, [2]),  # a session of two users
        ({"click": pa.array([True, None, True, True, False])}, [2]),
        ({"step": [0, 0, 0, 1, 0], "position": [4, 4, 0, 0, 0]}, [2]),  # one key twice
        ({"step": [0, 0, 0, 1, 0], "item": [1, 1, 2, 0, 1]}, [2]),  # the same without positions
        ({"time": [2_000, 1_000, 50_000, 60_000, 30_000]}, [2]),
        ({"step": [0, 0, 0, 1, 0], "slate": [7, 8, 9, 10, 11]}, [2]),  # a step of two slates
        ({"slate": [7, 8, 9, 10, 7]}, [5]),  # a slate in two sessions
        ({"step": [-1, 1, 0, 1, 0]}, [1]),
    ],
)
def test_every_rule_names_its_rows(changes, expected):
    assert [row for row, _, _ in found_problems(tiny(**changes))] == expected


def test_two_items_of_a_slate_without_positions_are_valid():
    assert found_problems(tiny(step=[0, 0, 0, 1, 0])) == []


def test_a_problem_names_file_row_column_rule_and_value():
    problem = validate(tiny(propensity=[1.2, 0.5, 1.0, 0.1, 0.1]))[0]
    assert str(problem) == "tiny, row 1, propensity: a propensity must be in (0, 1]; found 1.2"


def test_ids_of_a_table_occur_once():
    assert found_problems(replace(tiny(), users=pa.table({"id": ["a", "a"]}))) == [
        (2, "id", "an id must occur once")
    ]


def test_rows_out_of_order_are_problems():
    log = tiny()
    assert [
        row
        for row, column, _ in found_problems(replace(log, rows=log.rows.take([2, 3, 0, 1, 4])))
        if column == "session"
    ] == [3]


def test_an_event_needs_the_logged_ancestor_where_the_one_between_is_not_logged():
    frame = pd.DataFrame({"user": ["u", "v"], "item": ["a", "b"], "click": [0, 1], "purchase": [1, 0]})
    log = Log.from_pandas(frame, domain="ecommerce")
    rule = "1 of 1 rows with purchase break the rule: purchase happens only with click; the first is frame, row 1"
    assert log.remarks == (rule,)


def test_the_first_row_that_breaks_an_event_rule_is_the_first_of_its_file(tmp_path):
    """A log is sorted by session: here the later rows of the file are of the earlier session."""
    lines = [f"u{visit},i{row},{1000 * (3 - visit)},0,1" for visit in (1, 2) for row in (0, 1)]
    text = "user,item,time,click,long_view\n" + "\n".join(["u1,i9,2000,1,1", *lines]) + "\n"
    (tmp_path / "t.csv").write_text(text)
    log = read_log(tmp_path / "t.csv", domain="content", time_unit="s")
    assert log.users["id"].to_pylist()[log.column("user")[0]] == "u2"
    rule = "4 of 5 rows with long_view break the rule: long_view happens only with click; the first is t.csv, row 3"
    assert rule in log.remarks


def test_slates_that_are_numbered_anew_in_each_session_are_told_once(tmp_path):
    """The line says what to do, and doing it gives the steps of each visit."""
    rows = [f"u{u},i{i},s{u},{page},1" for u in range(20) for page in range(3) for i in range(2)]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["user,item,session,page,click", *rows]))
    columns = "user=user,item=item,session=session,click=click,{}=page"
    log = read_log(path, domain="content", mapping=columns.format("slate"), check=False)
    (problem,) = validate(log)
    assert "map their column as step, not as slate" in problem.rule
    assert "57 of 120 rows" in problem.value
    log = read_log(path, domain="content", mapping=columns.format("step"))
    assert (log.num_sessions, log.column("step").max()) == (20, 2)


HEADS = {"slate": "session,slate,position", "step": "session,step,position"}


@pytest.mark.parametrize("form", [*HEADS, "shown"])
def test_an_item_twice_in_a_slate_is_counted_in_every_form(tmp_path, form):
    """The same remark for slates by numbers, by steps and by lists in a cell, which names the row of the file."""
    shown = ["ij", "iji", "kk", "kjk"]
    if form == "shown":
        text = "user,session,shown,click\n" + "".join(
            f"u,{k},{'|'.join(items)},{'|'.join('0' * len(items))}\n" for k, items in enumerate(shown)
        )
        first = 3
    else:
        rows = [f"u,{item},{k},{k},{at},0" for k, items in enumerate(shown) for at, item in enumerate(items)]
        text = f"user,item,{HEADS[form]},click\n" + "\n".join(rows) + "\n"
        first = 6
    log = read_log(write(tmp_path / "t.csv", text), domain="ecommerce")
    assert log.num_rows == 10
    said = f"3 slates show an item more than once: each place is a row; the first is t.csv, row {first}"
    assert [line for line in log.remarks if "more than once" in line] == [said]


def test_an_item_twice_in_a_slate_without_positions_is_named(tmp_path):
    path = write(
        tmp_path / "t.csv",
        "user,item,slate,time,click\nu,i,1,1600000000,0\nu,j,1,1600000000,0\nu,i,1,1600000000,1\n",
    )
    assert (
        refused(path) == "t.csv, row 4, item: an item must occur once in a slate without positions; found 'i'"
    )
