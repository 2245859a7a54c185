"""The chosen item of a slate is cut by the separator of the items shown, by no other."""

import pandas as pd
import pytest
from log_files import refused, write

from recgym.logs import Log, read_log


def clicked(log):
    names = log.items["id"].to_pylist()
    return {names[item] for item, click in zip(log.column("item"), log.column("click"), strict=True) if click}


@pytest.mark.parametrize(
    ("shown", "item", "found"),
    [
        ("red|red shoe|shoe", "red shoe", {"red shoe"}),
        ("['red','red shoe','shoe']", "red shoe", {"red shoe"}),
        ("red shoe|blue hat", "blue hat", {"blue hat"}),
        ("a|b|a,b", "a,b", {"a,b"}),
        ("a|b|c", "a|c", {"a", "c"}),
        ("a b c", "c a", {"a", "c"}),
        ("a|b|c", "['a'|'b']", {"a", "b"}),
        ("a|b|c", "", set()),
    ],
)
def test_a_chosen_item_is_cut_as_the_items_shown_are(tmp_path, shown, item, found):
    table = pd.DataFrame({"user": ["u"], "shown": [shown], "item": [item], "time": [1650000000]})
    path = tmp_path / "t.csv"
    table.to_csv(path, index=False, sep="\t")
    assert clicked(read_log(path, domain="ecommerce")) == found


def test_another_separator_of_the_chosen_items_is_refused(tmp_path):
    path = write(tmp_path / "t.csv", "user;shown;item\nu;1|2|12;1 2\n")
    assert refused(path, domain="ecommerce").startswith(
        "t.csv, row 2, item: a chosen item must be among the items shown; found '1 2'"
    )


def test_a_text_beside_a_real_list_is_one_item():
    frame = pd.DataFrame({"user": ["u"], "shown": [["red", "red shoe", "shoe"]], "item": ["red shoe"]})
    assert clicked(Log.from_pandas(frame, domain="ecommerce")) == {"red shoe"}
    several = frame.assign(item=[["red", "shoe"]])
    assert clicked(Log.from_pandas(several, domain="ecommerce")) == {"red", "shoe"}


def test_one_position_beside_a_slate_is_refused_with_what_is_needed(tmp_path):
    path = write(tmp_path / "t.csv", "user,shown,item,position\nu,1|2|3,2,1\n")
    assert refused(path, domain="ecommerce").startswith(
        "t.csv, row 2, position: a list with the position of each item shown is needed, or no position"
    )
