"""FINN.no slates (2021): slates of a marketplace with the clicked item, or none, of search and of recommendations.

Conventions of this reader:

* `users` reads the first so many users; the whole set has 37 million slates and needs more memory than most machines;
* there are no times: a session is all that the set has of a user, at most 20 slates, and `step` their number;
* 1 in a slate means "no click", and 0 is padding: neither is an item, and positions count items only; numbers below 0
  are an error;
* a slate whose clicked item is not in it is left out and counted; `slate_lengths` is not read;
* `context_interaction_type` is 1 for search, 2 for recommendation, 0 for undefined;
* the category is the item's group in itemattr.npz, with its name in ind2val.json, else its number; without
  itemattr.npz items have none. A remark says which of the two files is missing.

Layout: the README of github.com/finn-no/recsys_slates_dataset; shapes and special items as its data loader and other
public readers use them. Item 2 is special in the loader, without a stated meaning; it is kept.
"""

import json
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recgym.arrays import Array
from recgym.logs.columns import Source
from recgym.logs.events_table import GAP_MINUTES
from recgym.logs.files import Files, reading
from recgym.logs.generic import from_table
from recgym.logs.json_lines import Record
from recgym.logs.log import Log
from recgym.logs.problems import LogError, LogProblem, raise_problems
from recgym.logs.slate_lists import CHOSEN_TWICE
from recgym.logs.table_settings import TableSettings

SOURCE = Source(
    "finn",
    "as its repository states",
    "Eide, S., Leslie, D. S. and Frigessi, A. (2021). FINN.no slates dataset: a new sequential dataset logging "
    "interactions, all viewed items and click responses/no-click for recommender systems research. RecSys 2021.",
    "No times: a step is the number of the slate.",
)
DATA, GROUPS, NAMES = "data.npz", "itemattr.npz", "ind2val.json"
ARCHIVE = "not a readable file of numpy arrays"
CATEGORY = "category"  # the array of groups
BELOW_0 = "a number of 0 or above is needed"
ABSENT = "slates without their clicked item left out"
NO_CLICK = 1  # in a slate and as a click; 0 fills up
CHUNK_USERS = 1 << 12
FIELDS = {"userId": 1, "click": 2, "slate": 3, "interaction_type": 2}  # number of dimensions


def read(files: Files, options: Mapping[str, Any]) -> Log:
    """Log of the first users, or of all."""
    most = options.get("users")
    if most is not None and (not isinstance(most, int) or most < 1):
        raise LogError(f"users must be a number above 0; it is {most!r}")
    name = files.one(DATA)
    parts, counts = [], Counter[str]()
    for start, arrays in _chunks(files, name, most):
        part, counted = _rows(name, arrays, start)
        parts.append(part)
        counts.update(counted)
    if not parts:
        raise LogError(f"{name}: there are no users")
    table = pa.concat_tables(parts)
    groups, remarks = _groups(files)
    if groups is not None:
        most_item = int(pc.max(table["item"]).as_py() or 0)
        if most_item >= len(groups):
            found = f"it has {len(groups):,}, and there is an item {most_item}"
            raise LogError(f"{files.one(GROUPS)}: a group of each item is needed; {found}")
        table = table.append_column("category", groups.take(table["item"].combine_chunks()))
    log = from_table(table, TableSettings(name, "content", SOURCE, {}, GAP_MINUTES))
    remarks += [f"{name}: {count:,} {what}" for what, count in counts.items() if count]
    return replace(log, remarks=(*remarks, *log.remarks))


def _chunks(files: Files, name: str, most: int | None) -> Iterator[tuple[int, dict[str, Array]]]:
    """First user and arrays of some users at a time, until the end or `most` users."""
    with reading(name, ARCHIVE), zipfile.ZipFile(files.seekable(name)) as packed:
        lacking = [field for field in FIELDS if f"{field}.npy" not in packed.namelist()]
        if lacking:
            raise LogError(f"{name}: there is no array {lacking[0]}; it has {', '.join(packed.namelist())}")
        arrays = {
            field: _Rows(packed.open(f"{field}.npy"), f"{name}, {field}", size)
            for field, size in FIELDS.items()
        }
        sizes = {each.shape[0] for each in arrays.values()}
        slates, clicks = arrays["slate"].shape, arrays["click"].shape
        if len(sizes) > 1 or slates[:2] != clicks or arrays["interaction_type"].shape != clicks:
            shapes = ", ".join(f"{field} {each.shape}" for field, each in arrays.items())
            raise LogError(f"{name}: arrays of the same users and steps are needed; found {shapes}")
        count = min(sizes.pop(), most or slates[0])
        for start in range(0, count, CHUNK_USERS):
            yield start, {field: each.next(min(CHUNK_USERS, count - start)) for field, each in arrays.items()}


