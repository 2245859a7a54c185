"""What every reader needs: files in a folder or zip, CSV with errors by row."""

import csv
import io
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatch
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from recgym.logs.codes import FLOAT, INT, TEXT
from recgym.logs.log import Array
from recgym.logs.problems import LogError, Problem, refuse

FLAG = pa.bool_()
ID = pa.dictionary(pa.int32(), pa.string())
PATTERNS: dict[Any, tuple[str, str]] = {
    INT: (r"^\s*[+-]?[0-9]{1,18}\s*$", "a whole number is needed"),
    FLOAT: (r"^\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*$", "a number is needed"),
    FLAG: (r"^\s*([01]|true|false|True|False|TRUE|FALSE)\s*$", "0 or 1 is needed"),
}


class Files:
    """A folder (four levels), a zip or a single file, as names that can be searched and opened.

    Raises LogError where the path does not exist.
    """

    def __init__(self, path: str | PathLike[str]):
        self.path = Path(path)
        if not self.path.exists():
            raise LogError(f"{self.path}: there is no such file or folder")
        self.zip: zipfile.ZipFile | None = None
        packed = list(self.path.glob("*.zip")) if self.path.is_dir() else []
        if len(packed) == 1:  # a folder around a zip, as data sets are often kept
            self.path = packed[0]
        if self.path.is_dir():
            found = (file for depth in range(4) for file in self.path.glob("/".join("*" * (depth + 1))))
            self.names = sorted(str(file.relative_to(self.path)) for file in found if file.is_file())
        elif zipfile.is_zipfile(self.path):
            self.zip = zipfile.ZipFile(self.path)
            self.names = sorted(name for name in self.zip.namelist() if not name.endswith("/"))
        else:
            self.names = [self.path.name]

    def find(self, *patterns: str) -> list[str]:
        """Names whose last part matches a shell pattern, in order."""
        return [name for name in self.names if any(fnmatch(Path(name).name, pattern) for pattern in patterns)]

    def one(self, *patterns: str) -> str:
        """The single name that matches; LogError where there is none, or more than one."""
        found = self.find(*patterns)
        if len(found) != 1:
            what = f"several files match ({', '.join(found)})" if found else "there is no file"
            raise LogError(f"{self.path}: {what}; one named {' or '.join(patterns)} is needed")
        return found[0]

    def open(self, name: str) -> Any:
        """The bytes of a file as an Arrow stream, unpacked where it ends in .gz."""
        if self.zip is not None:
            return pa.input_stream(self.zip.open(name), compression="gzip" if name.endswith(".gz") else None)
        return pa.input_stream(str(self._local(name)))

    def seekable(self, name: str) -> Any:
        """The bytes of a file as an Arrow file that can be read anywhere."""
        return (
            pa.BufferReader(self.zip.read(name))
            if self.zip is not None
            else pa.memory_map(str(self._local(name)))
        )

    def _local(self, name: str) -> Path:
        return self.path / name if self.path.is_dir() else self.path


def read_header(files: Files, name: str, delimiter: str = ",", encoding: str = "utf8") -> list[str]:
    """Column names of a CSV file; LogError for an empty one."""
    try:
        with files.open(name) as stream, io.TextIOWrapper(stream, encoding="latin-1") as text:
            line = text.readline()
    except OSError as error:
        raise LogError(f"{name}: cannot be read: {error}") from error
    try:
        line = line.encode("latin-1").decode("utf-8-sig" if encoding == "utf8" else encoding)
    except UnicodeDecodeError as error:
        raise LogError(f"{name}, row 1: the file is not in {encoding}") from error
    if not line.strip():
        raise LogError(f"{name}: the file is empty; a header and rows are needed")
    return [cell.strip() for cell in next(csv.reader([line.rstrip("\r\n")], delimiter=delimiter))]


def read_csv(
    files: Files,
    name: str,
    types: Mapping[str, Any],
    *,
    delimiter: str = ",",
    encoding: str = "utf8",
    quoted: bool = True,
    nullable: Iterable[str] = (),
    header: Sequence[str] | None = None,
    where: tuple[str, str] | None = None,
) -> Any:
    """The columns of `types` as an Arrow table; a type of None is inferred.

    `header` names the columns of a file that has none. With `where`, (column, word), only the rows with that word
    are kept, block by block: memory is theirs. Raises LogError for a missing column, a row of another width, an empty
    cell outside `nullable`, and text where a number belongs; its `problems` list every such row.
    """
    require_columns(name, header or read_header(files, name, delimiter, encoding), types)
    layout = _Layout({"encoding": encoding, "column_names": header},
                     {"delimiter": delimiter, "quote_char": '"' if quoted else False})  # fmt: skip
    wanted = {column: kind for column, kind in types.items() if kind is not None}
    convert = pacsv.ConvertOptions(include_columns=list(types), column_types=wanted)
    try:
        with files.open(name) as stream:
            options = (pacsv.ReadOptions(**layout.read), pacsv.ParseOptions(**layout.parse), convert)
            table = pacsv.read_csv(stream, *options) if where is None else _matching(stream, options, *where)
    except (pa.ArrowInvalid, OSError) as error:
        refuse(_diagnose(files, name, types, layout, set(nullable)))
        raise LogError(f"{name}: {error}") from error
    if any(table[column].null_count for column in types if column not in set(nullable)):
        refuse(_diagnose(files, name, types, layout, set(nullable)))
    if not table.num_rows:
        raise LogError(f"{name}: there are no rows below the header")
    return table


