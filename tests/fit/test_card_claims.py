"""What a card says of a log: what it identifies, what is assumed, what the log lacks."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from card_figures import by_id
from click_logs import click_log
from visit_tables import fitted, log_with_friends, visits

from recgym.fidelity.card import card_markdown, worse_than_baselines
from recgym.fidelity.leaving_metrics import MEASURES, survival
from recgym.fit import FitConfig, fit
from recgym.fit.dataset import make_dataset
from recgym.fit.exposure_terms import validated
from recgym.fit.logging_terms import blocks_of, fit_stay
from recgym.fit.provenance import card_notes_on_contexts
from recgym.logs import Log

MEMORY = ("push", "eta", "pull", "kappa", "decay", "rho")


def test_a_world_that_loses_says_so_first():
    log, _ = click_log(visits=60)
    config = FitConfig(dim=2, epochs=1, start="zero", guard=None, bootstrap=20)
    world = fit(log, name="w", config=config, progress=False)
    row = {
        "id": "log_loss/x",
        "figure": "log-loss of x",
        "judges": "users",
        "log": None,
        "world": 2.5,
        "toy": 2.0,
        "low": None,
    }
    bad = world.with_card(figures=[{**row, "high": None, "noise": None, "toy_name": "popularity", "n": 50}])
    said = "On its own log this world loses to a baseline: x 2.500 nats against 2.000 of popularity"
    said = f"{said} (50 rows, judges the users). Agents may learn what is not so. "
    assert worse_than_baselines(bad.card).startswith(said)
    assert "fewer learnt terms: FitConfig(guard=4)" in worse_than_baselines(bad.card)
    assert card_markdown(bad).splitlines()[0] == f"**{worse_than_baselines(bad.card)}**"
    good = world.with_card(figures=[{**bad.card["figures"][0], "world": 2.0004}])
    assert card_markdown(good).splitlines()[0] == "# w (ecommerce)"


def test_quantiles_where_every_visit_is_as_long():
    clock, ended = np.tile(np.arange(1, 16), 30), np.zeros(450)  # 16 rows each, the last cut by the log's end
    lengths = survival(clock, ended, np.ones(450))
    assert {name: measure(lengths) for name, measure in MEASURES.items()} == {
        "mean": 16.0, "median": 16.0, "90th percentile": 16.0, "99th percentile": 16.0,
    }  # fmt: skip
    ended[clock == 15] = 1.0
    assert MEASURES["median"](survival(clock, ended, np.ones(450))) == 15.0


def test_a_card_says_what_the_log_has_of_randomised_exposure():
    log, _ = click_log(visits=60)

    def with_column(name, values):
        place = log.rows.schema.get_field_index(name)
        column = pa.array(values)
        rows = log.rows
        return replace(
            log,
            rows=rows.append_column(name, column) if place < 0 else rows.set_column(place, name, column),
        )

    num = log.num_rows
    assert validated(log).endswith("this log has no propensities and no flag of randomised exposure")
    assert "randomised exposure, uniform propensities of 0.1 on 100%" in validated(
        with_column("propensity", np.full(num, 0.1))
    )
    spread = validated(with_column("propensity", np.linspace(0.1, 0.5, num)))
    assert "randomised exposure, propensities of 0.1 to 0.5" in spread
    assert "a deterministic policy" in validated(with_column("propensity", np.ones(num)))
    assert f"7 of {num} rows that is_rand marks" in validated(with_column("is_rand", np.arange(num) < 7))
    assert "holds ratings, no exposure is logged" in validated(with_column("rating", np.ones(num)))


def ratings() -> pd.DataFrame:
    frame = visits(1_500, 40, seed=3)
    frame["rating"] = np.random.default_rng(4).integers(1, 6, size=len(frame))
    return frame


def test_the_exposure_of_a_table_of_ratings_is_assumed():
    rows = {row["term"]: row for row in fitted(ratings(), "content", epochs=1).card["terms"]}
    assert (rows["exposure"]["status"], rows["exposure"]["value"]) == ("assumed", "share of ratings")
    assert "no impressions are logged" in rows["exposure"]["source"]
    assert rows["logged_stay"]["status"] == "absent"  # one category


def card_of_noise(length: int, domain: str, **settings) -> dict[str, dict]:
    """Terms of a log whose responses are independent of users and of earlier steps of the session."""
    frame = visits(900, 20, seed=9, length=length)
    response = "listen" if domain == "social" else "click"
    frame[response] = np.random.default_rng(1).random(len(frame)) < 0.3
    return {row["term"]: row for row in fitted(frame, domain, **settings).card["terms"]}


@pytest.mark.slow
def test_initial_values_are_not_called_fitted():
    rows = card_of_noise(5, "content")
    assert {name: rows[name]["status"] for name in ("profile", "factors", *MEMORY)} == dict.fromkeys(
        ("profile", "factors", *MEMORY), "absent"
    )
    assert rows["push"]["source"] == "did not improve validation over effects of users, items and contexts"
    assert rows["item_bias"]["status"] == "fitted"


@pytest.mark.parametrize("domain", ["content", "social"])
def test_sessions_of_one_row_do_not_identify_memory(domain):
    rows = card_of_noise(1, domain, guard=None, epochs=1)
    assert {rows[name]["status"] for name in ("push", "eta", "pull")} == {"absent"}
    assert (rows["rho"]["status"], rows["rho"]["value"]) == ("assumed", -1.0)
    known = {"content": ("absent", "absent", 0.0), "social": ("assumed", "assumed", -0.1)}[domain]
    assert (rows["kappa"]["status"], rows["decay"]["status"], rows["kappa"]["value"]) == known


@pytest.mark.slow
def test_a_card_has_no_facts_of_other_logs():
    for domain in ("content", "social", "ecommerce"):
        card = card_markdown(fitted(visits(600, 20, seed=2).assign(**{
            "listen" if domain == "social" else "click": np.arange(600) % 3 == 0
        }), domain, epochs=1))  # fmt: skip
        for words in ("KuaiRand", "74 same-day", "the log's 74", "no log here"):
            assert words not in card, (domain, words)


def test_staying_is_fitted_where_a_log_identifies_it():
    log, _ = click_log(visits=300)
    frame = make_dataset(log, FitConfig(), positives_only=True)
    every = np.ones(log.num_rows, bool)
    assert fit_stay(blocks_of(frame, every), frame.items.exposure) == pytest.approx(0.7, abs=0.06)
    one = replace(frame, items=replace(frame.items, category=np.zeros(18, np.int64), categories=("all",)))
    assert fit_stay(blocks_of(one, every), one.items.exposure) is None


@pytest.mark.slow
def test_a_social_log_of_impressions_has_a_graph(tmp_path):
    world = fit(log_with_friends(300), name="w", config=FitConfig(bootstrap=20, epochs=4), progress=False)
    assert world.has_graph
    rows = {row["term"]: row for row in world.card["terms"]}
    assert rows["graph"]["status"] == rows["connect_common"]["status"] == "fitted"
    assert not world.arrays.profile.any()  # friends differ in nothing that the graph could rest on
    assert (rows["connect_taste"]["status"], rows["connect_taste"]["value"]) == ("absent", 0.0)
    assert "friends_auc" in by_id(world.card)
    assert len(world.arrays.friend) // 2 == pytest.approx(300, rel=0.05)


def test_the_card_does_not_call_a_slope_on_equal_profiles_fitted():
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"user": rng.integers(90, size=900), "item": rng.integers(20, size=900)})
    ends = np.unique(np.sort(rng.integers(90, size=(260, 2)), axis=1), axis=0)
    ends = ends[ends[:, 0] < ends[:, 1]].astype(np.int32)
    log = Log.from_pandas(frame.drop_duplicates().assign(listen=True), domain="social")
    log = replace(log, friends=pa.table({"user": ends[:, 0], "friend": ends[:, 1]}))
    world = fit(log, name="w", config=FitConfig(bootstrap=20, steps=60), progress=False)
    assert not world.arrays.profile.any()
    assert world.params["connect_taste"] == 0.0
    rows = {row["term"]: row for row in world.card["terms"]}
    assert {rows[name]["status"] for name in ("profile", "factors", "connect_taste")} == {"absent"}
    assert rows["connect_taste"]["source"] == "profiles do not differ"
    assert rows["graph"]["status"] == rows["connect_common"]["status"] == "fitted"
    assert "similarity" not in rows["graph"]["source"]
    figure = by_id(world.card)["transitivity"]
    aimed = re.search(r"; aimed at transitivity ([\d.]+) \(reached ([\d.]+)\)$", rows["graph"]["source"])
    assert [float(each) for each in aimed.groups()] == pytest.approx([figure.log, figure.world], abs=2e-4)


def test_the_card_counts_friends_that_are_too_few():
    from recgym.sim.friend_requests import most_candidates

    world = fit(log_with_friends(40), name="w", config=FitConfig(bootstrap=20, epochs=1), progress=False)
    assert not world.has_graph
    rows = {row["term"]: row for row in world.card["terms"]}
    assert rows["graph"]["source"] == "40 friend pairs of users with rows; a graph needs 100"
    with pytest.raises(ValueError, match="no graph of friends: 40 friend pairs of users with rows"):
        most_candidates(world)


def test_contexts_without_a_term_are_named():
    frame = pd.DataFrame({"user": [f"u{k % 5}" for k in range(60)], "item": [f"i{k % 7}" for k in range(60)]})
    frame = frame.assign(
        session=range(60), click=[k % 3 > 0 for k in range(60)], context_hour=[*range(20)] * 3
    )
    frame = frame.assign(context_device="phone", context_is_rand=0)

    def note(**changes) -> str:
        log = Log.from_pandas(frame.assign(**changes), domain="content")
        return card_notes_on_contexts(log, make_dataset(log, FitConfig(), positives_only=False))

    assert note() == "contexts that no term depends on: context_device"
    country = [f"c{k % 5 % 2}" for k in range(60)]
    assert note(context_country=country) == (
        "contexts that no term depends on: context_device, context_country; of a user alone, and no feature of "
        "users: context_country; as a column of a table of users (--source generic:users=FILE) agents and terms read it"
    )
    hours = [float("nan"), *range(19)] * 3
    assert note(context_hour=hours) == (
        "contexts that no term depends on: context_device; context_hour is not used: 3 of 60 rows have none"
    )
