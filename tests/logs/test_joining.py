"""Words of events, and the rows that join."""

import numpy as np
import pytest
from log_tables import AT, refused, table

from recgym.logs import read_log, validate
from recgym.logs.joining import ADVICE

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
    how = (
        "in the same slate"
        if header[0] == "s"
        else "before it is shown again in the visit, at most 30 minutes later"
    )
    said = f"t.csv: 1 rows without a response joined the next row with one to their item {how}; 0 rows with a response"
    assert any(line.startswith(said) for line in log.remarks)
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


EXPOSURES = [(0, "shown", 3_000), (600, "play", 200_000), (900, "shown", 4_000), (1_200, "play", 210_000)]


@pytest.mark.parametrize(
    ("late", "timed", "rows", "click"),
    [
        (0, True, [2, 3, 4, 5], [False, True, False, True]),  # each row of x has a watch time: two exposures
        (48_800, False, [2, 3, 4, 5], [False, True, False, True]),  # the second row of x is 14 hours later
        (0, False, [2, 3, 4], [True, True, False]),
    ],
)
@pytest.mark.parametrize("word", ["play", "like"])
def test_two_exposures_of_an_item_stay_two_rows(tmp_path, word, late, timed, rows, click):
    actions = [
        f"u,{item},{AT + at + late * (at == 1_200)},{word if kind == 'play' else kind},s,{watch if timed else ''}"
        for item, (at, kind, watch) in zip("xyzx", EXPOSURES, strict=True)
    ]
    path = of_actions(tmp_path, *actions, header="user,item,time,event,session,watch_ms")
    log = read_log(path, domain="content")
    event = "click" if word == "play" else word
    assert (log.column("file_row").tolist(), log.column(event).tolist()) == (rows, click)
    assert log.rows["watch_ms"].to_pylist() == [row[2] if timed else None for row in EXPOSURES][: len(rows)]
    joined = [line for line in log.remarks if "joined" in line]
    assert joined == ["t.csv: 1 rows without a response joined the next row with one to their item before it is shown "
        "again in the visit, at most 30 minutes later, not of another watch_ms; 1 rows with a response joined "
        "none such"] * (len(rows) == 3)  # fmt: skip


@pytest.mark.parametrize(("shown", "played"), [("", 9000), (0, 9000), (9000, 9000), (9000, ""), (9000, 0)])
def test_an_impression_and_its_response_may_have_one_watch_time(tmp_path, shown, played):
    rows = [f"u,x,{AT},shown,{shown}", f"u,y,{AT},shown,", f"u,x,{AT + 9},play,{played}"]
    log = read_log(of_actions(tmp_path, *rows, header="user,item,time,event,watch_ms"), domain="content")
    of_x = log.column("click").tolist().index(True)
    assert (len(log), log.rows["watch_ms"][of_x].as_py()) == (2, 9000)
    assert any("watch_ms differs" in line for line in log.remarks) == (0 in (shown, played))


def test_a_response_after_the_first_one_may_be_late(tmp_path):
    words = [(0, "impression"), (9, "click"), (6_000, "purchase"), (9_000, "click"), (9_009, "purchase")]
    actions = [f"u,i,{AT + at},{word},s" for at, word in words]
    log = read_log(of_actions(tmp_path, *actions, header="user,item,time,event,session"), domain="ecommerce")
    assert log.column("file_row").tolist() == [2, 5]
    assert log.column("purchase").tolist() == [True, True]
    late = [f"u,i,{AT + 10_000 * k},{word},s" for k, word in enumerate(("impression", "purchase", "click"))]
    log = read_log(of_actions(tmp_path, *late, header="user,item,time,event,session"), domain="ecommerce")
    assert log.column("file_row").tolist() == [2, 3, 4]


def test_where_most_responses_join_no_impression_a_remark_says_how_to_keep_them_apart(tmp_path):
    played = [("x", 9, "play"), ("y", 6_000, "play"), ("z", 6_001, "play")]
    shown = [(item, 0, "shown") for item in "xyz"]
    actions = [f"u,{item},{AT + at},{word},s" for item, at, word in (*shown, *played)]
    log = read_log(of_actions(tmp_path, *actions, header="user,item,time,event,session"), domain="content")
    assert any(line.endswith(f"2 rows with a response joined none such: {ADVICE}") for line in log.remarks)
    stepped = [f"{row},{k}" for k, row in enumerate(actions)]
    log = read_log(
        of_actions(tmp_path, *stepped, header="user,item,time,event,session,step"), domain="content"
    )
    assert len(log) == 6


