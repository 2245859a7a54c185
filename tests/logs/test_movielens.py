"""Readers of MovieLens: three layouts and errors."""

import pytest
from log_layouts import ML1M, ML25M, ML100K, assert_rows_are_lines, changed, refused, write

from recgym.logs import read_log, validate


def test_movielens_100k(tmp_path):
    log = read_log(write(tmp_path, ML100K))
    assert log.domain == "content"
    assert log.users.to_pylist() == [
        {"id": "22", "age": "24", "gender": "M", "occupation": "technician"},
        {"id": "196", "age": "53", "gender": "F", "occupation": "other"},
    ]
    assert log.items["category"].to_pylist() == ["Comedy", "unknown"]
    assert log.column("user").tolist() == [1, 1, 0]
    assert log.column("item").tolist() == [0, 1, 1]
    assert log.column("click").tolist() == [False, True, True]
    assert log.column("rating").tolist() == [3, 4, 5]
    assert log.column("time").tolist() == [881250949000, 881250951000, 881250950000]
    assert log.column("session").tolist() == [0, 0, 1]
    assert log.column("file_row").tolist() == [1, 3, 2]
    assert log.duplicates == 1
    assert (
        log.remarks[-1] == "ml-100k/u.data: a rating of 4 or more counts as click, an assumption: 2 of 3 rows"
    )
    assert validate(log) == []


def test_movielens_1m(tmp_path):
    log = read_log(write(tmp_path, ML1M))
    assert log.users["gender"].to_pylist() == ["F", "M"]
    assert log.users["age"].to_pylist() == ["1", "56"]
    assert log.items["category"].to_pylist() == ["Animation", "Drama"]
    assert log.column("session").tolist() == [0, 1, 1]
    assert log.column("item").tolist() == [1, 1, 0]
    assert log.column("click").tolist() == [True, True, False]
    assert log.column("file_row").tolist() == [3, 1, 2]


def test_movielens_10m(tmp_path):
    """It has half stars and no users.dat: the folder was no known data set."""
    texts = {
        "ml-10M100K/ratings.dat": "1::122::5::838985046\n1::185::0.5::838983525\n2::122::3.5::868245777\n",
        "ml-10M100K/movies.dat": "122::Boomerang (1992)::Comedy|Romance\n185::Net, The (1995)::(no genres listed)\n",
        "ml-10M100K/tags.dat": "15::4973::excellent!::1215184630\n",
    }
    log = read_log(write(tmp_path, texts))
    assert (log.source.name, log.users.column_names) == ("movielens", ["id"])
    assert log.items["category"].to_pylist() == ["Comedy", "unknown"]
    assert log.column("rating").tolist() == [0.5, 5.0, 3.5]
    assert log.column("click").tolist() == [False, True, False]
    assert "there is no file users.dat: users have no features" in log.remarks


def test_movielens_25m(tmp_path):
    log = read_log(write(tmp_path, ML25M))
    assert log.items["category"].to_pylist() == ["Comedy", "unknown"]
    assert log.column("rating").tolist() == [3.5, 5.0]
    assert log.column("session").tolist() == [0, 1]
    assert log.column("click").tolist() == [False, True]


@pytest.mark.parametrize(
    ("texts", "name", "old", "new", "message"),
    [
        (ML100K, "ml-100k/u.data", "302\t5", "302\tfive",
         "u.data, row 2, rating: a number is needed; found 'five' (and 1"),
        (ML100K, "ml-100k/u.data", "22\t302", "23\t302",
         "u.data, row 2, user id: the id must be in the table of users"),
        (ML100K, "ml-100k/u.user", "|85711", "", "u.user, row 1: a row must have 5 cells; found 4"),
        (ML1M, "ml-1m/ratings.dat", "661::3", "661:3", "ratings.dat, row 2: a row must have 4 cells; found 3"),
        (ML1M, "ml-1m/movies.dat", "::Drama", ":Drama", "movies.dat, row 2: a row must have 3 cells; found 2"),
        (ML25M, "ml-25m/ratings.csv", "1147868817", "", "ratings.csv, row 3, timestamp: a whole number is needed"),
        (ML100K, "ml-100k/u.data", "242\t3", "242\t6", "u.data, row 1, rating: a rating from 1 to 5 is needed"),
        (ML1M, "ml-1m/ratings.dat", "661::3", "661::0", "row 2, Rating: a rating from 1 to 5 is needed; found 0"),
        (ML1M, "ml-1m/ratings.dat", "661::3", "661::.5", "row 2, Rating: a rating from 1 to 5 is needed"),
        (ML25M, "ml-25m/ratings.csv", "3.5", "50", "ratings.csv, row 3, rating: a rating from 0.5 to 5 is needed"),
    ],
)  # fmt: skip
def test_movielens_errors_name_the_place(tmp_path, texts, name, old, new, message):
    assert message in refused(write(tmp_path, changed(texts, name, old, new)))


@pytest.mark.parametrize("empty", ["", "\n", "\n\r\n"])
@pytest.mark.parametrize(
    ("texts", "name"),
    [
        (ML100K, "ml-100k/u.item"),
        (ML100K, "ml-100k/u.user"),
        (ML1M, "ml-1m/movies.dat"),
        (ML1M, "ml-1m/users.dat"),
    ],
)
def test_an_empty_file_beside_the_ratings_is_named(tmp_path, texts, name, empty):
    error = refused(write(tmp_path, {**texts, name: empty}))
    assert error.startswith(f"{name}: the file is empty; rows of ")


@pytest.mark.parametrize("texts", [ML100K, ML1M, ML25M])
def test_rows_of_movielens_are_lines_of_the_file(tmp_path, texts):
    assert_rows_are_lines(write(tmp_path, texts))


def test_ids_of_films_are_compared_as_ids_and_occur_once(tmp_path):
    name = next(name for name in ML25M if name.endswith("movies.csv"))
    header, *films = ML25M[name].splitlines()
    decimals = "\n".join([header, *(film.replace(",", ".0,", 1) for film in films)]) + "\n"
    assert read_log(write(tmp_path, ML25M | {name: decimals})).items["category"].to_pylist() == [
        "Comedy",
        "unknown",
    ]
    film = films[0].split(",", 1)[0]
    twice = refused(write(tmp_path, ML25M | {name: ML25M[name] + f"{film},Other,Drama\n"}))
    assert twice == f"{name}: an id must occur once; {film} does not"
