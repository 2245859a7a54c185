"""Small files of logs, and how they are refused."""

from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recgym.logs import Log, LogError, Source, read_log

HEADER = "user,item,time\n"


def refused(path, **options) -> str:
    is_written = not isinstance(path, list) and (path / "rows.parquet").exists()
    options = options if is_written else {"domain": "content", **options}
    with pytest.raises(LogError) as error:
        read_log(path, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def write(place, data):
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data if isinstance(data, bytes) else data.encode())
    return place


def parquet(place, **columns):
    pq.write_table(pa.table(columns), place)
    return place


def parts(folder, ending="csv"):
    """Two files of one table, and what they hold."""
    rows = ["u1,i1,1600000000\nu1,i2,1600000003\n", "u1,i3,1600000001\nu2,i1,1600000002\n"]
    if ending == "csv":
        return [write(folder / f"part-{k}.csv", HEADER + text) for k, text in enumerate(rows)]
    folder.mkdir(parents=True, exist_ok=True)
    cells = [[line.split(",") for line in text.split()] for text in rows]
    return [
        parquet(
            folder / f"part-{k}.parquet",
            **{key: [row[at] for row in part] for at, key in enumerate(("user", "item"))},
            time=[int(row[2]) for row in part],
        )
        for k, part in enumerate(cells)
    ]


def tiny(**changes) -> Log:
    columns = {
        "user": [0, 0, 1],
        "item": [0, 1, 1],
        "time": [1, 2, 3],
        "session": [0, 0, 1],
        "step": [0, 1, 0],
    }
    columns |= {"listen": [True, True, False], "file": ["a.csv"] * 3, "file_row": [2, 3, 4]}
    tables = {name: pa.table({"id": ids}) for name, ids in (("users", ["a", "b"]), ("items", ["x", "y"]))}
    friends = pa.table({"user": pa.array([0], pa.int32()), "friend": pa.array([1], pa.int32())})
    source = Source("tiny", "CC0", "nobody")
    built = Log.build(columns, **tables, domain="social", source=source, friends=friends, remarks=("one",))
    return replace(built, **changes)


def unsigned(folder):
    """Without checksums, as older logs are: the contents alone are judged."""
    (folder / "SHA256SUMS").unlink()
    return folder


LISTENS = "user,item,time\n" + "".join(f"u{k},i{k % 3},{1_600_000_000 + k}\n" for k in range(5))
