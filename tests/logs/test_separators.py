"""Separators of text tables."""

import pyarrow as pa
import pytest
from log_files import refused, write

from recgym.logs import read_log
from recgym.logs.separators import BLOCK_BYTES, separator_of, single


@pytest.mark.parametrize(
    ("line", "separator"),
    [
        ("user,item", ","),
        ("user;item,1;time", ";"),
        ("user\titem", "\t"),
        ("user|item", "|"),
        ("1::7::5::978300760", "::"),
        ("1::Toy Story::Animation|Comedy", "::"),
        ("user item  time", " "),
        ("user id,item id,time", ","),
        ("user^item", ""),
    ],
)
def test_the_separator_is_that_of_the_header(line, separator):
    assert separator_of(line) == separator


@pytest.mark.parametrize(
    "text",
    [
        "user item time\nu1 i2  1600000000\n  u1\t i3 1600000001 \n\n",
        "user item time\r\nu1   i2 1600000000\r\nu1 i3 1600000001 \t \r\n",
        "user::item::time\nu1::i2::1600000000\nu1::i3::1600000001\n",
        "user::item::time\nu1::i2::1600000000\nu1::i3::1600000001",
        'user item time\n"u1" "i2" 1600000000\nu1 i3 1600000001',
    ],
)
def test_tables_of_colons_and_white_space(tmp_path, text):
    log = read_log(write(tmp_path / "t.txt", text), domain="content")
    assert log.users["id"].to_pylist() == ["u1"]
    assert log.items["id"].to_pylist() == ["i2", "i3"]
    assert log.column("time").tolist() == [1_600_000_000_000, 1_600_000_001_000]
    assert log.column("file_row").tolist() == [2, 3]


def test_colons_without_a_header_and_cells_that_have_one_colon(tmp_path):
    path = write(tmp_path / "ratings.dat", "1::a:b::4::1600000000\n2::c::3::1600000060\n")
    log = read_log(path, domain="content", mapping="user=#1,item=#2,rating=#3,time=#4")
    assert log.items["id"].to_pylist() == ["a:b", "c"]
    assert log.column("click").tolist() == [True, False]


def test_quoted_spaces_are_kept_and_other_widths_are_refused_by_row(tmp_path):
    path = write(tmp_path / "t.txt", 'user item category\na x "science fiction"\nb y drama\n')
    log = read_log(path, domain="content")
    assert log.items["category"].to_pylist() == ["science fiction", "drama"]
    path = write(tmp_path / "t.txt", "user item time\na x 2020-01-01 10:00:00\n")
    assert refused(path) == "t.txt, row 2: a row must have 3 cells; found 4"


def test_a_table_of_one_column_gets_the_list_of_separators(tmp_path):
    message = "t.csv, row 1: one column found, 'user^item'; separators known are , ; tab | :: and white space"
    assert refused(write(tmp_path / "t.csv", "user^item\na^b\n")) == message


def test_lines_across_blocks_are_rewritten_as_one():
    lines = [f"{k}::{'x' * (k % 50)}::{k}" for k in range(3 * BLOCK_BYTES // 30)]
    text = "\n".join(lines).encode()
    assert len(text) > 2 * BLOCK_BYTES
    stream, separator = single(pa.BufferReader(text), "::")
    assert b"".join(iter(lambda: stream.read(100_000), b"")) == text.replace(b"::", separator.encode())


@pytest.mark.parametrize(
    "header",
    [
        ' user , item ," click"',
        '"user ",item,click',
        "user\u00a0,item,\u200bclick",
        "\ufeff\ufeffuser,item,click",
        '\ufeff"user" ,item,click',
        "\n\n user, item, click",
    ],
)
@pytest.mark.parametrize("sign", [",", ";", "\t", "::"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_names_of_columns_are_without_spaces(tmp_path, header, sign, end):
    """Arrow was asked for names without spaces, and its header had them: no column of the name."""
    text = "\n".join([header, "u,1,1", "v,2,0"]).replace(",", sign).replace("\n", end) + end
    log = read_log(write(tmp_path / "t.csv", text), domain="content")
    assert log.users["id"].to_pylist() == ["u", "v"]
    assert log.column("click").tolist() == [True, False]


def test_names_of_columns_may_be_quoted_between_white_space_and_colons(tmp_path):
    """As R's write.table(row.names=FALSE) has them."""
    for text in (
        '"user" "item id" "click"\n"u" "a b" 1\n"u" "c" 0\n',
        '"user"::"item id"::"click "\nu::a b::1\nu::c::0\n',
    ):
        path = write(tmp_path / "t.txt", text)
        log = read_log(path, domain="content", mapping="user=user,item=item id,click=click")
        assert (log.items["id"].to_pylist(), log.column("click").tolist()) == (["a b", "c"], [True, False])


def test_names_of_columns_of_literal_quotes_and_other_encodings(tmp_path):
    text = ' user , item ,"prix\u00e9" ,click\nu,1,"Gre,1\nu,2,y,0\n'
    path = write(tmp_path / "t.csv", text.encode("latin-1"))
    columns = 'user=user,item=item,category="prix\u00e9",click=click'
    log = read_log(path, domain="content", mapping=columns, quote="literal", encoding="latin-1")
    assert log.items["category"].to_pylist() == ['"Gre', "y"]
