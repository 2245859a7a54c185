"""Kendall's tau of rankings over settings of assumed terms."""

import math

import numpy as np
import pytest

from recgym.bench.ranking_stability import (
    rank_correlations,
    stability,
    stability_lines,
    stability_table,
)

AGENTS = ("a", "b", "c", "d")


def table(*rows):
    """Returns by seed and agent."""
    return {seed: dict(zip(AGENTS, row, strict=False)) for seed, row in enumerate(rows)}


def test_tau_of_tables_by_hand():
    middle = np.array([[4.0, 3, 2, 1]] * 5)
    other = np.array(
        [
            [8.0, 7, 6, 5],  # the same order
            [1, 2, 3, 4],  # reversed
            [4, 3, 1, 2],  # one of six pairs swapped
            [4, 3, 2, 2],  # a tie: five concordant pairs of six
            [1, 1, 1, 1],  # no order
        ]
    )
    wanted = [1.0, -1.0, 4 / 6, 5 / math.sqrt(6 * 5), 0.0]
    np.testing.assert_allclose(rank_correlations(middle, other), wanted)
    np.testing.assert_array_equal(rank_correlations(np.ones((1, 3)), np.ones((1, 3))), [1.0])


def test_stability_of_an_experiment_by_hand():
    middle = table((4, 3, 2, 1), (4, 3, 2, 1), (4, 3, 1, 2))
    found = stability(
        "shop",
        "recgym/Ecommerce-v1",
        {
            "": middle,
            "outside=low": table((9, 8, 7, 6), (9, 8, 7, 6), (9, 8, 6, 7)),
            "outside=high": table((3, 4, 2, 1), (4, 3, 2, 1), (3, 4, 1, 2)),
            "event.cart=low": table((1, 2, 3, 4), (1, 2, 3, 4), (2, 1, 4, 3)),
        },
    )
    assert (found.agents, found.seeds, found.first) == (AGENTS, 3, "a")
    assert found.most_changing == "event:cart"
    assert [(row.term, row.setting) for row in found.rows] == [
        ("event:cart", "low"),
        ("outside", "high"),
        ("outside", "low"),
    ]
    reversed_order, swapped, same = found.rows
    assert reversed_order.tau.mean == pytest.approx(np.mean([-1, -1, -4 / 6]))
    assert reversed_order.first == "d"
    assert swapped.tau.mean == pytest.approx(np.mean([4 / 6, 1, 4 / 6]))
    assert same.tau[:3] == (1.0, 1.0, 1.0)
    by_seed = [np.mean([1, 4 / 6, -1]), np.mean([1, 1, -1]), np.mean([1, 4 / 6, -4 / 6])]
    assert found.tau.mean == pytest.approx(np.mean(by_seed))
    half = 4.302653 * np.std(by_seed, ddof=1) / math.sqrt(3)
    assert found.tau.low == pytest.approx(np.mean(by_seed) - half, abs=1e-5)
    assert found.between_seeds == pytest.approx(np.mean([4 / 6, 1, 4 / 6]))
    lines = stability_lines(found)
    assert lines[0].startswith(
        "Ranking of 4 agents, trained at the middle, over 3 settings of assumed terms: "
    )
    assert (
        "event:cart changes it most: tau -0.89 [-1.00, -0.41] at low; d is first in place of a." in lines[1]
    )
    assert stability_table(found)[2] == ("outside", "low", "1.00 [1.00, 1.00]", "a")


def test_a_ranking_that_never_changes_names_no_term():
    found = stability("shop", "x", {"": table((2, 1)), "outside=low": table((5, 3))})
    assert found.most_changing == ""
    assert stability_lines(found)[1] == "No setting changes the ranking."
    assert math.isnan(found.between_seeds)


def test_agents_and_seeds_that_a_setting_lacks_are_left_out():
    middle = table((4, 3, 2, 1), (4, 3, 2, 1))
    found = stability("shop", "x", {"": middle, "outside=low": table((4, 3, 2))})
    assert (found.agents, found.seeds) == (AGENTS[:3], 1)
    assert stability("shop", "x", {"": middle, "outside=low": table((4,))}) is None
    assert stability("shop", "x", {"": middle, "outside=low": {7: {"a": 1.0, "b": 2.0}}}) is None


def test_settings_that_change_no_return_are_named_and_do_not_count():
    middle = table((4, 3, 2, 1), (4, 3, 2, 1))
    turned = table((1, 2, 3, 4), (1, 2, 3, 4))
    found = stability("shop", "x", {"": middle, "event.cart=low": middle, "outside=low": turned})
    assert found.tau.mean == -1.0
    assert [row.term for row in found.rows] == ["outside"]
    head, most, same = stability_lines(found)
    assert "over 1 settings" in head
    assert most.startswith("outside changes it most")
    assert same == "No return changes at event:cart=low."
    alone = stability("shop", "x", {"": middle, "event.cart=low": middle})
    assert (alone.tau.mean, alone.rows) == (1.0, ())