class _Layout(NamedTuple):
    """How a CSV file is written, as Arrow's options."""

    read: dict[str, Any]
    parse: dict[str, Any]


def _matching(stream: Any, options: tuple[Any, Any, Any], column: str, word: str) -> Any:
    """The rows whose column has this word."""
    with pacsv.open_csv(stream, *options) as batches:
        kept = [batch.filter(pc.equal(batch.column(column).cast(TEXT), word)) for batch in batches]
    return pa.Table.from_batches(kept).unify_dictionaries()


def require_columns(name: str, header: Sequence[str], wanted: Iterable[str]) -> None:
    """LogError that names the columns which `header` lacks or has twice."""
    missing = [column for column in wanted if column not in header]
    if missing:
        rule = f"the header must have {', '.join(map(repr, missing))}"
        refuse([Problem(name, 1, "", rule, ", ".join(header))])
    for column in wanted:
        if header.count(column) > 1:
            refuse(
                [Problem(name, 1, column, "a column must occur once", f"{header.count(column)} of that name")]
            )


def _diagnose(
    files: Files,
    name: str,
    types: Mapping[str, Any],
    layout: _Layout,
    nullable: set[str],
) -> list[Problem]:
    """Read again as text, row by row, and list what does not fit."""
    undecoded = _not_utf8(files, name) if layout.read["encoding"] == "utf8" else 0
    if undecoded:
        return [Problem(name, undecoded, "", "the file must be in UTF-8", "another encoding")]
    widths: list[Problem] = []

    def note(row: Any) -> str:
        rule = f"a row must have {row.expected_columns} cells"
        widths.append(Problem(name, row.number or 0, "", rule, str(row.actual_columns)))
        return "skip"

    convert = pacsv.ConvertOptions(include_columns=list(types), column_types=dict.fromkeys(types, TEXT))
    options = pacsv.ReadOptions(**layout.read, use_threads=False)
    first = 2 if layout.read["column_names"] is None else 1
    with files.open(name) as stream:
        try:
            table = pacsv.read_csv(
                stream, options, pacsv.ParseOptions(**layout.parse, invalid_row_handler=note), convert
            )
        except (pa.ArrowInvalid, OSError):
            return widths
    if widths:  # the numbers of the other rows are off by those skipped: first things first
        return widths
    return [
        problem
        for column, kind in types.items()
        for problem in misfits(
            name, column, table[column], kind, np.arange(first, len(table) + first), column in nullable
        )
    ]


def _not_utf8(files: Files, name: str) -> int:
    """First row that is not UTF-8, 0 where there is none."""
    with files.open(name) as stream, io.TextIOWrapper(stream, "utf8", errors="surrogateescape") as text:
        return next((row for row, line in enumerate(text, 1) if re.search("[\ud800-\udfff]", line)), 0)


def misfits(name: str, column: str, texts: Any, kind: Any, rows: Array, may_be_empty: bool) -> list[Problem]:
    """Cells of a text column that are no `kind`, with the file row of each."""
    pattern, rule = PATTERNS.get(kind, (r"(?s).", "a value is needed"))
    empty = pc.fill_null(pc.match_substring_regex(texts, r"^\s*(NA|NaN|nan|null|NULL|None)?\s*$"), True)
    fits = pc.fill_null(pc.match_substring_regex(texts, pattern), False)
    bad = pc.and_(pc.invert(fits), pc.invert(empty)) if may_be_empty else pc.or_(pc.invert(fits), empty)
    found = np.flatnonzero(bad.to_numpy())
    return [Problem(name, int(rows[i]), column, rule, repr(texts[int(i)].as_py() or "")) for i in found]


def origin(names: Sequence[str], of_row: Array, file_row: Array) -> dict[str, Any]:
    """The columns that say where rows came from; `of_row` is an index into `names`."""
    file = pa.DictionaryArray.from_arrays(pa.array(of_row, pa.int32()), pa.array(names, TEXT))
    return {"file": file, "file_row": pa.array(file_row, INT)}
