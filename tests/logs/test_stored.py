"""Logs in folders: checksums, damage, and other contents."""

import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from log_files import refused, tiny, unsigned

from recgym.logs import Log, LogError, read_log, sample_log, validate
from recgym.logs.columns import Source
from recgym.sim.synthetic import synthetic


def test_a_saved_log_has_checksums_and_any_damage_is_refused(stored):
    names = {path.name for path in stored.iterdir()}
    assert names == {
        "SHA256SUMS",
        "meta.json",
        "rows.parquet",
        "users.parquet",
        "items.parquet",
        "friends.parquet",
    }
    assert Log.read(stored).friends.equals(tiny().friends)
    for name in names - {"SHA256SUMS"}:
        whole = (stored / name).read_bytes()
        for damaged in (
            whole[:-1],
            whole + b"\0",
            whole[: len(whole) // 2] + bytes([whole[len(whole) // 2] ^ 1]) + whole[len(whole) // 2 + 1 :],
        ):
            (stored / name).write_bytes(damaged)
            assert name in refused(stored)
            (stored / name).unlink()
        with pytest.raises(LogError, match=name):
            Log.read(stored)
        os.mkfifo(stored / name)
        with pytest.raises(LogError, match=name):
            Log.read(stored)
        (stored / name).unlink()
        (stored / name).write_bytes(whole)
    assert len(Log.read(stored)) == 3


META = (
    '{"schema": "recgym.log/1", "domain": "social", "source": {"name": "tiny", "licence": "CC0", "citation": "", \
"note": ""}, "duplicates": 0, "remarks": [], "num_rows": 3}'
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "holds a JSON list, expected an object"),
        ("3", "holds a JSON int"),
        ("null", "holds a JSON NoneType"),
        ('"a"', "holds a JSON str"),
        ("{", "is not valid JSON"),
        ("", "is not valid JSON"),
        ("[" * 100_000, "is not valid JSON: it is nested too deep"),
        ('{"a":' * 100 + "1" + "}" * 100, "is nested deeper than 64"),
        ("\xff", "is not valid JSON"),
        ("{}", "schema is missing"),
        (META.replace("log/1", "log/2"), "schema is 'recgym.log/2', expected 'recgym.log/1'"),
        (META.replace('"social"', '["social"]'), "domain is ['social'], expected str"),
        (META.replace('"social"', '"shop"'), "domain 'shop' is unknown"),
        (META.replace('"social"', '"content"'), "log"),
        (META.replace('"remarks": []', '"remarks": "one"'), "remarks is 'one', expected list"),
        (META.replace('"remarks": []', '"remarks": [1]'), "a remark is not text"),
        (META.replace('"num_rows": 3', '"num_rows": 4'), "3 rows; it had 4"),
        (META.replace('"num_rows": 3', '"num_rows": "3"'), "num_rows is '3', expected int"),
        (META.replace('"note": ""', '"note": 1'), "note is 1, expected str"),
        (META.replace('"note": ""', '"notes": ""'), "note is missing"),
        (META.replace('"note": ""', '"note": "", "x": ""'), "source has an unknown key 'x'"),
    ],
)
def test_meta_json_of_any_other_content_is_refused(stored, text, message):
    (unsigned(stored) / "meta.json").write_bytes(text.encode("latin-1"))
    if message == "log":  # of another domain: read as such
        assert Log.read(stored).domain == "content"
    else:
        assert message in refused(stored)


def ints(*values):
    return pa.array(values, pa.int32())


@pytest.mark.parametrize(
    ("table", "column", "values", "message"),
    [
        ("rows", "user", ints(0, 0, 2), "a.csv, row 4, user: user must be an index of the users table, 0 to 1"),
        ("rows", "user", ints(-1, -1, 1), "row 2, user: user must be an index"),
        ("rows", "item", ints(0, 1, 99), "row 4, item: item must be an index of the items table, 0 to 1; found 99"),
        ("rows", "item", ints(0, None, 1), "row 3, item: item must not be empty"),
        ("rows", "item", pa.array([0, 1, 1]), "column item of a log must be int32; it is int64"),
        ("rows", "item", pa.array(["x", "y", "y"]), "column item of a log must be int32; it is string"),
        ("rows", "session", pa.array([1, 0, 1]), "row 3, session: rows must be sorted"),
        ("rows", "listen", ints(1, 1, 0), "column listen of a log must be bool"),
        ("rows", "file", ints(1, 1, 0), "column file of a log is the origin of rows: text needed; it is int32"),
        ("rows", "file", pa.array([None, None, "a"]), None),
        ("rows", "step", ints(0, -1, 0), "row 3, step: a step must be 0 or above"),
        ("users", "id", ints(1, 2), "column id of the users table must be string; it is int32"),
        ("users", "id", pa.array(["a", "a"]), "tiny users, row 2, id: an id must occur once"),
        ("items", "id", pa.array([None, "x"]), "tiny items, row 1, id: an id must occur once"),
        ("items", "category", pa.array([["a"], ["b"]]), "column category of the items table cannot be list"),
        ("items", "price", pa.array(["a", "b"]), "column price of the items table cannot be string"),
        ("friends", "friend", ints(2), "tiny friends, row 1, friend: user and friend must be two indices"),
        ("friends", "friend", ints(0), "tiny friends, row 1, friend: user and friend must be two indices"),
        ("friends", "friend", ints(None), "tiny friends, row 1, friend: user and friend must be two indices"),
        ("friends", "friend", pa.array([1]), "column friend of the friends table must be int32"),
    ],
)  # fmt: skip
def test_tables_of_a_saved_log_are_checked_by_their_contents(stored, table, column, values, message):
    place = unsigned(stored) / f"{table}.parquet"
    whole = pq.read_table(place)
    at = whole.schema.get_field_index(column)
    changed = whole.append_column(column, values) if at < 0 else whole.set_column(at, column, values)
    pq.write_table(changed, place)
    if message is None:
        assert len(Log.read(stored)) == 3
        return
    assert message in refused(stored)
    with pytest.raises(LogError, match=r"^[^\n]+$"):
        Log.read(stored)


