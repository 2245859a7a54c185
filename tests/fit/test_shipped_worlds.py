"""The shipped worlds: files, licences, terms, and bounds of their figures."""

from pathlib import Path

import numpy as np
import pytest
from card_figures import by_id

import recgym
from recgym.fidelity.card import card_markdown
from recgym.fidelity.card_metrics import JUDGED
from recgym.fit import ASSUMED, PRESETS
from recgym.fit.provenance import OPTIONAL_TERMS, term_names
from recgym.sim.schema import PARAMS
from recgym.sim.world import World

WORLDS = Path(recgym.__file__).parent / "worlds"


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_shipped_world_is_complete(name):
    folder = WORLDS / name
    world = World.load(folder)
    assert sum(file.stat().st_size for file in folder.iterdir()) < 2_500_000
    licence = (folder / "LICENSE").read_text()
    assert name in licence
    terms = {"ecommerce": "CC BY 4.0", "content": "CC BY-SA 4.0", "social": "non-commercial"}
    assert terms[world.domain] in licence
    rows = {row["term"]: row for row in world.card["terms"]}
    required = len(term_names(world.domain))
    assert list(rows)[:required] == list(term_names(world.domain))
    assert set(list(rows)[required:]) <= set(OPTIONAL_TERMS)
    assert {param.name for param in PARAMS} <= set(rows)
    assert {row["status"] for row in rows.values()} == {"fitted", "assumed", "absent"}
    assert all(row["source"] for row in rows.values())
    for figure in by_id(world.card).values():
        assert figure.judges in JUDGED
        assert figure.n > 100 or figure.n == world.num_users  # of all users, which may be few
    for key in ("sources", "licence", "citation", "command", "rows", "validated", "rewards_assumed"):
        assert key in world.card
    assert np.abs(world.user_features).max(initial=0) <= 1
    assert "| leave_bias |" in card_markdown(world)


def test_figures_of_the_shipped_shop_are_within_their_bounds():
    figures = by_id(World.load(WORLDS / "ecommerce-1").card)
    assert figures["page_log_loss"].world <= 2.56
    assert figures["catalogue_log_loss"].world <= 4.00
    assert figures["auc/leaving"].world >= 0.64
    assert figures["log_loss/leaving"].world <= 0.392


def test_figures_of_the_shipped_content_world_are_within_their_bounds():
    figures = by_id(World.load(WORLDS / "content-1").card)
    assert figures["log_loss/click"].world < figures["log_loss/click"].baseline
    ratio = {name: row.world / row.log for name, row in figures.items() if row.log}
    assert ratio["rate/click"] == pytest.approx(1.0, abs=0.03)
    assert ratio["rate/long_view"] == pytest.approx(1.0, abs=0.03)
    assert ratio["rate/like"] == pytest.approx(1.0, abs=0.10)
    # rare events are judged as a sum, 99 rows of the day: share has 22 rows, its rate is .54 of the log's
    assert 0.8 <= ratio["rare_rate/comment + share + follow + hate"] <= 1.25
    assert figures["auc/click"].world >= 0.70
    assert figures["auc/long_view"].world >= 0.71
    for event in ("click", "long_view"):
        assert figures[f"calibration_error/{event}"].world < 0.02
    assert figures["user_variance/click"].world >= 0.085
    classifier = figures["classifier_auc"]
    assert classifier.world <= 0.53
    assert classifier.baseline >= 0.57


def test_the_second_content_world_improves_on_the_first():
    first, second = (by_id(World.load(WORLDS / name).card) for name in ("content-1", "content-2"))
    for name in ("auc/click", "auc/long_view", "trees_auc_gain/click", "trees_auc_gain/long_view"):
        assert second[name].world > first[name].world > 0.0
    assert second["classifier_auc"].world <= 0.54
    assert 0.9 <= second["calibration_slope/click"].world <= 1.1
    assert second["rate/click"].world == pytest.approx(second["rate/click"].log, rel=0.03)
    assert second["rate/long_view"].world == pytest.approx(second["rate/long_view"].log, rel=0.03)
    assert second["interaction_sd"].world > 0.15
    assert second["top_overlap/20"].world < 0.3
    place = World.load(WORLDS / "content-2").arrays.place_bias
    assert place[1] < 0.0
    assert place[-1] < place[3] < place[0]


def test_an_assumed_term_is_never_called_fitted():
    for name in PRESETS:
        world = World.load(WORLDS / name)
        rows = {row["term"]: row["status"] for row in world.card["terms"]}
        for term in ("leave_idle", "rho", "leave_rate"):
            if term in ASSUMED[world.domain] and term in rows:
                assert rows[term] == "assumed", (name, term)
