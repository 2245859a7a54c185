"""Rows of a text file are named by its lines; what a table leaves open is refused or said."""

import gzip

import numpy as np
import pytest
from log_layouts import KUAIREC, ML1M, ML25M, RETAILROCKET, changed
from log_layouts import refused as refused_folder
from log_layouts import write as write_files
from log_tables import refused, rows_of, table
from small_logs import other_remarks

from recgym.logs import Log, read_log
from recgym.logs.files import Files
from recgym.logs.lines import BLOCK_BYTES, has_hexadecimal

HEADER = "user,item,time\n"


@pytest.mark.parametrize(
    ("text", "bad"),
    [
        (HEADER + "\na,x,2020-01-01\n\n\nb,x,oops\n", 6),
        ("\n\n" + HEADER + "a,x,2020-01-01\nb,x,oops\n\n\n", 5),
        (HEADER + "a,x,2020-01-01\nb,x,oops", 3),
        (HEADER + "a,x,2020-01-01\nb,x,oops\n\n\n", 3),
        ("user,item,time\r\n\r\na,x,2020-01-01\r\n\r\nb,x,oops\r\n", 5),
        (HEADER + '"a\nb",x,2020-01-01\nb,x,oops\n', 4),
        (HEADER + '\n"a""b",x,2020-01-01\n"c,""d",x,oops\n', 4),
        (HEADER.replace(",", " ") + "\na x 2020-01-01\n  \nb x oops\n", 5),
        (HEADER.replace(",", "::") + '\na"::x::2020-01-01\n\nb::x::oops\n', 5),
        ("\ufeff" + HEADER + "\na,x,2020-01-01\nb,x,oops\n", 4),
    ],
)
def test_a_bad_row_is_named_by_its_line(tmp_path, text, bad):
    assert rows_of(refused(table(tmp_path, text))) == [(bad, "time")]
    assert text.encode().splitlines()[bad - 1].endswith(b"oops")
    good = read_log(table(tmp_path, text.replace("oops", "2020-01-02")), domain="social")
    assert good.column("file_row").max() == bad
    packed = tmp_path / "t.csv.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    assert rows_of(refused(packed)) == [(bad, "time")]


def test_lines_of_other_errors_and_of_files_without_header(tmp_path):
    placed = {"mapping": "user=#1,item=#2,time=#3"}
    error = refused(table(tmp_path, "a,x,2020-01-01\n\nb,x,oops\n"), **placed)
    assert rows_of(error) == [(3, "#3")]
    error = refused(table(tmp_path, HEADER + "\na,x,2020-01-01\n\nb,x,2020-01-02,5\n\nb,x\n,x,2020-01-01\n"))
    assert rows_of(error) == [(5, ""), (7, ""), (8, "user")]
    items = tmp_path / "items.csv"
    items.write_text("id,price\n\nx,1\n\ny,-1\n")
    events = table(tmp_path, HEADER + "a,x,2020-01-01\n")
    assert rows_of(refused(events, items=items)) == [(5, "price")]
    items.write_text("id,price\n\nx,1\n\nx,2\n")
    assert rows_of(refused(events, items=items)) == [(5, "id")]


def test_many_blank_lines_between_many_rows(tmp_path):
    rng = np.random.default_rng(3)
    lines = [f"u{k},x,2020-01-01" + "\n" * int(rng.integers(1, 4)) for k in range(50_000)]
    text = HEADER + "".join(lines)
    log = read_log(table(tmp_path, text), domain="social")
    named = dict(zip(log.users["id"].to_pylist(), log.column("file_row").tolist(), strict=True))
    for line, row in enumerate(text.split("\n"), 1):
        if line > 1 and row:
            assert named[row.split(",")[0]] == line


# zones


@pytest.mark.parametrize(
    ("times", "bad", "needed"),
    [
        (["2020-01-01T10:00:00Z", "2020-01-01T11:00:00Z", "2020-01-01 10:00:00"], 4, "with a zone"),
        (["2020-01-01T10:00:00+02:00", "2020-01-01", "2020-01-01 10:00:00"], 2, "without a zone"),
        (["2020-01-01 10:00:00 UTC", "2020-01-01 11:00:00 UTC", "2020-01-01 10:00"], 4, "with a zone"),
        (["20200101T100000Z", "20200102T100000", "20200102T110000"], 2, "without a zone"),
        (["11/15/2019 8:55 UTC", "11/15/2019 8:55", "11/15/2019 8:56"], 2, "without a zone"),
        (["2020-01-01T10:00:00Z", "2020-01-01T11:00:00"], 3, "with a zone"),
    ],
)
def test_times_with_and_without_a_zone_are_refused(tmp_path, times, bad, needed):
    rows = "".join(f"u,i{k},{time}\n" for k, time in enumerate(times))
    error = refused(table(tmp_path, HEADER + rows))
    assert rows_of(error) == [(bad, "time")]
    assert f"a time {needed} is needed, as other rows have" in str(error)


