"""Reader of ContentWise Impressions: lists with their choices, what is left out, CSV, and errors."""

from log_layouts import named, refused, write
from public_layouts import LAYOUTS

from recgym.logs import read_log, validate

FILES = LAYOUTS["contentwise"]
CSV = {
    "interactions.csv": "utc_ts_milliseconds,user_id,item_id,series_id,recommendation_id,interaction_type\n"
    "1546300800000,1,101,11,5,1\n1546300700000,2,103,13,-1,0\n",
    "impressions-direct-link.csv": "recommendation_id,row_position,recommendation_list_length,recommended_series_list\n"
    '5,0,3,"[12, 13, 11]"\n',
}


def test_contentwise(tmp_path):
    log = read_log(write(tmp_path, FILES))
    rows = named(log)
    assert rows["user"] == ["2"] + ["1"] * 5
    assert rows["item"] == ["13", "12", "13", "11", "11", "13"]
    assert rows["click"] == [True, True, False, True, True, False]
    assert rows["slate"] == [None, 5, 5, 5, 6, 6]
    assert rows["position"] == [None, 0, 1, 2, 0, 1]
    assert rows["time"] == [1546300700000] + [1546300800000] * 3 + [1546300900000] * 2
    assert (rows["session"], rows["step"]) == ([0, 1, 1, 1, 1, 1], [0, 0, 0, 0, 1, 1])
    assert "1 slates that lack their chosen item left out" in log.remarks[0]
    assert validate(log) == []
    assert not any("time_unit" in remark for remark in log.remarks)


def test_contentwise_as_csv(tmp_path):
    rows = named(read_log(write(tmp_path, CSV)))
    assert (rows["item"], rows["click"]) == (["13", "12", "13", "11"], [True, False, False, True])


def test_contentwise_errors_name_the_row(tmp_path):
    broken = CSV | {"interactions.csv": CSV["interactions.csv"].replace("1546300700000", "1546300700000x")}
    assert refused(write(tmp_path, broken)).startswith(
        "interactions.csv, row 3, utc_ts_milliseconds: a time is needed"
    )
    broken = CSV | {"interactions.csv": CSV["interactions.csv"].replace("13,-1", "13,none yet")}
    assert refused(write(tmp_path, broken)).startswith(
        "interactions.csv, row 3, recommendation_id: a whole number"
    )


def test_a_recommendation_of_contentwise_has_one_user_and_one_list(tmp_path):
    row, other = "1546300800000,1,101,11,5,1\n", "1546300860000,2,102,12,5,1\n"
    shared = CSV | {"interactions.csv": CSV["interactions.csv"].replace(row, row + other)}
    assert refused(write(tmp_path, shared)) == (
        "interactions.csv, row 3, recommendation_id: a recommendation must have one user; found 5"
    )
    lists = CSV["impressions-direct-link.csv"]
    twice = CSV | {"impressions-direct-link.csv": lists + '5,0,2,"[11, 14]"\n'}
    assert refused(write(tmp_path, twice)) == (
        "impressions-direct-link.csv, row 3, recommendation_id: a recommendation must have one list; found 5"
    )
    alike = CSV | {"impressions-direct-link.csv": lists + '5,0,3,"[12, 13, 11]"\n'}
    assert named(read_log(write(tmp_path, alike)))["item"] == ["13", "12", "13", "11"]


def test_any_recommendation_below_0_is_none(tmp_path):
    text = CSV["interactions.csv"].replace("13,-1", "13,-2")
    assert named(read_log(write(tmp_path, CSV | {"interactions.csv": text})))["slate"] == [None, 5, 5, 5]
