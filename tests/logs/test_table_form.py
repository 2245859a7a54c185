"""Options of a table: words of events, files of several kinds, separator and encoding, JSON lines."""

import gzip
import json

import pytest
from log_files import refused, write

from recgym.logs import LogError, read_log
from recgym.logs.mapping import event_words, parse_mapping
from recgym.logs.text_form import TextForm


def test_words_of_events_are_mapped(tmp_path):
    rows = "user,item,act\nu,a,Opened\nu,a,paid\nu,b,left\nu,c,0815\n"
    mapping = "user=user,item=item,event=act:opened>click:paid>purchase:*>omit"
    log = read_log(write(tmp_path / "t.csv", rows), domain="ecommerce", mapping=mapping)
    assert log.items["id"].to_pylist() == ["a"]
    assert log.column("purchase").tolist() == [True]
    assert log.remarks[:2] == (
        "t.csv: 2 rows left out, of other events: left 1, 0815 1",
        "t.csv: event words: Opened 1 as click, paid 1 as click+cart+purchase",
    )
    assert refused(
        tmp_path / "t.csv", domain="ecommerce", mapping="user=user,item=item,event=act:paid>buy"
    ) == ("map: 'buy' is no event; did you mean 'purchase'?")
    for given, said in (
        ("korb>addtocart", "'addtocart' is no event; did you mean 'cart'?"),
        ("korb>xyz", "'xyz' is no event; the events are click, cart, purchase, shown, none, omit"),
        (
            ">cart",
            "event '>cart' must look like word>event; the events are click, cart, purchase, shown, none, omit",
        ),
    ):
        mapping = f"user=user,item=item,event=act:{given}"
        assert refused(tmp_path / "t.csv", domain="ecommerce", mapping=mapping) == f"map: {said}"
    assert refused(tmp_path / "t.csv", mapping="user=user,item=item,event=act:*>omit") == (
        "t.csv: no row is left; all rows are of other events: Opened 1, paid 1, left 1, 0815 1"
    )
    assert "row 2, act: the event is unknown" in refused(
        tmp_path / "t.csv", domain="ecommerce", mapping="user=user,item=item,event=act:paid>purchase"
    )


def test_codes_of_events_are_mapped(tmp_path):
    rows = "user,item,act\nu,a,1\nu,b,3\nu,c,0\n"
    mapping = "user=user,item=item,event=act:0>shown:1>click:3>like"
    log = read_log(write(tmp_path / "t.csv", rows), domain="content", mapping=mapping)
    assert log.column("click").tolist() == [True, False, False]
    assert log.column("like").tolist() == [False, True, False]


def test_a_column_with_a_colon_in_its_name_is_no_map_of_words():
    columns = {"user": "u:token", "item": "i:token", "event": "e:token"}
    assert event_words(columns, "content") == (columns, {})
    assert parse_mapping("user=u:token,item=i:token", "content")["user"] == "u:token"


def test_the_name_of_a_file_may_be_a_column_and_files_may_have_further_columns(tmp_path):
    write(
        tmp_path / "x" / "yoochoose-clicks.dat",
        "1,2014-04-07T10:51:09.277Z,7,0\n1,2014-04-07T10:54:09.868Z,8,0\n",
    )
    write(tmp_path / "x" / "yoochoose-buys.dat", "1,2014-04-07T10:55:09.868Z,8,12462,1\n")
    files = [tmp_path / "x" / f"yoochoose-{kind}.dat" for kind in ("clicks", "buys")]
    words = "#file:yoochoose-clicks>click:yoochoose-buys>purchase"
    log = read_log(files, domain="ecommerce", mapping=f"user=#1,session=#1,time=#2,item=#3,event={words}")
    assert log.column("item").tolist() == [0, 1]
    assert log.column("purchase").tolist() == [False, True]
    assert (
        "event words: yoochoose-clicks 2 as click, yoochoose-buys 1 as click+cart+purchase" in log.remarks[2]
    )


@pytest.mark.parametrize(("separator", "sign"), [(";", ";"), ("tab", "\t"), ("~", "~"), ("::", "::")])
def test_a_stated_separator(tmp_path, separator, sign):
    rows = "\n".join(sign.join(cells) for cells in (("user", "item,s", "x"), ("u", "a", "1,2,3,4")))
    path = write(tmp_path / "t.csv", rows + "\n")
    log = read_log(path, domain="content", mapping={"user": "user", "item": "item,s"}, separator=separator)
    assert log.items["id"].to_pylist() == ["a"]
    assert refused(path, mapping="user=user,item=x", separator="!").startswith(
        "t.csv, row 1: one column found, "
    )


def test_a_stated_encoding(tmp_path):
    path = write(tmp_path / "t.csv", "user,item\nu,Zoë\nv,Łódź\n".encode("cp1250", "replace"))
    assert refused(path).startswith("t.csv, row 2: the file must be in UTF-8")
    log = read_log(path, source="generic:encoding=cp1250", domain="content")
    assert log.items["id"].to_pylist() == ["Zoë", "Łódź"]
    assert (
        refused(path, encoding="ascii") == "t.csv, row 2: the file must be in ascii; found another encoding"
    )