def test_several_zones_are_one_clock(tmp_path):
    times = (
        "2020-01-01T10:00:00+02:00",
        "2020-01-01T10:00:00Z",
        "2020-01-01 10:00:00 UTC",
        "2020-01-01 05:00:00 -0500",
    )
    rows = "".join(f"u,i{k},{time}\n" for k, time in enumerate(times))
    hours = read_log(table(tmp_path, HEADER + rows), domain="social").column("time") // 3_600_000 % 24
    assert sorted(hours.tolist()) == [8, 10, 10, 10]


# what was read is said

OPEN = "no row shows whether the point separates thousands"


@pytest.mark.parametrize(
    ("words", "remarks"),
    [
        (["1,50", "1,234"], ["have the decimal sign ',': 1,50 is 1.5"]),
        (["$1.50", "$1.234"], ["are in $", "have the decimal sign '.': $1.234 is 1.234"]),
        (["1.50", "1,234"], ["have the decimal sign '.': 1,234 is 1234"]),
        (["1.234,50", "1.234"], ["have the decimal sign ',': 1.234,50 is 1234.5"]),
        (["9.99", "12.5"], []),
        (["9.99", "1.234", "NA", ""], []),
        (["0.123", "1.234", "1e3"], []),
        (["$9.99", "$12"], ["are in $"]),
        (["1.234", "12"], [f"have the decimal sign '.': 1.234 is 1.234; {OPEN}"]),
        (["15.000", "7.500", "NA"], [f"have the decimal sign '.': 15.000 is 15; {OPEN}"]),
    ],
)
def test_a_remark_names_the_decimal_sign_of_prices(tmp_path, words, remarks):
    rows = "".join(f"u{k};i{k};{word}\n" for k, word in enumerate(words))
    log = read_log(table(tmp_path, "user;item;price\n" + rows), domain="ecommerce")
    assert [line for line in other_remarks(log) if "have no price" not in line] == [
        f"t.csv: prices {r}" for r in remarks
    ]
    (tmp_path / "items.csv").write_text(
        "id;price\n" + "".join(f"i{k};{word}\n" for k, word in enumerate(words))
    )
    shown = read_log(table(tmp_path, "user,item\nu,i0\n"), domain="ecommerce", items=tmp_path / "items.csv")
    assert list(other_remarks(shown)) == [f"items.csv: prices {remark}" for remark in remarks]
    assert shown.items["price"].to_pylist()[0] == log.column("price")[0]


def test_a_remark_states_that_all_rows_are_responses(tmp_path):
    for domain, text in (
        ("ecommerce", "user,item,event\na,x,view\nb,y,purchase\n"),
        ("social", "user,item,listen\na,x,1\nb,y,1\n"),
        ("content", "user,item,rating\na,x,5\nb,y,4\n"),
    ):
        log = read_log(table(tmp_path, text), domain=domain)
        assert log.remarks[-1].startswith("all rows are responses (")
    more = table(tmp_path, "user,item,listen\na,x,1\nb,y,0\n")
    assert not read_log(more, domain="social").remarks
    frame = read_log(table(tmp_path, "user,item,listen\na,x,1\nb,y,1\n"), domain="social").to_pandas()
    again = Log.from_pandas(frame[["user", "item", "listen"]], domain="social")
    assert again.remarks[-1].startswith("all rows are responses (listen)")


def test_thousands_of_unknown_words_are_eleven_problems(tmp_path):
    rows = "".join(f"a,x{k},w{k}\na,y{k},w{k}\n" for k in range(3_000))
    error = refused(table(tmp_path, "user,item,event\na,x,click\n" + rows), domain="ecommerce")
    assert len(error.problems) == 11
    assert error.problems[0].row == 3
    assert error.problems[-1].value == "2,990 further unknown words in 5,980 rows"
    assert error.problems[-1].row == 23
    few = "".join(f"a,x{k},w{k}\n" for k in range(11))
    assert len(refused(table(tmp_path, "user,item,event\n" + few), domain="ecommerce").problems) == 11


@pytest.mark.parametrize("cell", ["nan", "NA", "", "null"])
def test_a_rating_that_is_none_says_why(tmp_path, cell):
    error = refused(table(tmp_path, f"user,item,rating\na,x,5\na,y,{cell}\nb,x,3\n"), domain="content")
    assert str(error) == (
        "t.csv, row 3, rating: a value is needed; found nothing: an empty cell, NA, nan, null or the like"
    )


