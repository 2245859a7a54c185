"""Quotes in files of text: cells that hold line breaks, and quotes that are not closed."""

import csv
import io

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pytest
from log_files import refused, write

from recgym.logs import LogError, quotes, read_log
from recgym.logs.files import Files
from recgym.logs.quotes import may_hold_long_cells, quoted_rows
from recgym.logs.text_form import TextForm

MAP = "user=user,item=item,time=time"
RULE = "a quote that opens a cell must be closed where the cell ends (quote=literal: quotes are characters)"


def of_titles(tmp_path, *titles, sign="\t", name="t.tsv"):
    rows = [sign.join((f"u{k}", f"i{k}", str(1_600_000_000 + k), title)) for k, title in enumerate(titles)]
    return write(tmp_path / name, "\n".join([sign.join(("user", "item", "time", "title")), *rows]) + "\n")


@pytest.mark.parametrize("sign", ["\t", ",", "|", ";", "::", " "])
@pytest.mark.parametrize(
    ("titles", "row", "why"),
    [
        (["A", '"Heroes', "B", "C"], 3, "and none closes it"),
        (["A", "B", '"Heroes'], 4, "and none closes it"),
        (['"Heroes', "B", '"Great', "C"], 2, "and the next one, in row 4, is not at the end of a cell"),
        (['"Heroes', "B", '"Great"', "C"], 2, "and the next one, in row 4, is not at the end of a cell"),
        (
            ['"Heroes', "B", '5"', "C"],
            2,
            "and each line to row 4, where one closes it, is like a row (quote=lines: they are text)",
        ),
    ],
)
def test_a_quote_that_is_not_closed_takes_no_rows(tmp_path, sign, titles, row, why):
    path = of_titles(tmp_path, *titles, sign=sign)
    for mapping in (MAP, None):
        message = refused(path, mapping=mapping)
        assert message == f"t.tsv, row {row}, title: {RULE}; found '\"Heroes', {why}"
    log = read_log(path, domain="content", mapping=MAP, quote="literal")
    assert log.column("file_row").tolist() == list(range(2, 2 + len(titles)))
    titled = read_log(path, domain="content", mapping=f"{MAP},category=title", source="generic:quote=literal")
    assert titled.items["category"].to_pylist() == titles


@pytest.mark.parametrize("at", [0, 1, 2])
def test_it_is_found_in_any_column(tmp_path, at):
    rows = [
        ["user", "item", "time"],
        ["u", "i", "1600000000"],
        ["u", "j", "1600000001"],
        ["u", "k", "1600000002"],
    ]
    rows[1][at] = '"' + rows[1][at]
    rows[3][at] += '"'  # the three rows become one of three cells
    path = write(tmp_path / "t.csv", "\n".join(map(",".join, rows)) + "\n")
    assert refused(path).startswith(f"t.csv, row 2, {rows[0][at]}: {RULE}")


@pytest.mark.parametrize("places", [[20_000], [0, 30_000], [100, 200, 59_000]])
def test_no_row_of_a_long_file_is_lost(tmp_path, places):
    """Arrow reads blocks of 1 MiB: what a quote took ended with its block, and the rows after it were read."""
    titles = np.full(60_000, "blue hat for men", object)
    titles[places] = '"red shoes'
    path = of_titles(tmp_path, *titles)
    assert refused(path, mapping=MAP).startswith(f"t.tsv, row {places[0] + 2}, title: {RULE}")
    assert len(read_log(path, domain="content", mapping=MAP, quote="literal")) == 60_000


