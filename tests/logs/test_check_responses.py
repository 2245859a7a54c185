"""What a reader says of a log without responses, with nothing else, or with events that do not tell them."""

import re
from dataclasses import replace

import pandas as pd
import pytest

from recgym.logs import Log, LogError, read_log
from recgym.logs.kinds import kind_of

TIMES = [1_600_000_000, 1_600_000_060, 1_600_000_120]


def test_events_that_need_no_response_do_not_tell_it(tmp_path):
    frame = pd.DataFrame({"user": list("uvw"), "item": list("aba"), "like": [0, 1, 0], "hate": [0, 0, 1]})
    said = (
        "no column says which rows had the response (click), as like and hate may happen without one: name it, "
        "click=COLUMN in the map, or count as responses what the log has, click="
    )
    with pytest.raises(LogError, match=f"^frame: {re.escape(said)}like$"):
        Log.from_pandas(frame, domain="content")
    frame.rename(columns={"like": "is_liked"}).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(LogError, match=f"^t.csv: {re.escape(said)}is_liked$"):
        read_log(tmp_path / "t.csv", domain="content", mapping="user=user,item=item,like=is_liked,hate=hate")
    log = Log.from_pandas(frame.assign(click=1), domain="content")
    bare = replace(log, rows=log.rows.drop_columns(["click"]))
    with pytest.raises(ValueError, match="the log has like, hate and no column click"):
        kind_of(bare)


@pytest.mark.parametrize(
    ("domain", "response"), [("ecommerce", "click"), ("content", "click"), ("social", "listen")]
)
def test_a_remark_says_what_a_log_without_rows_of_the_other_kind_means(domain, response):
    frame = pd.DataFrame({"user": list("uvw"), "item": list("aba"), "time": TIMES})
    assumed = "the log does not say what was shown without one, so how often users respond is assumed"
    alone = f"no column says what users did, so all rows count as responses ({response}): {assumed}"
    assert Log.from_pandas(frame, domain=domain).remarks[-1] == alone
    everyone = Log.from_pandas(frame.assign(**{response: 1}), domain=domain)
    assert everyone.remarks[-1] == f"all rows are responses ({response}): {assumed}"


def test_a_remark_names_what_may_count_where_no_row_is_a_response():
    frame = pd.DataFrame({"user": list("uvw"), "item": list("aba"), "event": ["like", "shown", "like"]})
    said = "no row is a response (click), and 2 like: event=COLUMN:WORD>click in the map counts a word as one"
    assert Log.from_pandas(frame, domain="content").remarks[-1] == said
