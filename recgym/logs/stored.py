"""A log as a folder of Parquet tables, meta.json and checksums, written atomically."""

import os
from collections.abc import Mapping
from dataclasses import asdict, fields
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from recgym.checks import MAX_COUNT, flag, quoted
from recgym.logs.columns import Source, nulls
from recgym.logs.files import reading, stated
from recgym.logs.problems import LogError
from recgym.storage import Stored, check_keys, read_parquet, whole_folder, write_json

if TYPE_CHECKING:
    from recgym.logs.log import Log

SCHEMA = "recgym.log/1"
META = "meta.json"
TABLES = ("rows", "users", "items")
OPTIONAL = ("friends", "earlier")  # tables that a log may lack
KINDS = {"schema": str, "domain": str, "source": dict, "duplicates": int, "remarks": list, "num_rows": int}
MAX_ROWS = 1 << 48
MAX_TABLE_BYTES = 1 << 36


def write_log(log: "Log", folder: str | PathLike[str], is_replaced: bool) -> None:
    """Writes a log, see `Log.write`."""
    target = stated(folder, "folder")
    is_replaced = flag("replace", is_replaced)
    if os.path.lexists(target):
        is_log = _is_log(target)
        if not is_replaced:
            instead = ", or replace=True" if is_log else ""
            raise LogError(f"{target}: exists already, expected a new folder{instead}")
        if not is_log:
            raise LogError(f"{target}: not a log that recgym wrote; replace=True replaces no other folder")
    tables = {name: getattr(log, name) for name in TABLES}
    tables |= {name: table for name in OPTIONAL if (table := getattr(log, name)) is not None}
    meta: dict[str, Any] = {"schema": SCHEMA, "domain": log.domain, "source": asdict(log.source)}
    meta |= {"duplicates": log.duplicates, "remarks": list(log.remarks), "num_rows": log.num_rows}
    meta |= {"indexed_by": log.indexed_by, "horizon": log.horizon}
    with whole_folder(target, drop=[META, *(f"{name}.parquet" for name in (*TABLES, *OPTIONAL))]) as work:
        for name, table in tables.items():
            pq.write_table(table, work / f"{name}.parquet", compression="zstd")
        write_json(work / META, meta)


def _is_log(folder: Path) -> bool:
    """Whether a folder has the meta.json of a log."""
    try:
        return bool(Stored(folder, "log").json(META, KINDS)["schema"] == SCHEMA)
    except (ValueError, OSError):
        return False


def is_written(folder: Path) -> bool:
    """Whether a folder is a log of `write_log`, maybe damaged: it has meta.json or all of the tables."""
    marks = [[META], [f"{name}.parquet" for name in TABLES]]
    return any(all(os.path.lexists(folder / name) for name in mark) for mark in marks)


def read_folder(folder: str | PathLike[str], make: "type[Log]") -> "Log":
    """Log that `write_log` wrote, without validation of values; LogError for a missing, damaged or other file."""
    place = stated(folder, "folder")
    if place.is_file():
        raise LogError(
            f"not a log written by recgym: {place} is a file; read_log(...).write(FOLDER) writes one"
        )
    try:
        stored = Stored(place, "log")
        meta = stored.json(META, KINDS)
        source = meta["source"]
        check_keys(source, {field.name: str for field in fields(Source)}, place / META)
        if meta["schema"] != SCHEMA:
            raise LogError(f"{place / META}: schema is {meta['schema']!r}, expected {SCHEMA!r}")
        if type(meta["duplicates"]) is not int or not 0 <= meta["duplicates"] <= MAX_ROWS:
            raise LogError(
                f"{place / META}: duplicates is {str(meta['duplicates'])[:20]}, expected a count of rows"
            )
        if unknown := set(source) - {field.name for field in fields(Source)}:
            raise LogError(f"{place / META}: source has an unknown key {min(unknown)!r}")
        mark, horizon = _of_sampled(meta, place / META)
        if not all(isinstance(remark, str) for remark in meta["remarks"]):
            raise LogError(f"{place / META}: a remark is not text")
        tables = {name: _table(stored, name) for name in TABLES}
        tables |= {name: _table(stored, name) for name in OPTIONAL if _is_there(stored, name)}
    except LogError:
        raise
    except ValueError as error:
        raise LogError(f"not a log written by recgym: {error}") from None
    if meta["num_rows"] != tables["rows"].num_rows:
        raise LogError(f"{place / 'rows.parquet'}: {tables['rows'].num_rows} rows; it had {meta['num_rows']}")
    try:
        return make(**tables, domain=meta["domain"], source=Source(**source),
                   duplicates=meta["duplicates"], remarks=tuple(meta["remarks"]),
                   indexed_by=mark, horizon=horizon)  # fmt: skip
    except LogError as error:
        raise LogError(f"{place}: {error}") from None


def _of_sampled(meta: Mapping[str, Any], file: Path) -> tuple[str | None, int | None]:
    """Mark and horizon of a log, None where it was written without one; LogError for wrong ones."""
    mark, horizon = meta.get("indexed_by"), meta.get("horizon")
    if not isinstance(mark, str | None):
        raise LogError(f"{file}: indexed_by is {quoted(mark)}, expected a digest or null")
    if horizon is not None and (type(horizon) is not int or not 1 <= horizon <= MAX_COUNT):
        raise LogError(f"{file}: horizon is {quoted(horizon)}, expected a number of steps or null")
    return mark, horizon


def _is_there(stored: Stored, name: str) -> bool:
    file = f"{name}.parquet"
    return file in (stored.digests or ()) or os.path.lexists(stored.folder / file)


def _table(stored: Stored, name: str) -> Any:
    file = f"{name}.parquet"
    data = stored.read(file, MAX_TABLE_BYTES)
    with reading(stored.folder / file):
        table = read_parquet(data)
        table.validate(full=True)
    for index, field in enumerate(table.schema):
        if len(table) and table.column(index).null_count == len(table):
            table = table.set_column(index, field, nulls(len(table), field.type))
    return table