def test_cells_may_hold_line_breaks_and_a_remark_counts_the_rows(tmp_path):
    """The oracle is Python's csv; some cells lie across the blocks in which files are read."""
    rng = np.random.default_rng(5)
    texts = [
        "",
        "plain",
        'a "quoted" word',
        "two\nlines",
        "\n",
        "a\r\nb, c",
        '"',
        '""\n""',
        "x" * 3_000 + "\n\n, y",
    ]
    rows = [
        [f"u{k % 70}\n{k % 7}", f"i{k}", 1_600_000_000 + k, texts[rng.integers(len(texts))], "end"]
        for k in range(8_000)
    ]
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows([["user", "item", "time", "text", "last"], *rows])
    path = write(tmp_path / "t.csv", file.getvalue())
    assert path.stat().st_size > 2 << 20
    log = read_log(path, domain="content", mapping=MAP)
    found = np.array(log.items["id"].to_pylist())[log.column("item")]
    row_of = dict(zip(found.tolist(), log.column("file_row").tolist(), strict=True))
    line = 2
    for row in rows:
        assert row_of.pop(row[1]) == line
        line += 1 + sum(len(cell.splitlines()) - 1 + cell.endswith("\n") for cell in (row[0], row[3]) if cell)
    assert not row_of
    said = "t.csv: 8,000 rows take several lines, as a cell in quotes holds line breaks; the first is row 2"
    assert said in log.remarks


def test_lines_that_are_like_rows_may_be_text(tmp_path):
    rows = 'u,i,1600000000,"one\n1,2,3\n\n4,5,6,"\nu,j,1600000001,two\n'
    path = write(tmp_path / "t.csv", "user,item,time,title\n" + rows)
    assert len(read_log(path, domain="content", mapping=MAP)) == 2  # the middle line has three cells
    path = write(tmp_path / "t.csv", "user,item,time,title\n" + rows.replace("2,3", "2,3,4"))
    assert "each line to row 5, where one closes it, is like a row" in refused(path, mapping=MAP)
    log = read_log(path, domain="content", mapping=MAP, quote="lines")
    assert log.column("file_row").tolist() == [2, 6]
    assert any("1 rows take several lines" in remark for remark in log.remarks)
    assert refused(of_titles(tmp_path, '"A', "B"), mapping=MAP, quote="lines").endswith("and none closes it")


def test_tables_beside_the_events_have_the_rule(tmp_path):
    events = write(tmp_path / "t.csv", "user,item\nu,1\nv,2\nv,3\n")
    items = write(tmp_path / "items.csv", 'id,title\n1,"Heroes\n2,B\n3,C\n')
    assert (
        refused(events, items=items)
        == f"items.csv, row 2, title: {RULE}; found '\"Heroes', and none closes it"
    )
    log = read_log(events, domain="content", items=items, quote="literal")
    assert log.items["title"].to_pylist() == ['"Heroes', "B", "C"]
    write(items, 'id,title\n1,"He\nroes"\n2,B\n3,C\n')
    log = read_log(events, domain="content", items=items)
    assert log.items["title"].to_pylist() == ["He\nroes", "B", "C"]
    assert any(remark.startswith("items.csv: 1 rows take several lines") for remark in log.remarks)


def test_quotes_within_cells_open_none(tmp_path):
    """Their lines were counted as those of one cell, so that messages named other rows."""
    path = write(
        tmp_path / "t.csv", 'user,item,time,size\nu,i,1600000000,5"\n\n\nv,i,1600000000,7\nw,i,soon,8\n'
    )
    assert refused(path).startswith("t.csv, row 6, time: ")


@pytest.mark.parametrize("sign", ["\t", ",", "|", ";", "::", " "])
@pytest.mark.parametrize(
    "title", ['"Great" show', '"Great"show', '"Great"" show" x', '"" x', '"Great"  "show"']
)
def test_quotes_that_close_before_the_cell_ends_are_no_part_of_it(tmp_path, sign, title):
    """Arrow drops them: the title became that of another item."""
    words = title, "Great show", "B"
    title, same, other = (word.replace(" ", "_") for word in words) if sign == " " else words
    path = of_titles(tmp_path, same, title, other, sign=sign)
    first = title[1:].partition('"')[0] if '""' not in title[1:] else ""
    message = refused(path, mapping=f"{MAP},category=title")
    assert message.startswith(f"t.tsv, row 3, title: {RULE}; found '\"{first}")
    assert message.endswith("and the next one, in row 3, is not at the end of a cell")
    assert len(read_log(path, domain="content", mapping=MAP)) == 3  # no other cell differs
    titled = read_log(path, domain="content", mapping=f"{MAP},category=title", quote="literal")
    assert titled.items["category"].to_pylist() == [same, title, other]