def test_json_lines_that_are_not_ottos_are_a_table_of_plain_names(tmp_path):
    path = table(tmp_path, '{"user": 1, "item": 2, "session": 3, "event": "view"}\n', "t.jsonl")
    assert read_log(path, domain="ecommerce").items["id"].to_pylist() == ["2"]
    other = table(tmp_path, '{"who": 1, "item": 2}\n', "t.jsonl")
    error = refused(other, domain="ecommerce")
    assert str(error).startswith(
        "t.jsonl, row 1: there is no column 'user'; name the columns by a map, --map"
    )


@pytest.mark.parametrize(
    "header", ["user,item,time", "user\titem", " user , item", "user::item", "user item", "\ufeffuser,item"]
)
@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n"])
def test_a_header_alone_has_no_rows(tmp_path, header, end):
    error = refused(table(tmp_path, header + end), domain="content")
    assert str(error) == "t.csv: there are no rows below the header"


BAD_NUMBERS = [
    "0x5f5e1000",
    "0X5F5E1000",
    "1_600_000_009",
    "0b11",
    "0o17",
    "1600000009L",
    "inf",
    "1e400",
    "nan(1)",
]


@pytest.mark.parametrize("word", BAD_NUMBERS)
def test_a_time_is_a_decimal_number(tmp_path, word):
    rows = "".join(f"u,i{k},{1_600_000_000 + k}\n" for k in range(5))
    error = refused(table(tmp_path, "user,item,time\n" + rows + f"u,i,{word}\n"), domain="content")
    assert str(error).startswith("t.csv, row 7, time: a ")
    error = refused(table(tmp_path, f"user,item,time\nu,i,{word}\n"), domain="content")
    assert str(error).startswith("t.csv, row 2, time: a ")


@pytest.mark.parametrize("key", ["step", "position", "watch_ms", "price", "rating", "click", "duration_ms"])
@pytest.mark.parametrize("word", ["0x1", "0X1", "1_0", "inf"])
def test_a_number_is_decimal(tmp_path, key, word):
    path = table(tmp_path, f"user,item,{key}\nu,i,1\nu,j,{word}\n")
    assert str(refused(path, domain="content")).startswith(f"t.csv, row 3, {key}: ")


def test_ids_may_be_in_hexadecimal(tmp_path):
    rows = "".join(f"0x{k % 2},0xAB{k},{1_600_000_000 + k},{k}.5\n" for k in range(4))
    log = read_log(table(tmp_path, "user,item,time,context_x\n" + rows), domain="content")
    assert log.items["id"].to_pylist() == [f"0xAB{k}" for k in range(4)]
    assert sorted(log.column("time")) == [1000 * (1_600_000_000 + k) for k in range(4)]


@pytest.mark.parametrize(
    ("source", "name", "old", "new", "place"),
    [
        ("movielens_1m", "ml-1m/ratings.dat", "978302109", "0x3a502ba8", "row 2, Timestamp: a whole number"),
        (
            "movielens_25m",
            "ml-25m/ratings.csv",
            "1147868817",
            "0X3a502ba8",
            "row 3, timestamp: a whole number",
        ),
        ("movielens_25m", "ml-25m/ratings.csv", "3.5", "inf", "row 3, rating: a number"),
        ("retailrocket", "events.csv", "1433224214164", "0x14db2d9e1a0", "row 5, timestamp: a whole number"),
        ("kuairec", "KuaiRec 2.0/data/big_matrix.csv", "1593997200.0", "inf", "row 6, timestamp: a number"),
        (
            "kuairec",
            "KuaiRec 2.0/data/big_matrix.csv",
            ",6500,",
            ",0x6500,",
            "row 6, play_duration: a whole number",
        ),
    ],
)
def test_numbers_of_data_sets_are_decimal(tmp_path, source, name, old, new, place):
    files = {"movielens_1m": ML1M, "movielens_25m": ML25M, "retailrocket": RETAILROCKET, "kuairec": KUAIREC}[
        source
    ]
    folder = write_files(tmp_path, changed(files, name, old, new))
    assert refused_folder(folder, source=source).startswith(f"{name}, {place} is needed; found ")


def test_prices_of_a_table_of_items_are_decimal(tmp_path):
    items = tmp_path / "items.csv"
    items.write_text("id,price\ni,0x10\nj,3\n")
    path = table(tmp_path, "user,item\nu,i\nv,j\n")
    error = refused(path, domain="ecommerce", items=items)
    assert str(error) == "items.csv, row 2, price: a number is needed; found '0x10'"


def test_hexadecimal_numbers_are_found_between_blocks(tmp_path):
    for before in range(30):
        (tmp_path / "t.txt").write_bytes(b"1" * (BLOCK_BYTES - before) + b",0x1234567890abcdef,")
        assert has_hexadecimal(Files(tmp_path / "t.txt"), "t.txt")
    (tmp_path / "t.txt").write_bytes(b"10x10,a0x1,0x,0xg,0x" + b"a" * 40)
    assert not has_hexadecimal(Files(tmp_path / "t.txt"), "t.txt")
