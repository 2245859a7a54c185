"""The three lines at the top of a card: from its entries alone."""

import re
from pathlib import Path

import pytest

import recgym.fit
from recgym.envs.world_lookup import WORLDS
from recgym.fidelity.card import card_markdown, planning_text
from recgym.fidelity.card_metrics import figure
from recgym.fidelity.card_summary import DECIDES, summary, unlike_visits
from recgym.fidelity.resampling import Spread
from recgym.fit import PRESETS
from recgym.sim.synthetic import synthetic
from recgym.sim.world import World

SHOP = (
    "**Fitted on** 116,095 rows of eshop2008, 47 users and 217 items; 15,390 rows to choose terms by, 33,989 to "
    "judge it on. Periods: validation from 2008-07-01, test from 2008-07-15; fitted on days before the test.",
    "**How true it is when it runs:** AUC of a classifier that tells its visits from the log's, 0.5 at best: whole "
    "visits 0.635, better than the baseline's 0.916 by popularity, constant rates (noise floor 0.503); visits cut to "
    "equal lengths 0.620, better than the baseline's 0.847 by popularity, constant rates (noise floor 0.503).",
    "**Assumed**, not fitted to the log: how much sessions differ in patience; how often nothing of a slate "
    "has a response; whether users leave sooner after a slate without a response; that every position of a slate is "
    "seen; what the logging policy shows; how often cart, purchase happens. Rewards that rest on it: engagement, "
    "conversion, revenue.",
)
FEED_ONE_STEP = (
    "**How true it is** one step ahead of the log (as it runs it was not judged): AUC of a classifier that tells its "
    "rows from the log's, 0.5 at best: 0.529, better than the baseline's 0.619 by constant rate (noise floor 0.512)."
)
FEED_WHOLE = "whole visits 0.943, **worse** than the baseline's 0.683 by popularity, constant rates (noise floor 0.506)"


def shipped(name):
    return World.load(WORLDS / name)


def test_the_lines_of_the_shop_follow_its_title():
    shown = card_markdown(shipped("ecommerce-2")).split("\n\n")
    assert shown[:4] == ["# ecommerce-2 (ecommerce)", *SHOP]
    assert shown[4].startswith("* sources: ")


def test_a_world_that_its_baseline_beats_says_so():
    fitted, closeness, assumed = summary(shipped("content-2").card)
    assert fitted.startswith("**Fitted on** 42,028 rows of kuairand, 18,790 users and 4,631 items; ")
    assert FEED_WHOLE in closeness
    words = "whether users want an item again within a visit; when users leave; whether users leave sooner after a "
    assert assumed.endswith(f"{words}slate without a response; that every position of a slate is seen.")


def test_a_world_that_shows_the_figure_of_its_baseline_is_not_called_worse():
    card = dict(shipped("content-2").card)
    card["figures"] = [
        row | {"world": 0.50004, "toy": 0.50001} if row["id"] == "free_classifier/visits" else row
        for row in card["figures"]
    ]
    assert "whole visits 0.500, as good as the baseline's 0.500 by popularity" in summary(card)[1]


def test_a_world_that_was_judged_one_step_ahead_alone_says_so():
    assert summary(shipped("content-1").card)[1] == FEED_ONE_STEP
    assert (
        "log-loss of a held-out item over the catalogue 6.017, better than the baseline's 7.110 by popularity"
        in (summary(shipped("social-1").card)[1])
    )


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_assumed_term_of_a_shipped_world_has_words(name):
    card = shipped(name).card
    assert len(summary(card)) == 3
    for row in card["terms"]:
        if row["status"] == "assumed" and ":" not in row["term"]:
            assert row["term"].startswith(tuple(DECIDES)), row["term"]
    assert set(DECIDES) & set(summary(card)[2].split("; ")) == set()