@pytest.mark.parametrize("key", ["user", "item", "session", "slate"])
def test_quotes_behind_a_space_are_no_part_of_an_id(tmp_path, key):
    """They were characters of it: the user was another one than without the space."""
    header = ["user", "item", "session", "slate"]
    rows = [[f'"{key}"' for key in "uist"], ["u", "j", "i", "t"]]
    rows[0][header.index(key)] = ' "x"'
    path = write(tmp_path / "t.csv", "\n".join(map(",".join, [header, *rows])) + "\n")
    rule = "quotes must follow the separator without a space"
    assert refused(path).startswith(f"t.csv, row 2, {key}: {rule}; found ' \"x\"'")


def test_each_such_cell_is_named(tmp_path):
    path = of_titles(tmp_path, '"A" b', "A b", '"C", d', '"E, f" g', '"h" ', sign=",")
    with pytest.raises(LogError) as error:
        read_log(path, domain="content", mapping=f"{MAP},category=title")
    assert [problem.row for problem in error.value.problems] == [2, 5]


def test_signs_of_lists_within_quotes_are_plain(tmp_path):
    """As JSON in CSV: the fast look finds each line, and takes none for odd."""
    rows = "".join(f'u{k},"[""a"",""b""]","{{""x"": ""y, z"", """": ""\'""}}"\n' for k in range(3))
    path = write(tmp_path / "t.csv", "user,shown,category\n" + rows)
    assert not may_hold_long_cells(Files(path), "t.csv", ",")
    path = write(tmp_path / "t.csv", "user,shown,category\n" + rows + 'u4,"[""a""] ,",x\nu5,[],"a," b\n')
    assert may_hold_long_cells(Files(path), "t.csv", ",")


@pytest.mark.parametrize("quote", ["double", "none", '"', "None"])
def test_an_unknown_form_of_quotes_is_refused(quote):
    with pytest.raises(LogError, match=r"quote .* is unknown; there are literal, lines"):
        TextForm.stated(quote=quote)


def lines_of(text, separator):
    return list(quoted_rows(pa.BufferReader(text.encode()), separator))


@pytest.mark.parametrize("separator", [",", "^"])
def test_rows_are_those_of_arrow(tmp_path, separator, monkeypatch):
    """Random texts of quotes, separators and line breaks; and no cell with a line break is overlooked."""
    monkeypatch.setattr(quotes, "BLOCK_BYTES", 3)
    rng, long, open_ones = np.random.default_rng(7), 0, 0
    for _ in range(500):
        text = "".join(rng.choice(["a", separator, '"', "\n", '""', "\r\n", "\r"], rng.integers(1, 12)))
        rows = lines_of(text + "\n", separator)
        cells = [cell for _, _, of_row in rows for cell in of_row]
        write(tmp_path / "t.csv", text)
        assert may_hold_long_cells(Files(tmp_path / "t.csv"), "t.csv", separator) or not cells
        if any(cell.after is None for cell in cells):
            open_ones += 1
            continue
        long += bool(cells)
        widths = {width for _, width, _ in rows}
        if len(widths) != 1:
            continue
        read = pacsv.read_csv(
            pa.BufferReader((text + "\n").encode()),
            pacsv.ReadOptions(column_names=[f"c{k}" for k in range(widths.pop())]),
            pacsv.ParseOptions(delimiter=separator, newlines_in_values=True),
            pacsv.ConvertOptions(column_types={f"c{k}": pa.string() for k in range(20)}),
        )
        assert len(read) == len(rows)
    assert min(long, open_ones) > 20
