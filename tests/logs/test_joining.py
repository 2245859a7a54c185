"""Words of events, and the rows that join."""

import pytest
from log_tables import AT, refused, table

from recgym.logs import read_log, validate

ACTIONS = "user,item,time,event\n"


def of_actions(tmp_path, *rows, header="user,item,time,event"):
    return table(tmp_path, "\n".join([header, *rows]) + "\n")


@pytest.mark.parametrize("word", ["fav", "favourite", "open", "play"])
def test_a_positive_word_beside_views_leaves_them_clicks(tmp_path, word):
    views = [f"1,{item},{AT + item},pv" for item in range(10)]
    path = of_actions(tmp_path, *views, f"2,3,{AT},{word}", f"2,4,{AT},buy")
    log = read_log(path, domain="ecommerce")
    assert log.column("click").all()
    assert (
        f"t.csv: event words: pv 10 as click, buy 1 as click+cart+purchase, {word} 1 as click" in log.remarks
    )


def test_views_are_shown_only_beside_words_of_clicks_in_any_file(tmp_path):
    one = table(tmp_path, f"{ACTIONS}u,i,{AT},view\nu,j,{AT + 1},view\n", "one.csv")
    two = table(tmp_path, f"{ACTIONS}v,k,{AT},click\n", "two.csv")
    log = read_log([one, two], domain="ecommerce")
    assert log.column("click").tolist() == [False, False, True]
    words = [line for line in log.remarks if "event words" in line]
    assert len(words) == 1
    assert words[0].endswith("event words: view 2 as shown only, click 1 as click")


@pytest.mark.parametrize(
    ("header", "rows"),
    [
        ("slate,position", ["1,1", "1,2", "1,1"]),
        ("slate,position", ["1,1", "1,2", "1,"]),
        ("slate,position", ["1,1", "1,2", ","]),
        ("slate,context_x", ["1,", "1,", "1,"]),
        ("step,context_x", ["0,", "0,", "0,"]),
        ("position,context_x", ["1,", "2,", "1,"]),
        ("position,context_x", ["1,", "2,", ","]),
        ("context_x,context_y", [",", ",", ","]),
    ],
)
def test_a_click_joins_the_impression_of_its_item(tmp_path, header, rows):
    actions = [f"u,i,{AT},impression", f"u,j,{AT + 1},impression", f"u,i,{AT + 5},click"]
    path = of_actions(
        tmp_path,
        *(",".join(pair) for pair in zip(actions, rows, strict=True)),
        header=f"user,item,time,event,{header}",
    )
    log = read_log(path, domain="ecommerce")
    assert log.column("click").tolist() == [True, False]
    assert "t.csv: 1 click rows joined the impression of their item in the visit" in log.remarks
    assert validate(log) == []


def test_all_actions_of_an_item_in_a_slate_are_one_row(tmp_path):
    actions = ("click", "impression", "addtocart", "click")
    path = of_actions(
        tmp_path,
        *(f"u,i,{AT + k},{word},7" for k, word in enumerate(actions)),
        header="user,item,time,event,slate",
    )
    log = read_log(path, domain="ecommerce")
    assert (len(log), log.column("cart").tolist()) == (1, [True])


def test_two_impressions_of_one_position_are_refused(tmp_path):
    path = of_actions(
        tmp_path,
        f"u,i,{AT},impression,1,1",
        f"u,i,{AT + 1},impression,1,1",
        header="user,item,time,event,slate,position",
    )
    assert "must name one row" in str(refused(path, domain="ecommerce"))


def test_clicks_join_the_last_impression_and_a_second_click_is_a_row(tmp_path):
    words = ("impression", "impression", "click", "click", "addtocart", "impression", "view")
    path = of_actions(tmp_path, *(f"u,i,{AT + k},{word}" for k, word in enumerate(words)))
    log = read_log(path, domain="ecommerce")
    assert log.column("file_row").tolist() == [2, 3, 5, 7, 8]
    assert log.column("click").tolist() == [False, True, True, False, False]
    assert log.column("cart").tolist() == [False, False, True, False, False]


def test_rows_of_yes_and_no_never_join(tmp_path):
    path = of_actions(tmp_path, f"u,i,{AT},0", f"u,i,{AT + 1},1")
    log = read_log(path, domain="ecommerce")
    assert log.column("click").tolist() == [False, True]
    assert "t.csv: event words: 0 1 as shown only, 1 1 as click" in log.remarks


def test_the_price_paid_and_the_longest_watch_time_are_kept(tmp_path):
    path = of_actions(
        tmp_path,
        f"u,i,{AT},view,5,list",
        f"u,i,{AT + 5},purchase,4,checkout",
        f"u,i,{AT + 6},addtocart,6,",
        header="user,item,time,event,price,context_page",
    )
    log = read_log(path, domain="ecommerce")
    assert (log.column("price").tolist(), log.column("context_page").tolist()) == ([4.0], ["list"])
    assert log.remarks[-4:-1] == (
        "t.csv: 2 rows joined an earlier row of their item",
        "t.csv: price differs in 2 joined rows: that of the strongest event, as the price paid, is kept",
        "t.csv: joined rows lose values that differ from the row they join: context_page in 1",
    )
    path = of_actions(
        tmp_path,
        f"u,i,{AT},play,1000",
        f"u,i,{AT + 5},like,9000",
        f"u,i,{AT + 6},share,",
        header="user,item,time,event,watch_ms",
    )
    log = read_log(path, domain="content")
    assert log.column("watch_ms").tolist() == [9000]
    assert log.remarks[-2] == "t.csv: watch_ms differs in 1 joined rows: the longest is kept"


@pytest.mark.parametrize("word", ["remove_from_cart", "removefromcart", "unlike"])
def test_rows_that_take_an_event_back_are_left_out_and_counted(tmp_path, word):
    path = of_actions(tmp_path, f"u,i,{AT},view", f"u,i,{AT + 5},click", f"u,j,{AT + 9},{word}")
    log = read_log(path, domain="content" if word == "unlike" else "ecommerce")
    assert log.column("item").tolist() == [0]
    assert log.duplicates == 0
    assert any(f"{word} 1 left out" in line for line in log.remarks)
    only = of_actions(tmp_path, f"u,i,{AT},{word}")
    assert "the log would be empty" in str(refused(only, domain="ecommerce"))
