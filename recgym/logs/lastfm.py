"""HetRec 2011 Last.fm-2k: listening counts of 1,892 users, their friends and their tags.

Times of listening are not logged. A row is a pair of user and artist, with `listen` true and the count in the extra
column `listens`; a session is a user, and a step is the rank of the artist by the count (ties by artist id). The log
has at most 50 artists of a user, those with the highest counts; an artist that is missing was not skipped.
"""

from collections.abc import Mapping
from os import PathLike
from typing import Any

import numpy as np
import pyarrow as pa

from recgym.arrays import Array
from recgym.logs.columns import Source, as_numpy
from recgym.logs.delimited import read_csv, read_csv_and_lines
from recgym.logs.files import Files
from recgym.logs.ids import INT, TEXT, first_rows, index_ids, labels, lookup
from recgym.logs.log import Log
from recgym.logs.origin import Origin
from recgym.logs.problems import LogProblem, raise_problems
from recgym.logs.sessionize import number_steps
from recgym.logs.text_layout import TextLayout

SOURCE = Source(
    "lastfm_hetrec2k",
    "non-commercial use",
    "Cantador, I., Brusilovsky, P. and Kuflik, T. (2011). 2nd workshop on information heterogeneity and "
    "fusion in recommender systems (HetRec 2011). RecSys 2011.",
    "A session is a user, a step the rank of an artist by listening count; there is no time.",
)
LISTENS, FRIENDS, TAGGED, TAGS = "user_artists.dat", "user_friends.dat", "user_taggedartists.dat", "tags.dat"
TABS = TextLayout("\t", is_quoted=False)
NUM_TAGS, OTHER, UNTAGGED = 24, "other", "unknown"


def read(files: Files, options: Mapping[str, Any]) -> Log:
    """Log of listening counts; users and artists are those that occur."""
    name, table, lines = _listens(files)
    kept = first_rows(table)
    duplicates, table, lines = len(table) - len(kept), table.take(pa.array(kept)), lines[kept]
    user, users = index_ids(table["userID"])
    item, artists = index_ids(table["artistID"])
    weight = as_numpy(table["weight"])
    raise_problems(
        [
            LogProblem(name, int(lines[row]), "weight", "a count of 1 or more is needed", str(weight[row]))
            for row in np.flatnonzero(weight < 1)
        ]
    )
    order = np.lexsort((item, -weight, user))
    step = np.empty(len(user), np.int64)
    step[order] = number_steps(user[order])
    category = _categories(files, artists)
    columns = {
        "user": user,
        "item": item,
        "session": user.astype(np.int64),
        "step": step,
        "listen": np.ones(len(user), bool),
        "listens": weight,
        **Origin.of(name, lines).columns(),
    }
    return Log.build(
        columns,
        users=pa.table({"id": users}),
        items=pa.table({"id": artists, "category": category, "label": labels(category)}),
        domain="social",
        source=SOURCE,
        duplicates=duplicates,
        friends=_friends(files, users),
    )


def friends(path: str | PathLike[str]) -> Array:
    """(pairs, 2) int32 indices of the users of the log at `path`: each pair once, the smaller index first."""
    files = Files(path)
    _, table, _ = _listens(files)
    pairs = _friends(files, index_ids(table["userID"])[1])
    return np.stack([as_numpy(pairs["user"]), as_numpy(pairs["friend"])], axis=1)


def _friends(files: Files, users: list[str]) -> Any:
    name = files.one(FRIENDS)
    pairs, lines = read_csv_and_lines(files, name, {"userID": INT, "friendID": INT}, TABS)
    ends = {column: lookup(pairs[column], pa.array(users)) for column in ("userID", "friendID")}
    raise_problems(
        [
            LogProblem(
                name, int(lines[row]), column, f"the user must be in {LISTENS}", str(pairs[column][int(row)])
            )
            for column, index in ends.items()
            for row in np.flatnonzero(index < 0)
        ]
    )
    left, right = ends["userID"], ends["friendID"]
    raise_problems(
        [
            LogProblem(
                name,
                int(lines[row]),
                "friendID",
                "a friend must be another user",
                str(pairs["friendID"][int(row)]),
            )
            for row in np.flatnonzero(left == right)
        ]
    )
    both = np.stack([np.minimum(left, right), np.maximum(left, right)], axis=1)
    return pa.table(dict(zip(("user", "friend"), np.unique(both, axis=0).astype(np.int32).T, strict=True)))


def _listens(files: Files) -> tuple[str, Any, Array]:
    name = files.one(LISTENS)
    types = {"userID": INT, "artistID": INT, "weight": INT}
    return name, *read_csv_and_lines(files, name, types, TABS)


def _categories(files: Files, artists: list[str]) -> list[str]:
    """Category of each artist: its most frequent tag among the NUM_TAGS most frequent ones of all artists."""
    given = read_csv(files, files.one(TAGGED), {"artistID": INT, "tagID": INT}, TABS)
    types = {"tagID": INT, "tagValue": TEXT}
    names = read_csv(files, files.one(TAGS), types, TABS._replace(encoding="latin-1"))
    name_of = dict(zip(names["tagID"].to_pylist(), names["tagValue"].to_pylist(), strict=True))

    artist = lookup(given["artistID"], pa.array(artists))
    tag = as_numpy(given["tagID"])[artist >= 0]
    artist = artist[artist >= 0]
    ids, counts = np.unique(tag, return_counts=True)
    top = ids[np.lexsort((ids, -counts))][:NUM_TAGS]
    table = np.zeros((len(artists), len(top) + 1), np.int64)
    column = np.full(int(ids.max(initial=0)) + 1, len(top))
    column[top] = np.arange(len(top))
    np.add.at(table, (artist, column[tag]), 1)
    best = table[:, :-1].argmax(axis=1) if len(top) else np.zeros(len(artists), np.int64)
    tagged, ranked = table.sum(axis=1) > 0, table[:, :-1].sum(axis=1) > 0
    return [
        str(name_of.get(int(top[best[row]]), f"tag {top[best[row]]}"))
        if ranked[row]
        else OTHER
        if tagged[row]
        else UNTAGGED
        for row in range(len(artists))
    ]