@pytest.mark.parametrize("table", ["rows", "users", "items", "friends"])
def test_a_table_without_a_column_or_with_one_twice_is_refused(stored, table):
    place = unsigned(stored) / f"{table}.parquet"
    whole = pq.read_table(place)
    name = whole.column_names[0]
    pq.write_table(whole.append_column(name, whole[name]), place)
    assert f"has the column {name} twice" in refused(stored)
    pq.write_table(whole.drop([name]), place)
    assert f"must have a column {name}" in refused(stored)


def test_a_log_that_breaks_rules_is_read_only_without_checks(stored):
    place = unsigned(stored) / "rows.parquet"
    whole = pq.read_table(place)
    pq.write_table(whole.set_column(whole.schema.get_field_index("step"), "step", ints(0, -1, -2)), place)
    with pytest.raises(LogError, match="step"):
        Log.read(stored)
    assert [problem.row for problem in validate(read_log(stored, check=False)) if "0 or" in problem.rule] == [
        3,
        4,
    ]


def test_a_full_disk_leaves_nothing_and_gives_one_line(tmp_path):
    """A limit on the size of files imitates a full disk: the tables need more."""
    code = (
        "import resource, sys; import numpy as np, pyarrow as pa; from recgym.logs import Log, Source\n"
        "n = 200_000; rng = np.random.default_rng(0)\n"
        "log = Log.build({'user': np.zeros(n, int), 'item': np.zeros(n, int), 'session': np.arange(n),\n"
        "    'step': np.zeros(n, int), 'propensity': rng.random(n)}, users=pa.table({'id': ['a']}),\n"
        "    items=pa.table({'id': ['x']}), domain='content', source=Source('s', '', ''))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))\n"
        "try: log.write(sys.argv[1])\n"
        "except OSError as error: print(type(error).__name__, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "log"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1
    assert "File too large" in done.stdout
    assert str(tmp_path / "log") in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_written_log_takes_no_other_domain_and_no_options(stored):
    assert refused(stored, domain="content").endswith("log: this log has the domain social, not 'content'")
    assert refused(stored, tab=1).endswith("log: a log that recgym wrote takes no option 'tab'")


def test_a_sampled_log_is_parquet_with_the_propensity_of_each_shown_item(tmp_path):
    world = synthetic(4, num_items=10, num_users=5)
    sample_log(world, "random", 30, seed=1, slate_size=2, horizon=4).write(tmp_path / "log")
    rows = pq.read_table(tmp_path / "log" / "rows.parquet")
    assert {"session", "step", "position", "item", "propensity"} <= set(rows.column_names)
    expected = pc.divide(1.0, pc.cast(pc.subtract(10, rows["position"]), pa.float64()))
    assert pc.max(pc.abs(pc.subtract(rows["propensity"], expected))).as_py() < 1e-12


def test_unknown_columns_of_a_log_take_no_memory(tmp_path):
    num = 300_000
    columns = {
        "user": np.zeros(num, np.int32),
        "item": np.zeros(num, np.int32),
        "step": np.arange(num, dtype=np.int32),
    }
    ids = pa.table({"id": ["a"]})
    made = Log.build(
        columns | {"session": np.zeros(num, np.int64)}, users=ids, items=ids, domain="content",
        source=Source("made", "none", "none"),
    )  # fmt: skip
    made.write(tmp_path / "log")
    for log in (made, Log.read(tmp_path / "log", check=False)):
        memory = {
            buffer.address: buffer.size
            for column in log.rows.columns
            for chunk in column.chunks
            for buffer in chunk.buffers()
            if buffer is not None
        }
        assert sum(memory.values()) < 24 * num  # 20 bytes a row are known
        assert np.isnan(log.column("price")).all()
        assert log.rows["time"].null_count == len(log.column("time")) == num