def visits_of_items(rate, rng, num_items=12, visits=60, length=10):
    """(rows,) user, item and whether it had a response, of items drawn at random."""
    user = np.repeat(np.arange(visits), length)
    return user, rng.integers(0, num_items, len(user)), rng.random(len(user)) < rate


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("num_items", [4, 12, 100])
def test_impressions_with_an_answer_each_stay_apart_whatever_their_words(tmp_path, rate, num_items):
    """Rows of `shown` and `click` alone look like actions; each is an impression of its own."""
    user, item, clicked = visits_of_items(rate, np.random.default_rng(num_items), num_items)
    table = list(zip(user.tolist(), item.tolist(), clicked.tolist(), strict=True))
    rows = [f"{u},{i},{AT + 60 * k},{'oui' if c else 'non'}" for k, (u, i, c) in enumerate(table)]
    mapping = "user=user,item=item,time=time,event=event:oui>click:non>shown"
    log = read_log(of_actions(tmp_path, *rows), domain="content", mapping=mapping)
    assert log.column("click").tolist() == clicked.tolist()
    groups = {}
    for u, i, c in table:
        groups.setdefault((u, i), []).append(c)
    answered = [group for group in groups.values() if any(group)]
    begun, expected = sum(group[0] for group in answered), sum(np.mean(group) for group in answered)
    (said,) = [line for line in log.remarks if "joined" in line]
    assert said == (
        "t.csv: each row is an impression of its own, so that none without a response joined a later one: of "
        f"{len(answered)} items with a response in a visit {begun} begin with it, "
        f"and {expected:,.0f} would in any order"
    )


@pytest.mark.parametrize("logged", [1.0, 0.6])
def test_responses_in_rows_after_their_impressions_join_them(tmp_path, logged):
    """Also where a part of the responses is to items that the log does not show, as from a search."""
    rng = np.random.default_rng(1)
    user, item, clicked = visits_of_items(0.3, rng, 40)
    rows, joined = [], 0
    for k, (u, i, c) in enumerate(zip(user, item, clicked, strict=True)):
        at, is_shown = AT + 60 * k, not c or rng.random() < logged
        rows += [f"{u},{i},{at},shown"] * is_shown + [f"{u},{i},{at + 5},click"] * bool(c)
        joined += bool(c) and is_shown
    log = read_log(of_actions(tmp_path, *rows), domain="ecommerce")
    assert not any("of its own" in line for line in log.remarks)
    assert len(rows) - len(log) >= joined
    assert len(rows) - len(log) <= joined + 15 * (logged < 1)  # a search for what was shown in vain before
    assert log.column("click").sum() == clicked.sum()


def test_an_impression_that_had_no_response_joins_no_later_one(tmp_path):
    """A log of plays and skips has a row for each impression: a play of an item that was skipped is another one."""
    rows = [("x", "skip"), ("y", "play"), ("x", "play"), ("x", "Skip"), ("x", "play")]
    actions = [f"u,{item},{AT + k},{word}" for k, (item, word) in enumerate(rows)]
    log = read_log(of_actions(tmp_path, *actions), domain="content")
    assert log.column("click").tolist() == [False, True, True, False, True]
    assert not any("joined" in line for line in log.remarks)
    liked = of_actions(
        tmp_path, *(f"u,x,{AT + k},{word}" for k, word in enumerate(("skip", "like", "play", "like")))
    )
    assert read_log(liked, domain="content").column("like").tolist() == [False, True, True]
    left = [line.replace("skip", "left").replace("Skip", "left") for line in actions]
    path = of_actions(tmp_path, *left)
    columns = {"user": "user", "item": "item", "time": "time"}
    log = read_log(path, domain="content", mapping={**columns, "event": "event:left>none:play>click"})
    assert log.column("click").tolist() == [False, True, True, False, True]
    log = read_log(path, domain="content", mapping={**columns, "event": "event:left>shown:play>click"})
    assert log.column("click").tolist() == [True, True, True]  # what is shown may have its response later


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
    assert log.remarks[-3] == "t.csv: watch_ms differs in 1 joined rows: the longest is kept"


@pytest.mark.parametrize("word", ["remove_from_cart", "removefromcart", "unlike"])
def test_rows_that_take_an_event_back_are_left_out_and_counted(tmp_path, word):
    path = of_actions(tmp_path, f"u,i,{AT},view", f"u,i,{AT + 5},click", f"u,j,{AT + 9},{word}")
    log = read_log(path, domain="content" if word == "unlike" else "ecommerce")
    assert log.column("item").tolist() == [0]
    assert log.duplicates == 0
    assert any(f"{word} 1 left out" in line for line in log.remarks)
    only = of_actions(tmp_path, f"u,i,{AT},{word}")
    assert "the log would be empty" in str(refused(only, domain="ecommerce"))
