"""Files of a log: compression, damage, folders, and errors of one line in every command."""

import bz2
import gzip
import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from log_files import HEADER, parquet, parts, refused, tiny, unsigned, write

from recgym.logs import Log, LogError, files, read_log

ROWS = "".join(f"u{k % 7},i{k % 11},{1_600_000_000 + k}\n" for k in range(2_000))


@pytest.mark.parametrize(("ending", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress)])
def test_compressed_files_are_read_as_the_plain_one(tmp_path, ending, pack):
    plain = read_log(write(tmp_path / "t.csv", HEADER + ROWS), domain="content")
    packed = read_log(write(tmp_path / f"t.csv{ending}", pack((HEADER + ROWS).encode())), domain="content")
    assert packed.rows.drop(["file"]).equals(plain.rows.drop(["file"]))


def test_zstd_reads_as_the_plain_file(tmp_path):
    raw = pa.compress((HEADER + "a,b,1600000000\n").encode(), codec="zstd", asbytes=True)
    assert len(read_log(write(tmp_path / "t.csv.zst", raw), domain="content")) == 1


PACKED = gzip.compress((HEADER + ROWS).encode(), mtime=0)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("t.csv", b"", "t.csv: the file is empty"),
        ("t.csv", b"\n \n\n", "t.csv: the file is empty"),
        ("t.csv.gz", gzip.compress(b"", mtime=0), "t.csv.gz: the file is empty"),
        ("t.csv.gz", PACKED[: len(PACKED) // 2], "t.csv.gz: cannot be read: Truncated compressed stream"),
        ("t.csv.gz", PACKED[:-8] + b"12345678", "t.csv.gz: cannot be read: zlib inflate failed"),
        ("t.csv.gz", b"user,item\na,b\n", "t.csv.gz: cannot be read: zlib inflate failed"),
        ("t.parquet", b"", "t.parquet: not a Parquet file"),
        ("t.csv", "user,item\na,b\n".encode("utf-16"), "t.csv, row 1: the file is not in utf8"),
        ("t.csv", "user,item\na,b\n".encode("utf-16-le"), "t.csv, row 1: the file is not UTF-8 text"),
        ("t.csv", b"x" * 3_000_000, "t.csv, row 1: a line of more than 1,048,576 characters"),
        ("t.csv", b'user,"' + b"x" * 200_000 + b'",item\n', "t.csv, row 1: a quote is not closed, or field larger"),
        ("t.zip", b"PK\x03\x04 and then nothing", "not a zip, or an incomplete one"),
    ],
)  # fmt: skip
def test_broken_files_are_refused_in_one_line(tmp_path, name, data, message):
    assert message in refused(write(tmp_path / name, data))


def test_a_header_of_any_length_below_a_million_is_read(tmp_path):
    names = ",".join(f"column{k}" for k in range(20_000))
    assert len(names) > 131_072
    path = write(tmp_path / "t.csv", f"user,item,{names}\n" + ("a,b" + ",1" * 20_000 + "\n") * 2)
    assert len(read_log(path, domain="content")) == 2
    message = refused(path, mapping="user=user,item=thing")
    assert "the header must have 'thing'; found user, item, column0" in message
    assert len(message) < 400


def test_blank_lines_are_lines_of_the_file(tmp_path):
    log = read_log(write(tmp_path / "t.csv", "\n\nuser,item\n\na,b\n"), domain="content")
    assert log.column("file_row").tolist() == [5]