class _Rows:
    """Rows of a stored array, read one part after another."""

    def __init__(self, stream: Any, name: str, dimensions: int):
        self.stream, self.name = stream, name
        try:
            version, headers = np.lib.format.read_magic(stream), np.lib.format
            is_old = version == (1, 0)
            read_header = headers.read_array_header_1_0 if is_old else headers.read_array_header_2_0
            self.shape, is_fortran, self.kind = read_header(stream)
        except ValueError as error:
            raise LogError(f"{name}: not an array of numpy: {error}") from error
        if len(self.shape) != dimensions or is_fortran or self.kind.kind not in "iu":
            raise LogError(
                f"{name}: whole numbers of {dimensions} dimensions are needed; found {self.shape} {self.kind}"
            )

    def next(self, rows: int) -> Array:
        """The next rows."""
        size = rows * int(np.prod(self.shape[1:], dtype=np.int64)) * self.kind.itemsize
        data = self.stream.read(size)
        if len(data) != size:
            raise LogError(f"{self.name}: the array ends early")
        values: Array = np.frombuffer(data, self.kind).reshape(rows, *self.shape[1:]).astype(np.int64)
        return values


def _rows(name: str, arrays: Mapping[str, Array], start: int) -> tuple[Any, dict[str, int]]:
    """Rows of the items in the slates of some users, and counts for remarks."""
    slate, click = arrays["slate"], arrays["click"]
    raise_problems(
        [
            LogProblem(name, start + int(at[0]) + 1, field, BELOW_0, str(arrays[field][tuple(at)]))
            for field in ("click", "slate")
            for at in np.argwhere(arrays[field] < 0)[:1]
        ]
    )
    is_item = slate > NO_CLICK
    clicked = (slate == click[..., None]) & is_item
    absent = (click > NO_CLICK) & ~clicked.any(axis=2)
    is_item &= ~absent[..., None]
    user, step, _ = np.nonzero(is_item)
    position = (np.cumsum(slate > NO_CLICK, axis=2) - 1)[is_item]
    columns = {
        "user": arrays["userId"][user],
        "item": slate[is_item],
        "session": user + start,
        "step": step,
        "slate": (user + start) * slate.shape[1] + step,
        "position": position,
        "click": clicked[is_item],
        "context_interaction_type": arrays["interaction_type"][user, step].astype(np.int16),
    }
    twice = (clicked.sum(axis=2) > 1) & ~absent
    return pa.table(columns), {ABSENT: int(absent.sum()), CHOSEN_TWICE: int(twice.sum())}


def _groups(files: Files) -> tuple[Any, list[str]]:
    """Name of the group of each item, None without the file; and remarks on files that are missing."""
    if not files.find(GROUPS):
        return None, [f"there is no file {GROUPS}: items have no category"]
    place = files.one(GROUPS)
    with reading(place, ARCHIVE), zipfile.ZipFile(files.seekable(place)) as packed:
        if f"{CATEGORY}.npy" not in packed.namelist():
            raise LogError(f"{place}: there is no array {CATEGORY}; it has {', '.join(packed.namelist())}")
        rows = _Rows(packed.open(f"{CATEGORY}.npy"), place, 1)
        codes = rows.next(rows.shape[0])
    is_named = bool(files.find(NAMES))
    names = _names(files, files.one(NAMES)) if is_named else {}
    remarks = [] if is_named else [f"there is no file {NAMES}: categories are the numbers of groups"]
    return pa.array([names.get(str(code), f"group {code}") for code in codes.tolist()], pa.string()), remarks


def _names(files: Files, name: str) -> dict[str, str]:
    """Names of the groups by their numbers."""
    with reading(name), files.open(name) as stream:
        text = stream.read()
    try:
        names = json.loads(text, object_pairs_hook=Record)["category"]
    except (ValueError, KeyError, TypeError, RecursionError):
        names = None
    if (
        not isinstance(names, Record)
        or names.twice
        or not all(isinstance(word, str) for word in names.values())
    ):
        raise LogError(f"{name}: JSON with the names of groups is needed, {{'category': {{'1': 'NAME'}}}}")
    return names