@pytest.mark.parametrize("encoding", ["utf-16", "klingon", 7, "rot13"])
def test_encodings_that_do_not_extend_ascii_are_refused(encoding):
    with pytest.raises(LogError, match="an encoding that extends ASCII is needed"):
        TextForm.stated(None, encoding)


@pytest.mark.parametrize("separator", ["", "ab", 7])
def test_separators_of_several_characters_are_refused(separator):
    with pytest.raises(LogError, match="one character, :: or a word of tab, comma, space is needed"):
        TextForm.stated(separator)


ROWS = [{"user": k % 2, "item": f"i{k}", "time": 1_600_000_000 + k, "other": [k]} for k in range(5)]


@pytest.mark.parametrize("ending", [".jsonl", ".json", ".ndjson.gz"])
def test_json_lines(tmp_path, ending):
    text = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
    path = write(tmp_path / f"t{ending}", gzip.compress(text) if ending.endswith("gz") else text)
    log = read_log(path, domain="content", mapping="user=user,item=item,time=time")
    assert log.users["id"].to_pylist() == ["0", "1"]
    assert log.column("file_row").tolist() == [1, 3, 5, 2, 4]


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\n\n"])
@pytest.mark.parametrize("start", ["", "\ufeff", "\n  \n"])
def test_blank_lines_and_line_ends_of_json_lines(tmp_path, start, ends):
    path = write(tmp_path / "t.json", start + ends.join(json.dumps(row) for row in ROWS))
    log = read_log(path, domain="content", mapping="user=user,item=item,time=time")
    step, first = len(ends.replace("\r", "")), 1 + start.count("\n")
    assert sorted(log.column("file_row").tolist()) == [first + step * k for k in range(5)]
    assert log.items["id"].to_pylist() == [f"i{k}" for k in range(5)]


def test_json_lines_and_text_of_a_folder_are_one_log(tmp_path):
    for part in (0, 1):
        write(tmp_path / f"part-{part}.jsonl", "".join(json.dumps(row) + "\n" for row in ROWS[part::2]))
    mapping = "user=user,item=item,time=time"
    log = read_log(tmp_path, domain="content", mapping=mapping)
    assert sorted(log.items["id"].to_pylist()) == [f"i{k}" for k in range(5)]
    write(tmp_path / "events.csv", "user,item,time,other\na,b,1600000000,x\n")
    both = read_log(tmp_path, domain="content", mapping=mapping)
    assert both.num_items == 6
    assert "3 files are one log: events.csv, part-0.jsonl, part-1.jsonl" in both.remarks
    write(tmp_path / "part-2.jsonl", "broken\n")
    assert refused(tmp_path, mapping=mapping).startswith(
        "part-2.jsonl, row 1: a line must be one JSON object"
    )


def test_files_of_a_folder_that_are_not_read_are_counted(tmp_path):
    folder = tmp_path / "folder"
    for name in ("log.csv", "more.CSV", "x.json", "_late.csv", "_SUCCESS", ".hidden.csv", "a/b.dat"):
        write(folder / name, "user,item\na,b\n")
    log = read_log(folder, domain="content")
    assert len(log) == 2  # log.csv and more.CSV
    assert "3 files in the folder are not read: _late.csv, a/b.dat, x.json" in log.remarks
    beside = write(tmp_path / "log.csv", "user,item\nc,d\n")
    log = read_log([folder, beside], domain="content")
    assert len(log) == 3
    assert any(line.startswith("3 files in the folder are not read: ") for line in log.remarks)


def test_json_lines_of_mixed_types_and_python_dicts(tmp_path):
    lines = [
        '{"user": 1, "item": "a"}',
        "{u'user': u'2', 'item': 'it\\'s', 'extra': None}",
        '{"user": "x", "item": 3}',
    ]
    log = read_log(
        write(tmp_path / "t.json", "\n".join(lines)), domain="content", mapping="user=user,item=item"
    )
    assert log.users["id"].to_pylist() == ["1", "2", "x"]
    assert log.items["id"].to_pylist() == ["3", "a", "it's"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "t.json, row 3: a line must be one JSON object, in UTF-8; found '{'"),
        ('{"user": 1, "item": "\udcff"}', "t.json, row 3: a line must be one JSON object, in UTF-8; found"),
        ("[1]", "t.json, row 3: a line must be one JSON object, in UTF-8; found '[1]'"),
        ('{"user": 1}', "t.json, row 3, item: a value is needed; found nothing"),
        ('{"user": 1, "item": "a", "time": "soon"}', "t.json, row 3, time: a time is needed"),
    ],
)
def test_a_broken_line_of_json_is_named_by_its_row(tmp_path, line, message):
    good = ['{"user": 1, "item": "a", "time": 1600000000}'] * 150
    data = ("\n".join(["", good[0], line, *good]) + "\n").encode(errors="surrogateescape")
    path = write(tmp_path / "t.json", data)
    assert refused(path, mapping="user=user,item=item,time=time").startswith(message)
    late = write(tmp_path / "t.json", ("\n".join([*good, line]) + "\n").encode(errors="surrogateescape"))
    assert refused(late, mapping="user=user,item=item,time=time").startswith(
        message.replace("row 3", "row 151")
    )
