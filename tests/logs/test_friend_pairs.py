"""Pairs of friends from a file."""

import gzip
from decimal import Decimal

import pyarrow as pa
import pytest
from log_files import parquet, refused, write

from recgym.logs import Log, read_log, validate


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("g.csv", "user,friend\nu0,u1\nu3,u2\n"),
        ("g.csv", "friend,since,user\nu1,2019,u0\nu2,2020,u3\n"),
        ("g.csv", "from,to\nu0,u1\nu3,u2\n"),
        ("g.csv", "from,to\nu0, u1\nu3 , u2\n"),
        ("g.tsv", "u0\tu1\nu3\tu2\n"),
        ("g.txt", "u0 u1\nu3  u2\n"),
        ("g.dat", "u0::u1\nu3::u2"),
        ("g.csv.gz", gzip.compress(b"a;b\nu0;u1\nu3;u2\n", mtime=0)),
        ("g.csv", "user,friend\nu0,u1\nu1,u0\nu0,u1\nu3,u2\n"),
        ("g.csv", "user,friend\nu0,u1\nu4,u4\nu9,u0\nu3,u2\nu8,u8\n"),
    ],
)
def test_friends_are_pairs_of_the_logs_users(tmp_path, listens, name, text):
    log = read_log(listens, domain="social", friends=write(tmp_path / "graph" / name, text))
    ids = log.users["id"].to_pylist()
    assert {tuple(ids[row[key]] for key in ("user", "friend")) for row in log.friends.to_pylist()} == {
        ("u0", "u1"),
        ("u2", "u3"),
    }
    assert log.friends.num_rows == 2
    assert log.remarks[-1].startswith(f"{name}: 2 pairs of friends")
    assert validate(log) == []
    log.write(tmp_path / "log")
    assert Log.read(tmp_path / "log").friends.equals(log.friends)
    again = read_log(tmp_path / "log")
    assert again.remarks[-1] == log.remarks[-1]


def test_pairs_that_are_left_out_are_counted(tmp_path, listens):
    rows = "u0,u1\nu1,u0\nu0,u1\nu4,u4\nu9,u0\nu8,u8\n"
    log = read_log(listens, domain="social", friends=write(tmp_path / "g.csv", "user,friend\n" + rows))
    assert log.remarks[-1] == (
        "g.csv: 1 pairs of friends; 2 rows with an unknown user left out; "
        "1 rows of a user with himself left out; 2 rows that repeat a pair"
    )


def test_friends_of_parquet_have_ids_of_every_type(tmp_path):
    path = parquet(tmp_path / "l.parquet", user=[7, 8, 9], item=["x", "y", "z"])
    for values in (
        pa.array([7, 9]),
        pa.array([Decimal(7), Decimal(9)], pa.decimal128(9, 1)),
        pa.array(["7", "9"]),
    ):
        graph = parquet(tmp_path / "g.parquet", a=values, b=pa.array([8, 8]))
        log = read_log(path, domain="social", friends=graph)
        assert log.friends.to_pylist() == [{"user": 0, "friend": 1}, {"user": 1, "friend": 2}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("user,friend\nu8,u9\n", "g.csv: no row has two users of the log; expected ids of its 5 users"),
        ("a,b,c\nu0,u1,u2\n", "g.csv: the columns user and friend are needed, or two columns; found a, b, c"),
        ("user\nu0\n", "g.csv: the columns user and friend are needed, or two columns; found user"),
        ("user,friend\nu0,u1\nu0, \n", "g.csv, row 3, friend: a user is needed; found nothing"),
        ("user,friend\nu0,u1\nu0\n", "g.csv, row 3: a row must have 2 cells; found 1"),
        ("user,friend\n", "g.csv: there are no rows below the header"),
        ("", "g.csv: the file is empty"),
    ],
)
def test_an_invalid_table_of_friends_is_refused(tmp_path, listens, text, message):
    assert refused(listens, domain="social", friends=write(tmp_path / "g.csv", text)).startswith(message)


def test_only_social_logs_have_friends_and_only_once(tmp_path, listens, stored):
    graph = write(tmp_path / "g.csv", "user,friend\na,b\n")
    assert refused(listens, domain="content", friends=graph) == (
        "friends: a log of the domain social has them; this one is content"
    )
    assert refused(stored, friends=graph) == "friends: tiny has its own, 1 pairs"
    assert "there is no such file" in refused(listens, domain="social", friends=tmp_path / "none.csv")
