"""The generic table: ratings, files without header, what a stranger is told, and reading that scales."""

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recgym.logs import LogError, parquet_files, read_log
from recgym.logs.ids import first_rows, index_ids, lookup
from recgym.logs.sessionize import join_actions, merged, number_steps


def refused(path, **options) -> str:
    with pytest.raises(LogError) as error:
        read_log(path, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def table(tmp_path, text, name="my.csv"):
    path = tmp_path / name
    path.write_text(text)
    return path


# ---- ratings

STARS = "u,i,stars,t\na,x,5,1600000100\na,y,3.5,1600000101\nb,x,4,1600000102\n"


@pytest.mark.parametrize(
    ("rating", "domain", "event", "expected", "remark"),
    [
        ("stars", "content", "click", [True, False, True], "my.csv: a rating of 4 or more counts as click, an"),
        ("stars", "social", "listen", [True, False, True], "my.csv: a rating of 4 or more counts as listen"),
        ("stars>=5", "content", "click", [True, False, False], "my.csv: a rating of 5 or more counts as click"),
        ("stars >= 3.5", "content", "click", [True, True, True], "my.csv: a rating of 3.5 or more counts"),
    ],
)  # fmt: skip
def test_ratings_become_answers_and_stay(tmp_path, rating, domain, event, expected, remark):
    log = read_log(table(tmp_path, STARS), domain=domain, mapping=f"user=u,item=i,rating={rating},time=t")
    assert log.events == (event,)
    assert log.column(event).tolist() == expected
    assert log.column("rating").tolist() == [5, 3.5, 4]
    assert log.remarks[1].startswith(remark)


@pytest.mark.parametrize(
    ("text", "mapping", "message"),
    [
        (STARS, "user=u,item=i,rating=stars>=many", "map: rating>='many': a number is needed, as in rating=stars>=4"),
        (STARS.replace("3.5", "good"), "user=u,item=i,rating=stars", "my.csv, row 3, stars: a number is needed; found"),
        (STARS.replace("3.5", ""), "user=u,item=i,rating=stars", "my.csv, row 3, stars: a value is needed; found"),
        ("u,i,stars,click\na,x,5,1\n", "user=u,item=i,rating=stars,click=click", "my.csv: give either event or rat"),
    ],
)  # fmt: skip
def test_bad_ratings_are_told(tmp_path, text, mapping, message):
    assert refused(table(tmp_path, text), domain="content", mapping=mapping).startswith(message)


# ---- files without header


def test_columns_of_a_file_without_header_are_named_by_their_place(tmp_path):
    path = table(tmp_path, "1\t7\tpv\t1511544070\n1\t8\tbuy\t1511544071\n1\t7\tpv\t1511544070\n")
    log = read_log(path, domain="ecommerce", mapping="user=#1,item=#2,event=#3,time=#4")
    assert log.items["id"].to_pylist() == ["7", "8"]
    assert log.column("purchase").tolist() == [False, True]
    assert log.column("file_row").tolist() == [1, 2]
    assert log.duplicates == 1


@pytest.mark.parametrize(
    ("text", "mapping", "message"),
    [
        ("1,7,1511544070\n", "user=user_id,item=item",
         "my.csv, row 1: there is no column 'user_id', and '1,7,1511544070' looks like data: where a file has no "
         "header, name its columns by their number, as in user=#1,item=#2,time=#3"),
        ("1,7,1511544070\n", None, "my.csv, row 1: there is no column 'user', and '1,7,1511544070' looks like data"),
        ("who,what\na,b\n", None, "my.csv, row 1: there is no column 'user'; name the columns by a map, --map"),
        ("1,7,1511544070\n", "user=#1,item=thing", "map: 'thing' is a name and '#1' the number of a column"),
        ("1,7\n1,8,9\n", "user=#1,item=#2", "my.csv, row 2: a row must have 2 cells; found 3"),
        ("1,7,x\n1,8,5\n", "user=#1,item=#2,price=#3", "my.csv, row 1, #3: a number is needed; found 'x'"),
        ("1,7\n", "user=#1,item=#3", "my.csv, row 1: the header must have '#3'; found #1, #2"),
    ],
)  # fmt: skip
def test_what_is_missing_is_told_with_what_to_do(tmp_path, text, mapping, message):
    assert refused(table(tmp_path, text), domain="ecommerce", mapping=mapping).startswith(message)


def test_a_table_without_a_domain_is_told_how_to_say_it(tmp_path):
    assert refused(table(tmp_path, "user,item\na,b\n")).endswith(
        "my.csv: a table needs a domain, ecommerce, content, social: say --domain, or domain= in Python"
    )


# ---- the parts that make it scale, each against the same thing done plainly


def test_first_rows_against_a_set():
    rng = np.random.default_rng(0)
    rows = [(f"u{a}", int(b), float(c), None if d else "x") for a, b, c, d in rng.integers(0, 4, (500, 4))]
    columns = [list(column) for column in zip(*rows, strict=True)]
    columns[1][::7] = [None] * len(columns[1][::7])
    rows = list(zip(*columns, strict=True))
    seen: set = set()
    expected = [k for k, row in enumerate(rows) if not (row in seen or seen.add(row))]
    plain = pa.table(dict(zip("abcd", columns, strict=True)))
    coded = plain.set_column(0, "a", plain["a"].dictionary_encode())
    assert first_rows(plain).tolist() == first_rows(coded).tolist() == expected
    assert len(expected) < 400


def test_rows_that_share_a_hash_are_compared(monkeypatch):
    monkeypatch.setattr("recgym.logs.ids.row_hashes", lambda table: np.zeros(len(table), np.uint64))
    assert first_rows(pa.table({"a": [1, 2, 1, 3, 2], "b": ["x"] * 5})).tolist() == [0, 1, 3]


def test_steps_and_joins_against_loops():
    rng = np.random.default_rng(1)
    session = np.sort(rng.integers(0, 40, 600))
    slate = rng.integers(-1, 3, 600)
    expected, known = [], {}
    for k, (visit, page) in enumerate(zip(session.tolist(), slate.tolist(), strict=True)):
        steps = known.setdefault(visit, {})
        expected.append(steps.setdefault(page if page >= 0 else ("alone", k), len(steps)))
    assert number_steps(session, slate).tolist() == expected

    item = rng.integers(0, 4, 600)
    flags = np.stack([np.ones(600, bool), rng.random(600) < 0.3, rng.random(600) < 0.1], axis=1)
    flags[:, 1] |= flags[:, 2]
    rows, joined = merged(join_actions(session, item, flags), flags)
    kept: list[list] = []  # [session, item, run, events beyond the first that the row has, row, flags]
    run: dict = {}
    for k in range(600):
        key, kind = (session[k], item[k]), int(flags[k].nonzero()[0].max())
        if kind == 0 or key not in run:
            run[key] = []
        group = run[key]
        free = next((row for row in group if kind not in row["kinds"]), None)
        if free is None:
            free = {"row": k, "kinds": set(), "flags": np.zeros(3, bool)}
            group.append(free)
            kept.append([free])
        free["kinds"].add(kind)
        free["flags"] |= flags[k]
    order = sorted((entry[0] for entry in kept), key=lambda entry: entry["row"])
    assert rows.tolist() == [entry["row"] for entry in order]
    np.testing.assert_array_equal(joined, [entry["flags"] for entry in order])


def test_ids_are_those_that_occur_whatever_a_dictionary_holds():
    coded = pa.chunked_array(
        [
            pa.DictionaryArray.from_arrays([1, 0], ["a10", "a2", "never"]),
            pa.DictionaryArray.from_arrays([0], ["b"]),
        ]
    )
    index, ids = index_ids(coded)
    assert ids == ["a2", "a10", "b"]
    assert index.tolist() == [0, 1, 2]
    assert lookup(coded, pa.array(["b", "a2"])).tolist() == [1, -1, 0]


def test_batches_of_a_parquet_file_give_the_rows_of_the_whole(tmp_path, monkeypatch):
    rng = np.random.default_rng(2)
    words = {
        "user": [f"u{k}" for k in rng.integers(0, 50, 1000)],
        "item": [f"i{k}" for k in rng.integers(0, 30, 1000)],
    }
    frame = pa.table(
        {
            **words,
            "time": rng.integers(1_600_000_000, 1_601_000_000, 1000),
            "click": rng.random(1000) < 0.5,
            "rest": [0] * 1000,
        }
    )
    pq.write_table(frame, tmp_path / "t.parquet")
    whole = read_log(tmp_path / "t.parquet", domain="content")
    monkeypatch.setattr(parquet_files, "BATCH_ROWS", 7)
    monkeypatch.setattr(parquet_files, "MAX_DICTIONARIES", 3)
    parts = read_log(tmp_path / "t.parquet", domain="content")
    assert parts.rows.equals(whole.rows)
    assert parts.items.equals(whole.items)
    assert "rest" not in parts.rows.column_names


def test_memory_of_a_parquet_file_stays_below_that_of_its_text(tmp_path):
    """300,000 rows of long words: their text alone would be 300 MB."""
    rows = 300_000
    rng = np.random.default_rng(3)
    long = pa.array(["x" * 500 + str(k) for k in range(1000)])
    columns = {
        name: pa.DictionaryArray.from_arrays(rng.integers(0, 1000, rows), long) for name in ("user", "item")
    }
    pq.write_table(
        pa.table({**columns, "time": rng.integers(10**9, 2 * 10**9, rows)}),
        tmp_path / "t.parquet",
        store_schema=False,
    )
    code = (
        "import resource, sys; from recgym.logs import read_log; import pyarrow.parquet\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "before = peak(); log = read_log(sys.argv[1], domain='content'); print(len(log), peak() - before)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "t.parquet")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    length, megabytes = done.stdout.split()
    assert int(length) == rows
    assert float(megabytes) < 200
