"""What every reader needs: files in a folder or zip, CSV with errors by row, ids as indices, labels."""

import csv
import io
import re
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatch
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
from numpy.typing import NDArray

from recgym.logs.log import Array
from recgym.logs.problems import LogError, Problem, refuse

INT, FLOAT, FLAG, TEXT = pa.int64(), pa.float64(), pa.bool_(), pa.string()
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


def natural(key: str) -> tuple[Any, ...]:
    """Sort key that puts 2 before 10 and A2 before A10."""
    parts = re.split(r"([0-9]+)", key)
    return tuple(int(part) if place % 2 else part for place, part in enumerate(parts))


def encode(values: Any) -> tuple[Array, Any]:
    """Code of every value (rows,) int32, -1 where it is null, and the values behind the codes as strings."""
    coded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
    chunks = coded.unify_dictionaries().chunks if isinstance(coded, pa.ChunkedArray) else [coded]
    if not chunks:
        return np.zeros(0, np.int32), pa.array([], TEXT)
    codes = [pc.fill_null(chunk.indices, -1).to_numpy(zero_copy_only=False) for chunk in chunks]
    return np.concatenate(codes).astype(np.int32, copy=False), as_text(chunks[0].dictionary)


def renamed(values: Any, name: Callable[[str], str]) -> Any:
    """Words with every distinct one put through `name`; a null counts as an empty word."""
    codes, words = encode(values)
    coded = pa.array([name(word or "") for word in words.to_pylist()] + [name("")]).dictionary_encode()
    return pa.DictionaryArray.from_arrays(
        coded.indices.take(pa.array(codes % len(coded.indices))), coded.dictionary
    )


def index_ids(values: Any) -> tuple[Array, list[str]]:
    """Index of every value among the distinct ids that occur, and these ids as strings in natural order."""
    codes, names = encode(values)
    occurs = np.flatnonzero(np.bincount(codes, minlength=len(names)))
    ids: list[str] = names.take(pa.array(occurs)).to_pylist()
    order = sorted(range(len(ids)), key=lambda place: natural(ids[place]))
    rank = np.empty(len(names), np.int32)
    rank[occurs[order]] = np.arange(len(ids), dtype=np.int32)
    return rank[codes], [ids[place] for place in order]


def lookup(values: Any, ids: Any) -> Array:
    """Index of every value among `ids`, -1 where it is not there."""
    codes, names = encode(values)
    found = pc.fill_null(pc.index_in(names, value_set=as_text(ids)), -1).to_numpy().astype(np.int32)
    index: Array = np.append(found, np.int32(-1))[codes]
    return index


def as_text(values: Any) -> Any:
    """Ids as strings."""
    return values if values.type == TEXT else values.cast(TEXT)


def labels(categories: Sequence[str]) -> list[str]:
    """A label an item, made of its category and its number within it: "skirts 1", "skirts 2" ..."""
    count: dict[str, int] = {}
    made = []
    for category in categories:
        count[category] = count.get(category, 0) + 1
        made.append(f"{category} {count[category]}")
    return made


def origin(names: Sequence[str], of_row: Array, file_row: Array) -> dict[str, Any]:
    """The columns that say where rows came from; `of_row` is an index into `names`."""
    file = pa.DictionaryArray.from_arrays(pa.array(of_row, pa.int32()), pa.array(names, TEXT))
    return {"file": file, "file_row": pa.array(file_row, INT)}


def first_rows(table: Any) -> Array:
    """Rows of a table that do not repeat an earlier row exactly, in order.

    Equal rows have equal hashes; only rows that share one are compared, so the memory is that of the hashes.
    """
    hashes = row_hashes(table)
    order = np.argsort(hashes, kind="stable")
    hashes = hashes[order]
    alike = np.r_[False, hashes[1:] == hashes[:-1], False]
    suspects = np.sort(order[alike[1:] | alike[:-1]])
    del hashes, order
    few = table.take(pa.array(suspects))
    columns = [
        pa.array(encode(few[name])[0]) if _is_words(few[name].type) else few[name]
        for name in few.column_names
    ]
    numbered = pa.table([*columns, pa.array(suspects)], [*few.column_names, "#"])
    grouped = numbered.group_by(few.column_names, use_threads=False).aggregate([("#", "min")])
    first = np.ones(len(table), bool)
    first[suspects] = False
    first[grouped["#_min"].to_numpy()] = True
    return np.flatnonzero(first)


def row_hashes(table: Any) -> NDArray[np.uint64]:
    """A number for every row, the same for equal rows; columns that are neither numbers nor words do not count."""
    hashes = np.zeros(len(table), np.uint64)
    for name in table.column_names:
        kind = table[name].type
        if _is_words(kind):
            bits = encode(table[name])[0].astype(np.int64)
        elif pa.types.is_floating(kind):
            bits = (pc.fill_null(table[name].cast(FLOAT), np.pi).to_numpy() + 0.0).view(
                np.int64
            )  # -0.0 is 0.0
        elif pa.types.is_integer(kind) or pa.types.is_timestamp(kind):
            bits = pc.fill_null(table[name].cast(INT, safe=False), -1).to_numpy()
        else:
            continue
        hashes ^= bits.view(np.uint64)
        hashes *= np.uint64(0x9E3779B97F4A7C15)  # Fibonacci hashing (Knuth, 1973)
        hashes ^= hashes >> np.uint64(32)
    return hashes


def _is_words(kind: Any) -> bool:
    return bool(pa.types.is_dictionary(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind))


def usual(groups: Array, values: Array, num_groups: int) -> tuple[Array, Array]:
    """The most frequent value (the smaller at a tie) of each group, and which rows deviate from it."""
    size = int(values.max()) + 1 if len(values) else 1
    pairs, counts = np.unique(groups.astype(np.int64) * size + values, return_counts=True)
    order = np.lexsort((-(pairs % size), counts))  # the last one written wins: most frequent, then smallest
    most = np.full(num_groups, -1, np.int64)
    most[pairs[order] // size] = pairs[order] % size
    return most, values != most[groups]
