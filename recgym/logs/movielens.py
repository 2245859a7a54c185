"""MovieLens 100k, 1m, 10m, 25m and similar sets: ratings of films, without impressions and watch time.

Conventions of this reader:

* the domain is content; a rating of 4 or more counts as a click, which is an assumption that a remark states. A film
  without a rating was not skipped;
* `time` is the time of the rating; many are given in a row. A session ends after 30 minutes without a rating; it is not
  a session of viewing;
* an item's category is its first genre (100k: the first of the official order).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from recgym.logs.columns import Source
from recgym.logs.delimited import ID, read_csv, read_csv_and_lines
from recgym.logs.events_table import GAP_MINUTES
from recgym.logs.files import Files, reading
from recgym.logs.generic import from_table
from recgym.logs.id_tables import refuse_repeated
from recgym.logs.ids import FLOAT, INT, TEXT, id_text, map_ids
from recgym.logs.log import Log
from recgym.logs.origin import Origin
from recgym.logs.problems import LogError, LogProblem, raise_problems
from recgym.logs.separators import COLONS
from recgym.logs.table_settings import TableSettings
from recgym.logs.text_layout import TextLayout

SOURCE = Source(
    "movielens",
    "research use; no redistribution without permission",
    "Harper, F. M. and Konstan, J. A. (2015). The MovieLens datasets: history and context. ACM TiiS 5(4), 19.",
    "A rating of 4 or more counts as a click; sessions are bouts of rating.",
)
GENRES = (
    "", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy",
    "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip
KEYS = ("user", "item", "rating", "time")
FEATURES = ("id", "age", "gender", "occupation")  # of a user
MOST = 5.0  # the highest rating
COMMAS = TextLayout(is_quoted=False)


def read_100k(files: Files, options: Mapping[str, Any]) -> Log:
    """Log of u.data, u.item and u.user: ratings separated by tabs, the other files by | in latin-1."""

    def genre(cells: list[str]) -> str:
        return next((name for name, flag in zip(GENRES, cells[5:], strict=True) if flag == "1"), "")

    columns = ("user id", "item id", "rating", "timestamp")
    films = _lines(files, "u.item", "|", 5 + len(GENRES))
    genres = _categories(files.one("u.item"), [(cells[0], genre(cells)) for cells in films])
    people = [(user, age, gender, work) for user, age, gender, work, _ in _lines(files, "u.user", "|", 5)]
    users = dict(zip(FEATURES, zip(*people, strict=True), strict=True))
    return _read(files, "u.data", columns, genres, users, TextLayout("\t", False, header=columns), least=1.0)


def read_1m(files: Files, options: Mapping[str, Any]) -> Log:
    """Log of ratings.dat, movies.dat and users.dat, separated by ::; 10m has no users.dat, and half stars."""
    columns = ("UserID", "MovieID", "Rating", "Timestamp")
    films = _lines(files, "movies.dat", "::", 3)
    genres = _categories(files.one("movies.dat"), [(cells[0], _first_genre(cells[2])) for cells in films])
    layout = TextLayout(COLONS, False, header=columns)
    if not files.find("users.dat"):
        log = _read(files, "ratings.dat", columns, genres, None, layout)
        return replace(log, remarks=("there is no file users.dat: users have no features", *log.remarks))
    people = [(user, age, gender, work) for user, gender, age, work, _ in _lines(files, "users.dat", "::", 5)]
    users = dict(zip(FEATURES, zip(*people, strict=True), strict=True))
    return _read(files, "ratings.dat", columns, genres, users, layout, least=1.0)


def read_25m(files: Files, options: Mapping[str, Any]) -> Log:
    """Log of ratings.csv and movies.csv, as in the sets 20m, 25m, 32m and latest; without features of users."""
    movies = read_csv(files, files.one("movies.csv"), {"movieId": TEXT, "genres": TEXT}, nullable=("genres",))
    first = map(_first_genre, movies["genres"].to_pylist())
    films = list(zip(movies["movieId"].to_pylist(), first, strict=True))
    genres = _categories(files.one("movies.csv"), films)
    return _read(files, "ratings.csv", ("userId", "movieId", "rating", "timestamp"), genres, None)


def _first_genre(genres: str | None) -> str:
    """The first of genres as Comedy|Crime, "" for none."""
    first = (genres or "").split("|")[0]
    return "" if first.startswith("(no genres") else first


def _categories(name: str, films: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Category of each film by its id, of the file `name`; LogError if an id is there twice."""
    ids = pa.array([film for film, _ in films], TEXT)
    refuse_repeated(name, ids)
    return dict(zip(id_text(ids).to_pylist(), (category for _, category in films), strict=True))


def _read(
    files: Files,
    base: str,
    columns: tuple[str, ...],
    genres: Mapping[str, str],
    users: Mapping[str, Any] | None,
    layout: TextLayout = COMMAS,
    least: float = 0.5,
) -> Log:
    name = files.one(base)
    types = dict(zip(columns, (ID, ID, FLOAT, INT), strict=True))
    table, lines = read_csv_and_lines(files, name, types, layout)
    rows = {key: table[column] for key, column in zip(KEYS, columns, strict=True)}
    rows["category"] = map_ids(rows["item"], lambda item: genres.get(item, ""))
    named = dict(zip(KEYS, columns, strict=True))
    people = None if users is None else pa.table(dict(users))
    settings = TableSettings(
        name,
        "content",
        SOURCE,
        named,
        GAP_MINUTES,
        "s",
        people,
        origin=Origin.of(name, lines),
        rating_scale=(least, MOST),
    )
    return from_table(pa.table(rows), settings)


def _lines(files: Files, base: str, delimiter: str, width: int) -> Iterator[list[str]]:
    """Cells of a small latin-1 file without header; LogError for an empty file and a row of another width."""
    name = files.one(base)
    with reading(name), files.open(name) as stream:
        lines = stream.read().decode("latin-1").split("\n")
    lines = [line.removesuffix("\r") for line in lines]
    if not any(lines):
        raise LogError(f"{name}: the file is empty; rows of {width} cells are needed")
    for row, line in enumerate(lines, 1):
        cells = line.split(delimiter)
        if line and len(cells) != width:
            raise_problems([LogProblem(name, row, "", f"a row must have {width} cells", str(len(cells)))])
        if line:
            yield cells
