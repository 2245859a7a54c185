"""Open Bandit Dataset (ZOZOTOWN, a fashion shop): impressions with positions and true propensities.

The log is for off-policy evaluation; it has no sessions that a world could be fitted to.

Conventions of this reader:

* `policy` is "random" (default) or "bts" (Bernoulli Thompson sampling), `campaign` "all" (default), "men" or "women".
  Hashed features are not comparable between policies, so a log has one policy;
* ids of users are not logged: a user is a combination of the four hashed features (a segment, not a person);
* the three items of a page cannot be matched: every row is a session, numbered by its time; exact duplicates are
  dropped and counted;
* `position` 1, 2, 3 of the file (left, centre, right) is 0, 1, 2;
* an item's category is the number of its `item_feature_1` among its values; the affinities of user and item, which
  count past clicks, are left out.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from recgym.logs.columns import Source, as_numpy
from recgym.logs.delimited import FLAG, ID, read_csv, read_csv_and_lines
from recgym.logs.events_table import GAP_MINUTES
from recgym.logs.files import Files
from recgym.logs.generic import from_table
from recgym.logs.ids import FLOAT, INT, TEXT, encode, first_rows, index_ids, is_missing, labels
from recgym.logs.log import Log
from recgym.logs.origin import Origin
from recgym.logs.parsing import TableParser
from recgym.logs.problems import LogError, problems_of, raise_problems
from recgym.logs.table_settings import TableSettings

SOURCE = Source(
    "obd",
    "the data set's own terms, research.zozo.com/data.html",
    "Saito, Y., Aihara, S., Matsutani, M. and Narita, Y. (2021). Open Bandit Dataset and Pipeline: towards realistic "
    "and reproducible off-policy evaluation. NeurIPS 2021 Datasets and Benchmarks.",
    "A user is a combination of hashed features; every impression is a session of its own.",
)
POLICIES, CAMPAIGNS = ("random", "bts"), ("all", "men", "women")
CONTEXT = "item_context.csv"
PLACES = "1, 2 or 3 is needed"  # of a page
FEATURES = tuple(f"user_feature_{k}" for k in range(4))
HASHED = tuple(f"item_feature_{k}" for k in (1, 2, 3))
COLUMNS = {"user": "user_feature_0", "item": "item_id", "time": "timestamp", "position": "position",
           "propensity": "propensity_score", "click": "click"}  # fmt: skip


def read(files: Files, options: Mapping[str, Any]) -> Log:
    """Log of one policy on one campaign."""
    policy, campaign = options.get("policy", "random"), options.get("campaign", "all")
    for key, value, known in (("policy", policy, POLICIES), ("campaign", campaign, CAMPAIGNS)):
        if value not in known:
            raise LogError(f"{key} must be {', '.join(known[:-1])} or {known[-1]}; it is {value!r}")
    name, context = (_within(files, policy, campaign, base) for base in (f"{campaign}.csv", CONTEXT))
    types = {"timestamp": ID, "item_id": INT, "position": INT, "click": FLAG, "propensity_score": FLOAT}
    table, lines = read_csv_and_lines(files, name, {**types, **dict.fromkeys(FEATURES, ID)})
    kept = first_rows(table)
    duplicates, table, lines = len(table) - len(kept), table.take(pa.array(kept)), lines[kept]
    _check(table, Origin.of(name, lines))
    segment, users = _segments(table)
    columns = {key: table[column] for key, column in COLUMNS.items()}
    columns["user"] = pa.DictionaryArray.from_arrays(segment, users["id"].combine_chunks())
    origin = Origin.of(name, lines)
    given = TableSettings(
        name, "ecommerce", SOURCE, COLUMNS, GAP_MINUTES, None, users, _items(files, context), origin
    )
    cells = TableParser(pa.table(columns), given, origin)
    time = cells.times("time").ms
    raise_problems(cells.problems)
    session = np.empty(len(table), np.int64)
    session[np.argsort(time, kind="stable")] = np.arange(len(table))
    columns |= {
        "time": pa.array(time, pa.timestamp("ms")),
        "session": pa.array(session),
        "position": pa.array(as_numpy(table["position"]) - 1),
    }
    log = from_table(pa.table(columns), given)
    dropped = [f"{name}: {duplicates:,} exact duplicate rows dropped"] if duplicates else []
    return replace(log, duplicates=duplicates, remarks=(*dropped, *log.remarks))


def _check(table: Any, origin: Origin) -> None:
    """LogError for a position that the page has not, and for an empty feature."""
    bad = {"position": ~np.isin(as_numpy(table["position"]), (1, 2, 3))}
    for name in FEATURES:
        codes, words = encode(table[name])
        bad[name] = np.append(as_numpy(is_missing(words)), True)[codes]
    problems = []
    for name, rows in bad.items():
        rule = PLACES if name == "position" else "a value is needed"
        shown = {row: repr(table[name][row].as_py()) for row in np.flatnonzero(rows).tolist()}
        problems += problems_of([*shown], len(rows), origin.place, name, rule, shown.__getitem__)
    raise_problems(problems)


def _within(files: Files, policy: str, campaign: str, base: str) -> str:
    """File of this name in the folder of the policy, and in that of the campaign if it has one."""
    found = [name for name in files.find(base) if policy in Path(name).parts[:-1]]
    found = [name for name in found if campaign in Path(name).parts[:-1]] or found
    if len(found) != 1:
        raise LogError(f"{files.path}: one file {policy}/{campaign}/{base} is needed; found {len(found)}")
    return found[0]


def _segments(table: Any) -> tuple[Any, Any]:
    """Segment of every row (rows,) int32, and the table of segments."""
    parts = [encode(table[name]) for name in FEATURES]
    key = np.zeros(len(table), np.int64)
    for codes, words in parts:
        key = key * len(words) + codes
    _, first, segment = np.unique(key, return_index=True, return_inverse=True)
    columns = {
        name: words.take(pa.array(codes[first])) for name, (codes, words) in zip(FEATURES, parts, strict=True)
    }
    ids = [
        "-".join(words) for words in zip(*(column.to_pylist() for column in columns.values()), strict=True)
    ]
    return pa.array(segment.astype(np.int32)), pa.table({"id": ids, **columns})


def _items(files: Files, name: str) -> Any:
    table = read_csv(files, name, {"item_id": INT, "item_feature_0": FLOAT, **dict.fromkeys(HASHED, TEXT)})
    kind, _ = index_ids(table[HASHED[0]])
    category = [f"kind {code + 1}" for code in kind.tolist()]
    columns = {"id": table["item_id"].cast(TEXT), "category": category, "label": labels(category)}
    return pa.table(columns | {column: table[column] for column in ("item_feature_0", *HASHED)})