def test_a_truncated_or_damaged_parquet_file_is_refused(tmp_path):
    path = parquet(tmp_path / "t.parquet", user=["a"] * 500, item=[f"i{k}" for k in range(500)])
    whole = path.read_bytes()
    write(path, whole[: len(whole) // 2])
    assert refused(path).startswith("t.parquet: not a Parquet file: ")
    write(path, whole[:30] + b"\xff" * 40 + whole[70:])
    assert "t.parquet" in refused(path)


@pytest.mark.parametrize("kind", ["csv.gz", "parquet", "zip", "log"])
def test_errors_on_damaged_files_are_one_line(tmp_path, kind):
    """60 random changes of a file of each kind: read or refused, nothing else; with checksums, refused."""
    rng = np.random.default_rng(7)
    path = tmp_path / f"t.{kind}"
    if kind == "log":
        tiny().write(path)
    elif kind == "parquet":
        parquet(path, user=["a", "b"] * 200, item=[f"i{k}" for k in range(400)], price=np.arange(400.0))
    elif kind == "zip":
        with zipfile.ZipFile(path, "w") as packed:
            packed.writestr("t.csv", HEADER + ROWS)
    else:
        write(path, PACKED)
    files = sorted(path.iterdir()) if kind == "log" else [path]
    for _ in range(60):
        file = files[rng.integers(len(files))]
        whole = file.read_bytes()
        at = int(rng.integers(len(whole)))
        noise = [bytes([whole[at] ^ 1 << int(rng.integers(8))]), rng.bytes(8), b"", b"\0" * 9][
            rng.integers(4)
        ]
        file.write_bytes(whole[:at] + noise + (whole[at + len(noise) :] if noise else b""))
        message = ""
        try:
            log = Log.read(path) if kind == "log" else read_log(path, domain="ecommerce")
            assert kind != "log" or file.read_bytes() == whole, file.name
            assert len(log)
        except LogError as error:
            message = str(error)
        assert "\n" not in message
        file.write_bytes(whole)


def test_zips_that_are_broken_locked_or_no_data(tmp_path):
    place = tmp_path / "t.zip"
    with zipfile.ZipFile(place, "w", zipfile.ZIP_STORED) as packed:
        packed.writestr("t.csv", HEADER + ROWS)
    data = bytearray(place.read_bytes())
    write(place, bytes(data).replace(b"u3,i3,", b"u4,i3,", 1))
    assert refused(place) == "t.csv: cannot be read: Bad CRC-32 for file 't.csv'"
    data[data.rindex(b"PK\x01\x02") + 8] |= 1  # the flag that says encrypted
    write(place, bytes(data))
    assert refused(place).endswith("t.zip: t.csv is encrypted; unpack it first")
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    assert refused(tmp_path / "empty.zip").endswith("empty.zip: there is no file in it")
    with zipfile.ZipFile(tmp_path / "t.xlsx", "w") as packed:
        packed.writestr("[Content_Types].xml", "<a/>")
    assert refused(tmp_path / "t.xlsx").endswith("a document of an office program; save its table as CSV")


def test_pipes_and_devices_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    assert "it is a pipe or a device" in refused(tmp_path / "pipe.csv")
    assert "it is a pipe or a device" in refused(Path("/dev/null"))
    parquet(tmp_path / "t.parquet", user=["a"], item=["b"])
    assert "it is a pipe or a device" in refused(tmp_path / "t.parquet", items="/dev/zero")
    assert len(read_log(tmp_path, domain="content")) == 1  # in a folder they are no files
    os.symlink(tmp_path / "nowhere", tmp_path / "link.csv")
    assert "there is no such file or folder" in refused(tmp_path / "link.csv")
    (tmp_path / "t.csv").mkdir()
    assert "there is no file in it" in refused(tmp_path / "t.csv")


def test_a_folder_with_a_zip_beside_data_is_the_data(tmp_path):
    parts(tmp_path / "events")
    with zipfile.ZipFile(tmp_path / "events" / "backup.zip", "w") as packed:
        packed.writestr("old.csv", "user,item,time\nzz,zz,1600000000\n")
    assert read_log(tmp_path / "events", domain="content").users["id"].to_pylist() == ["u1", "u2"]


def test_a_folder_that_links_to_itself_is_read_once(tmp_path):
    parts(tmp_path / "events")
    os.symlink(tmp_path / "events", tmp_path / "events" / "again")
    assert len(read_log(tmp_path / "events", domain="content")) == 4


def test_validate_takes_several_files_and_a_graph(run, tmp_path, listens):
    more = write(tmp_path / "more.csv", "user,item,time\nu0,i9,1600009000\n")
    graph = write(tmp_path / "g.tsv", "u0\tu1\nu0\tzz\n")
    code, out, err = run("validate", listens, more, "--domain", "social", "--graph", graph)
    assert (code, err) == (0, "")
    assert "2 files are one log: listens.csv, more.csv\n" in out
    assert "g.tsv: 1 pairs of friends; 1 rows with an unknown user left out\n" in out
    assert out.endswith(
        f"{listens}, {more}: 6 rows, 6 sessions, 5 users, 4 items, 0 duplicates dropped; no rule is broken\n"
    )


def test_a_fit_reads_several_files_and_a_graph(run, tmp_path, listens, monkeypatch):
    asked = []
    monkeypatch.setattr("recgym.fit.fit", lambda log, **settings: asked.append(log) or 1 / 0)
    more = write(tmp_path / "more.csv", "user,item,time\nu0,i9,1600009000\n")
    graph = write(tmp_path / "g.tsv", "u0\tu1\n")
    with pytest.raises(ZeroDivisionError):
        run("fit", listens, more, "--domain", "social", "--graph", graph, "--out", tmp_path / "w")
    assert (len(asked[0]), len(asked[0].friends)) == (6, 1)


def test_bad_files_are_one_line_and_exit_code_2_in_every_command(run, tmp_path, stored):
    bad = parquet(tmp_path / "bad.parquet", user=["a"], item=pa.array([[1]]))
    (stored / "rows.parquet").write_bytes(b"PAR1")
    for path in (bad, stored):
        for command in (
            ("validate", path),
            ("fit", path, "--out", tmp_path / "w"),
            ("card", "social-2", "--log", path),
        ):
            code, out, err = run(*command, "--domain", "social")
            assert (code, out, err.count("\n")) == (2, "", 1)
            assert err.startswith("recgym: ")
            assert path.name in err
    assert "--graph has an effect only with --log LOG" in run("card", "social-2", "--graph", bad)[2]
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize(
    ("name", "data", "what"),
    [
        ("t.csv", gzip.compress(b"user,item\na,x\n", mtime=0), "packed by gzip"),
        ("t.csv.xz", b"\xfd7zXZ\0rest", "packed by xz"),
        ("t.feather", b"ARROW1\0\0rest", "an Arrow or Feather file"),
        ("t.csv", b'{"user": 1, "item": 2}\n', "JSON"),
        ("t.csv", b"# exported 2020\nuser,item\na,x\n", "found a comment"),
    ],
)
def test_files_of_another_format_are_named(tmp_path, name, data, what):
    (tmp_path / name).write_bytes(data)
    assert what in refused(tmp_path / name, domain="social")


def test_names_of_files_and_remarks_are_shown_in_one_line(tmp_path, run, stored):
    place = tmp_path / "a\nb.csv"
    place.write_text("user,item\na,\n")
    assert refused(place, domain="social").startswith("a\\nb.csv, row 2, item")
    meta = json.loads((unsigned(stored) / "meta.json").read_text())
    meta["remarks"] = ["a\nb\x1b[31mred"]
    (stored / "meta.json").write_text(json.dumps(meta))
    code, out, _ = run("validate", stored)
    assert code == 0
    assert "a\\nb\\x1b[31mred\n" in out


def test_a_column_of_a_folder_and_a_file_must_agree(tmp_path):
    folder = tmp_path / "d" / "event=view"
    folder.mkdir(parents=True)
    (folder / "a.csv").write_text("user,item,event\nu,i,view\nu,j,cart\n")
    message = refused(tmp_path / "d", domain="ecommerce")
    assert message.startswith(
        "event=view/a.csv, row 3, event: a cell must agree with the name of the folder, view"
    )
    (folder / "a.csv").write_text("user,item,event\nu,i,view\n")
    assert len(read_log(tmp_path / "d", domain="ecommerce")) == 1


def test_endings_in_capitals_are_those_of_tables(tmp_path):
    """A single file was read, a folder of them had no table."""
    write(tmp_path / "A.CSV", "user,item,click\nu,1,1\n")
    write(tmp_path / "B.CSV.GZ", gzip.compress(b"user,item,click\nu,2,0\n"))
    write(tmp_path / "C.JSONL", '{"user": "u", "item": 3, "click": 1}\n')
    log = read_log(tmp_path, domain="content")
    assert log.items["id"].to_pylist() == ["1", "2", "3"]


def test_a_folder_of_too_many_files_is_refused(tmp_path, monkeypatch):
    assert files.MAX_FILES > 105_103  # of H&M
    monkeypatch.setattr(files, "MAX_FILES", 3)
    for k in range(4):
        write(tmp_path / f"{k}.csv", "user,item\nu,1\n")
    assert refused(tmp_path) == f"{tmp_path}: more than 3 files; name the folder of the log"


@pytest.mark.parametrize("name", ["KuaiRand-Pure.tar.gz", "yoochoose-data.7z", "log.TAR", "log.tgz"])
def test_archives_that_are_not_read_are_named(tmp_path, name):
    (tmp_path / name).write_bytes(b"")
    for path in (tmp_path, tmp_path / name):
        with pytest.raises(LogError, match=f"an archive of a kind that is not read, {name}; unpack it"):
            read_log(path, domain="content")
