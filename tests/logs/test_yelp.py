"""Reader of Yelp: ratings, categories of businesses, and errors."""

import pytest
from log_layouts import changed, named, refused, write
from public_layouts import LAYOUTS

from recgym.logs import read_log, validate

FILES = LAYOUTS["yelp"]


def test_yelp(tmp_path):
    log = read_log(write(tmp_path, FILES))
    rows = named(log)
    assert (rows["user"], rows["item"]) == (["OyoG", "mh_e"], ["7ATY", "XQfw"])
    assert (rows["rating"], rows["click"]) == ([5.0, 3.0], [True, False])
    assert rows["time"] == [1325604498000, 1531001351000]
    assert log.items["category"].to_pylist() == ["unknown", "Restaurants"]
    assert validate(log) == []


def test_yelp_errors_name_the_row(tmp_path):
    folder = write(
        tmp_path, changed(FILES, "yelp_academic_dataset_review.json", '"2012-01-03 15', '"2012-31-03 15')
    )
    assert refused(folder).startswith("yelp_academic_dataset_review.json, row 2, date: a time is needed")
    folder = write(tmp_path, changed(FILES, "yelp_academic_dataset_business.json", '"7ATY",', '"7ATY,'))
    assert refused(folder).startswith(
        "yelp_academic_dataset_business.json, row 2: a line must be one JSON object"
    )


@pytest.mark.parametrize("stars", ["9", "0", "-1.0", "5.1", "1e3"])
def test_yelp_has_ratings_from_1_to_5(tmp_path, stars):
    folder = write(
        tmp_path, changed(FILES, "yelp_academic_dataset_review.json", '"stars":5.0', f'"stars":{stars}')
    )
    rule = "yelp_academic_dataset_review.json, row 2, stars: a rating from 1 to 5 is needed"
    assert refused(folder) == f"{rule}; found {float(stars)}"


@pytest.mark.parametrize("lines", ["{}\n", "\n{}\n{}\n"])
def test_objects_without_fields_are_not_called_empty(tmp_path, lines):
    folder = write(tmp_path, FILES | {"yelp_academic_dataset_business.json": lines})
    row = 1 + lines.count("{}\n{}") * 2
    rule = "an object with fields is needed; found {}"
    assert refused(folder) == f"yelp_academic_dataset_business.json, row {row}: {rule}"
    folder = write(tmp_path, FILES | {"yelp_academic_dataset_business.json": '{"id": 1}\n'})
    rule = "a line must have 'business_id', 'categories'; found id"
    assert refused(folder) == f"yelp_academic_dataset_business.json, row 1: {rule}"
