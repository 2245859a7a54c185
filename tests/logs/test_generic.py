"""The generic table: ratings, files without header, and missing settings."""

import pytest

from recgym.logs import LogError, read_log


def refused(path, **options) -> str:
    with pytest.raises(LogError) as error:
        read_log(path, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def table(tmp_path, text, name="my.csv"):
    path = tmp_path / name
    path.write_text(text)
    return path


STARS = "u,i,stars,t\na,x,5,1600000100\na,y,3.5,1600000101\nb,x,4,1600000102\n"


@pytest.mark.parametrize(
    ("rating", "domain", "event", "expected", "remark"),
    [
        ("stars", "content", "click", [True, False, True], "my.csv: a rating of 4 or more counts as click, an"),
        ("stars", "social", "listen", [True, False, True], "my.csv: a rating of 4 or more counts as listen"),
        ("stars>=5", "content", "click", [True, False, False], "my.csv: a rating of 5 or more counts as click"),
        ("stars >= 3.5", "content", "click", [True, True, True], "my.csv: a rating of 3.5 or more counts"),
    ],
)  # fmt: skip
def test_ratings_become_responses_and_are_kept(tmp_path, rating, domain, event, expected, remark):
    log = read_log(table(tmp_path, STARS), domain=domain, mapping=f"user=u,item=i,rating={rating},time=t")
    assert log.events == (event,)
    assert log.column(event).tolist() == expected
    assert log.column("rating").tolist() == [5, 3.5, 4]
    assert log.remarks[1].startswith(remark)


@pytest.mark.parametrize(
    ("text", "mapping", "message"),
    [
        (STARS, "user=u,item=i,rating=stars>=many", "map: rating>='many': a number is needed, as in rating=stars>=4"),
        (STARS.replace("3.5", "good"), "user=u,item=i,rating=stars", "my.csv, row 3, stars: a number is needed; found"),
        (STARS.replace("3.5", ""), "user=u,item=i,rating=stars", "my.csv, row 3, stars: a value is needed; found"),
        ("u,i,stars,click\na,x,5,1\n", "user=u,item=i,rating=stars,click=click", "my.csv: give either event or rat"),
    ],
)  # fmt: skip
def test_bad_ratings_are_refused_by_row(tmp_path, text, mapping, message):
    assert refused(table(tmp_path, text), domain="content", mapping=mapping).startswith(message)


def test_columns_of_a_file_without_header_are_named_by_their_place(tmp_path):
    path = table(tmp_path, "1\t7\tpv\t1511544070\n1\t8\tbuy\t1511544071\n1\t7\tpv\t1511544070\n")
    log = read_log(path, domain="ecommerce", mapping="user=#1,item=#2,event=#3,time=#4")
    assert log.items["id"].to_pylist() == ["7", "8"]
    assert log.column("purchase").tolist() == [False, True]
    assert log.column("file_row").tolist() == [1, 2]
    assert log.duplicates == 1


@pytest.mark.parametrize(
    ("text", "mapping", "message"),
    [
        ("1,7,1511544070\n", "user=user_id,item=item",
         "my.csv, row 1: there is no column 'user_id', and '1,7,1511544070' looks like data: where a file has no "
         "header, name its columns by their number, as in user=#1,item=#2,time=#3"),
        ("1,7,1511544070\n", None, "my.csv, row 1: there is no column 'user', and '1,7,1511544070' looks like data"),
        ("who,what\na,b\n", None, "my.csv, row 1: there is no column 'user'; name the columns by a map, --map"),
        ("1,7,1511544070\n", "user=#0,item=#1", "map: '#0': columns are numbered from 1, as in user=#1,item=#2"),
        ("1,7,1511544070\n", "user=#1,item=thing", "map: 'thing' is a name and '#1' the number of a column"),
        ("1,7\n1,8,9\n", "user=#1,item=#2", "my.csv, row 2: a row must have 2 cells; found 3"),
        ("1,7,x\n1,8,5\n", "user=#1,item=#2,price=#3", "my.csv, row 1, #3: a number is needed; found 'x'"),
        ("1,7\n", "user=#1,item=#3", "my.csv, row 1: the header must have '#3'; found #1, #2"),
    ],
)  # fmt: skip
def test_errors_on_missing_columns_give_advice(tmp_path, text, mapping, message):
    assert refused(table(tmp_path, text), domain="ecommerce", mapping=mapping).startswith(message)


def test_an_error_without_a_domain_names_the_option(tmp_path):
    assert refused(table(tmp_path, "user,item\na,b\n")).endswith(
        "my.csv: a table needs a domain, ecommerce (a shop), content (a feed of videos or articles) or social (music, "
        "with friends): say --domain, or domain= in Python"
    )