def test_a_card_says_what_it_has():
    assert summary({}) == []
    assert summary({"terms": [{"term": "rho", "status": "fitted"}]}) == ["**Assumed:** nothing."]
    card = {"rows": {"train": 5, "validation": 2, "test": 1}}
    assert summary(card) == [
        "**Fitted on** 5 rows; 2 rows to choose terms by, 1 to judge it on.",
        "**How true it is** was not judged.",
    ]
    assert card_markdown(synthetic(6).with_card(**card)).splitlines()[2].startswith("**Fitted on** 5 rows")


def test_users_and_items_without_a_row_in_the_world_are_counted():
    card = {"rows": {"train": 5, "validation": 2, "test": 1}, "users": 297, "items": 9}
    assert "5 rows, 297 users and 9 items;" in summary(card)[0]
    card["of_log"] = {"users": 300, "items": 9}
    assert "5 rows, 297 users (of 300 in the log) and 9 items;" in summary(card)[0]


def test_every_term_that_a_fit_may_assume_has_words():
    source = "".join(
        file.read_text(encoding="utf-8") for file in Path(recgym.fit.__file__).parent.glob("*.py")
    )
    terms = set(re.findall(r'(?:assumed|from_table)\(\s*"(\w+)"', source))
    assert {"logged_stay", "leave_bias", "page_chain"} <= terms
    assert [name for name in terms if not name.startswith(tuple(DECIDES))] == []


def free(name, *labels, world, baseline=1.007, spread=(1.0, 1.03, 0.014)):
    return figure(name, *labels, log=1.007, world=world, n=149, baselines={"popularity": baseline},
                  spread=Spread(*spread)).entry()  # fmt: skip


def test_visits_that_are_unlike_those_of_the_log_are_named():
    terms = [{"term": "leave_bias", "status": "assumed"}]
    card = {"rows": {"train": 5, "validation": 2, "test": 1}, "terms": terms}
    long = card | {"figures": [free("free_length", "mean", world=18.45), free("free_responses", world=1.02)]}
    said = (
        "**Its visits are unlike the log's:** visit length, mean 18.4 (log 1.01, baseline 1.01). When users leave is "
        "assumed."
    )
    assert unlike_visits(long) == said
    assert summary(long)[1].endswith(said)
    near = [free("free_length", "mean", world=1.031), free("free_responses", world=1.10, baseline=1.08)]
    assert unlike_visits(card | {"figures": near}) == ""


def test_rates_and_responses_far_outside_are_named_though_the_baseline_is_off_too():
    rate = figure("free_rate", "click", log=0.386, world=0.225, n=149, baselines={"popularity": 0.391},
                  spread=Spread(0.342, 0.429, 0.02)).entry()  # fmt: skip
    rows = [free("free_responses", world=0.5, baseline=0.8), rate, free("free_length", "max", world=9.0)]
    said = unlike_visits({"figures": rows})
    assert said == (
        "**Its visits are unlike the log's:** responses a visit 0.5 (log 1.01, baseline 0.8); rate of click 0.225 (log "
        "0.386, baseline 0.391)."
    )


def test_a_world_without_a_classifier_says_how_it_runs():
    """The classifier alone is left out of logs of fewer than 500 rows."""
    rows = [free("free_length", "mean", world=18.45), free("free_responses", world=1.02)]
    rows.append(figure("log_loss", "click", world=0.5, n=9, baselines={"constant rate": 0.6}).entry())
    said = summary({"rows": {"train": 5, "validation": 2, "test": 1}, "figures": rows})[1]
    assert said.startswith(
        "**How true it is** one step ahead of the log (as it runs, 1 of 2 figures lie outside the interval of the "
        "log's): log-loss of click 0.500, better than the baseline's 0.600 by constant rate. "
    )


def test_the_worth_of_planning_names_the_assumed_terms_that_it_rests_on():
    worth = {"oracle": 10.0, "difference": 3.0, "low": 2.0, "high": 4.0, "sessions": 9, "is_bandit": False}
    terms = [
        {"term": term, "status": status}
        for term, status in (("kappa", "fitted"), ("leave_run", "assumed"), ("leave_bias", "assumed"))
    ]
    assert planning_text(worth, terms) == f"{planning_text(worth)}; rests on leave_run, assumed"
    assert planning_text(worth, terms[:1]) == planning_text(worth)
