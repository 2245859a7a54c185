"""Figures of user-item pairs: visits that are libraries, and remarks on rows left out."""

import dataclasses
import re
from types import SimpleNamespace

import numpy as np
import pytest

from recgym.fidelity.free_run import Shape, free_run_of_pairs
from recgym.fidelity.free_running_metrics import statistics
from recgym.fidelity.pair_metrics import NO_ROW, PairEvaluation
from recgym.logs.sample import sample_log
from recgym.sim.free_visits import page_slots
from recgym.sim.synthetic import synthetic


def test_a_visit_of_pairs_is_a_library_that_no_leaving_ends():
    world = synthetic(3, domain="social", num_users=120, num_items=60).with_params(leave_bias=0.0)
    user, item = np.divmod(np.random.default_rng(1).permutation(120 * 60)[:1_200], 60)
    pairs = (user[:600], item[:600]), (user[600:], item[600:])
    run = free_run_of_pairs(world, *pairs, item, visits=480, resamples=20, seed=0)
    log, drawn = (np.bincount(table.length)[1:] for table in (run.logged, run.drawn))
    np.testing.assert_allclose(drawn / drawn.sum(), log / log.sum(), atol=0.02)
    left = run.in_shape(Shape(1, 50)).drawn
    assert left.length.mean() < 0.5 * run.drawn.length.mean()
    paged = run.in_shape(Shape(1, 50, pages=True)).form
    assert (paged.pages, paged.slate_size, paged.horizon) == (True, page_slots(world), 50)


def by_hand(table, num_items):
    """Gini coefficient of the rows of some visits."""
    count = np.sort(np.bincount(table.item, minlength=num_items))
    place = np.arange(1, num_items + 1)
    return ((2 * place - num_items - 1) * count).sum() / (num_items * count.sum())


def test_figures_of_libraries_are_of_as_many_rows_as_the_logs():
    """They were cut to the lengths of the log twice: inequality of a third of the rows beside that of all."""
    world = synthetic(3, domain="social", num_users=120, num_items=60)
    user, item = np.divmod(np.random.default_rng(1).permutation(120 * 60)[:1_200], 60)
    run = free_run_of_pairs(
        world, (user[:600], item[:600]), (user[600:], item[600:]), item, visits=480, resamples=20, seed=0
    )
    for table in (run.cut(run.drawn), run.cut(run.baseline)):
        parts = [table.visits(np.arange(run.logged.num) + k * run.logged.num) for k in range(4)]
        assert [np.bincount(part.length).tolist() for part in parts] == [
            np.bincount(run.logged.length).tolist()
        ] * 4
    case = SimpleNamespace(free=run)
    gini = next(row for row in statistics(case) if row.id == "free_gini")
    assert gini.log == pytest.approx(by_hand(run.logged, 60), abs=1e-5)
    parts = [run.drawn.visits(np.arange(run.logged.num) + k * run.logged.num) for k in range(4)]
    assert gini.world == pytest.approx(np.mean([by_hand(part, 60) for part in parts]), abs=1e-5)


def test_remarks_on_pairs_say_of_what_they_count():
    world = synthetic(3, domain="social", num_users=120, num_items=60)
    log = sample_log(world, "logged", 300, seed=1, horizon=30)
    answered = dataclasses.replace(log, rows=log.rows.filter(log.rows["listen"]).drop_columns(["listen"]))
    known = world.subset(50)
    remarks = PairEvaluation.of(known, answered, None, 20, 0).remarks
    lost = answered.column("item") >= 50
    assert f"{lost.sum():,} of the log's {len(lost):,} rows left out: {NO_ROW}" in remarks
    held = next(line for line in remarks if "held-out pairs are in such rows" in line)
    missing, total = (int(word.replace(",", "")) for word in re.findall(r"[0-9,]+", held)[:2])
    assert remarks[0] == f"{total - missing:,} held-out pairs"
