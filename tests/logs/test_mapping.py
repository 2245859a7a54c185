"""Maps of columns: words of events and bounds of ratings that cannot be meant."""

import pandas as pd
import pytest
from log_tables import AT, refused, table

from recgym.checks import quoted
from recgym.logs import Log, LogError, read_log
from recgym.logs.mapping import event_words, parse_mapping, rating_rule

LINES = "".join(f"u{k % 3},i{k},{1_600_000_000 + k},{'view' if k % 2 else 'buy'}\n" for k in range(10))
COLUMNS = "user=user,item=item,time=time,event="


@pytest.fixture
def path(tmp_path):
    (tmp_path / "t.csv").write_text("user,item,time,event\n" + LINES)
    return tmp_path / "t.csv"


@pytest.mark.parametrize(
    ("words", "twice"),
    [
        ("view>click:view>cart", "view"),
        ("view>click:view>click", "view"),
        ("view>click:*>omit:*>click", "*"),
        ("view>click:buy>purchase:VIEW >cart", "VIEW"),
        ("View>click: view>shown", "view"),
    ],
)
def test_an_event_word_is_given_once(path, words, twice):
    with pytest.raises(LogError, match="given twice") as error:
        read_log(path, domain="ecommerce", mapping=f"{COLUMNS}event:{words}")
    assert str(error.value) == f"map: event word {twice!r} is given twice"
    with pytest.raises(LogError, match="given twice"):
        event_words({"event": f"event:{words}"}, "ecommerce")


@pytest.mark.parametrize("bound", ["nan", "inf", "-inf", "0x4", "1_0", "four", "", "4>=5", "NaN", "4,5", "٣"])
def test_a_bound_of_a_rating_is_a_decimal_number(bound):
    with pytest.raises(LogError, match="a number is needed, as in rating=stars>=4"):
        rating_rule({"rating": f"stars>={bound}"})


@pytest.mark.parametrize(("bound", "least"), [("8", 8), (" 3.5 ", 3.5), ("-1", -1), (".5", 0.5)])
def test_a_bound_of_a_rating(bound, least):
    assert rating_rule({"rating": f"stars>={bound}"}) == ({"rating": "stars"}, least)


@pytest.mark.parametrize(
    ("words", "absent"),
    [
        ("event:view>click:zzz>click", "zzz"),
        ("event:view>click:buys>omit:sale>cart", "buys, sale"),
        ("event:*>click:zzz>omit", "zzz"),
        ("#file:b>click:t>purchase", "b"),
    ],
)
def test_a_word_of_the_map_that_does_not_occur_is_a_remark(path, words, absent):
    log = read_log(path, domain="ecommerce", mapping=COLUMNS + words)
    remark = f"t.csv: event words of the map that do not occur: {absent}"
    assert [line for line in log.remarks if "do not occur" in line] == [remark]


def test_words_of_the_map_that_occur_are_no_remark(path):
    log = read_log(path, domain="ecommerce", mapping=COLUMNS + "event: View>click:BUY>purchase:*>omit")
    assert not any("do not occur" in line for line in log.remarks)


NAMED = {"user": "user", "item": "item"}


@pytest.mark.parametrize(
    "mapping",
    [5, 10**400, 1.5, True, ["user=user"], ("user", "item"), [*NAMED.items()], b"user=user", object()]
    + [NAMED | {"item": wrong} for wrong in (3, None, ["item"], b"item", "", " ", 10**400)]
    + [NAMED | {key: "time"} for key in (3, None, ("time",), b"time")],
    ids=lambda value: "object" if type(value) is object else quoted(value, 40),
)
def test_a_map_of_another_type_is_named_in_one_line(path, mapping):
    with pytest.raises(LogError, match=r"^mapping(:| is ).*, expected |^mapping: .*: expected ") as error:
        read_log(path, domain="ecommerce", mapping=mapping)
    assert "\n" not in str(error.value)


def test_a_category_is_not_another_for_its_form():
    rows = pd.DataFrame({"user": "u", "item": list("aabb"), "category": ["1.0", "1", " x", "x "]})
    log = Log.from_pandas(rows, domain="content")
    assert log.items["category"].to_pylist() == ["1", "x"]
    assert not any("another category" in remark for remark in log.remarks)
    others = Log.from_pandas(rows.assign(category=["1.0", "2", "x", None]), domain="content")
    assert "frame: 1 items have rows of another category: the first is the item's" in others.remarks


def test_the_bound_of_a_rating_is_told_in_full(tmp_path):
    (tmp_path / "t.csv").write_text("user,item,stars\nu,a,3.9\nu,b,3.8999999\nu,c,1\n")
    log = read_log(
        tmp_path / "t.csv", domain="content", mapping="user=user,item=item,rating=stars>=3.8999999"
    )
    assert any("a rating of 3.8999999 or more counts" in remark for remark in log.remarks)


@pytest.mark.parametrize("key", ["watch_s", "duration_s", "watch_seconds", "duration_sec"])
def test_keys_in_seconds_name_the_unit(key):
    with pytest.raises(LogError, match=r"_ms'\? It is in milliseconds: multiply seconds by 1000$"):
        parse_mapping(f"user=u,item=i,{key}=c", "content")


def test_a_map_says_what_words_of_a_column_of_0_and_1_mean(tmp_path):
    path = table(tmp_path, "user,item,time,clic,achat\n" + "".join(
        f"a,x{k},{AT + 60 * k},{'Oui' if k % 3 == 0 else 'non'},{'oui' if k == 0 else 'NON'}\n" for k in range(9)
    ))  # fmt: skip
    known = {"domain": "ecommerce"}
    plain = "user=user,item=item,time=time,click=clic,purchase=achat"
    message = str(refused(path, mapping=plain, **known))
    assert "the map says what other words mean: click=clic:WORD>1:WORD>0; found 'Oui'" in message
    words = plain.replace("clic,", "clic:oui>1:non>0,").replace("achat", "achat:oui>1:non>0")
    log = read_log(path, mapping=words, **known)
    assert log.num_rows == 9  # no rows are joined: each is an impression
    assert log.column("click").tolist() == [k % 3 == 0 for k in range(9)]
    assert log.column("purchase").tolist() == [k == 0 for k in range(9)]
    for wrong, rule in (("oui>ja", "must look like word>1 or word>0"), ("oui>1:OUI>0", "is given twice")):
        assert rule in str(refused(path, mapping=f"user=user,item=item,click=clic:{wrong}", **known))
