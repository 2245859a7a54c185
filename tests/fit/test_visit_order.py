"""Visits without an order of rows, and visits whose end is not seen: what is fitted from them."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from small_logs import tiny

from recgym.fidelity.indexed_log import align
from recgym.fit import FitConfig, fit
from recgym.fit.dataset import make_dataset
from recgym.fit.leaving_terms import leaving
from recgym.fit.logging_terms import blocks_of, fit_exposure, fit_stay, lead_before, terms_of_impressions
from recgym.fit.provenance import Provenance
from recgym.fit.shown_pages import chain_terms
from recgym.logs import Log, read_log
from recgym.logs.sample import sample_log
from recgym.sim.synthetic import synthetic

DAY = 86_400_000
QUICK = FitConfig(steps=120, bootstrap=20, dim=4, hidden=8)
ORDER = ("push", "kappa", "decay", "rho", "pull")


def timed(log: Log, step_ms: int) -> Log:
    """A sampled log as somebody's own: a visit a day, `step_ms` between its steps."""
    time = DAY * (1 + log.column("session").astype(np.int64)) + step_ms * log.column("step").astype(np.int64)
    place = log.rows.schema.get_field_index("time")
    rows = log.rows.set_column(place, "time", pa.array(1_600_000_000_000 + time))
    source = replace(log.source, name="somebody's log")
    return replace(log, rows=rows, indexed_by=None, source=source)


@pytest.fixture(scope="module")
def log() -> Log:
    world = synthetic(3, domain="content", num_users=60, num_items=20).with_params(kappa=-1.5, rho=-2.0)
    return sample_log(world, "random", 400, seed=2, horizon=30)


def term(world, name):
    return next(row for row in world.card["terms"] if row["term"] == name)


@pytest.mark.slow
def test_no_term_of_order_is_fitted_from_rows_of_one_time(log):
    world = fit(timed(log, 0), name="own", config=QUICK, progress=False)
    for name in ORDER:
        assert term(world, name)["status"] != "fitted", name
    assert term(world, "logged_stay")["status"] == "absent"
    assert not world.arrays.push.any()
    (note,) = [note for note in world.card["notes"] if "share one time" in note]
    assert note.startswith(
        f"the rows of {(np.bincount(log.column('session')) > 1).sum()} of 400 visits share one time"
    )
    other = fit(timed(log, 1000), name="own", config=QUICK, progress=False)
    assert term(other, "kappa")["status"] == "fitted" or "validation" in term(other, "kappa")["source"]
    assert not [note for note in other.card["notes"] if "share one time" in note]


def test_the_fit_of_rows_of_one_time_does_not_depend_on_their_order(log):
    own = timed(log, 0)
    rng = np.random.default_rng(0)
    session = own.column("session")
    shuffled = np.lexsort((rng.random(len(session)), session))
    rows = own.rows.take(pa.array(shuffled))
    for name in ("step", "position", "slate"):
        rows = rows.set_column(rows.schema.get_field_index(name), name, own.rows[name])
    one, other = (make_dataset(each, QUICK, positives_only=False) for each in (own, replace(own, rows=rows)))
    assert one.evidence == other.evidence == (0, 0, 0)
    assert not one.follows.any()
    for dataset in (one, other):
        batches = dataset.batches(dataset.sessions(0, 1), 512, "cpu", rng)
        assert {batch.item.shape[1] for batch in batches} == {1}
        assert sum(int(batch.mask.sum()) for batch in batches) == dataset.known.sum()
        assert fit_stay(blocks_of(dataset, dataset.known), dataset.items.exposure) is None


def test_steps_and_positions_may_count_from_one(log):
    rows = log.rows
    for name in ("step", "position"):
        rows = rows.set_column(
            rows.schema.get_field_index(name), name, pc.add(rows[name], pa.scalar(1, rows[name].type))
        )
    from_one = replace(log, rows=rows)
    one, other = (vars(make_dataset(each, QUICK, positives_only=False)) for each in (log, from_one))
    for name, values in one.items():
        if isinstance(values, np.ndarray):
            np.testing.assert_array_equal(values, other[name], err_msg=name)
    world = synthetic(3, domain="content", num_users=60, num_items=20)
    np.testing.assert_equal(*(align(world, each).visits for each in (log, from_one)))


def test_no_chain_of_pages_is_fitted_from_rows_of_one_time(log):
    dataset = replace(make_dataset(timed(log, 0), QUICK, positives_only=False), domain="ecommerce")
    dataset = replace(dataset, ordered=np.zeros(len(dataset.starts), bool))
    arrays, provenance = {}, Provenance("ecommerce")
    chain_terms(dataset, np.zeros(len(dataset.item)), 0.0, arrays, provenance)
    assert (provenance.status("page_chain"), arrays) == ("absent", {})


def test_a_visit_of_two_times_has_an_order(log):
    own = timed(log, 1)
    dataset = make_dataset(own, QUICK, positives_only=False)
    assert dataset.ordered.all()
    session, step = log.column("session"), log.column("step")
    assert np.array_equal(
        np.flatnonzero(dataset.follows), np.flatnonzero((session[1:] == session[:-1]) & (step[1:] > 0)) + 1
    )


def table(tmp_path, rows, header="user,item,time"):
    (tmp_path / "t.csv").write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return tmp_path / "t.csv"


def assumed_bias(log):
    """The row of leave_bias on the card of a fitted log."""
    row = term(fit(log, name="own", config=QUICK, progress=False), "leave_bias")
    assert row["value"] > -5
    return row


def test_visits_that_are_whole_records_have_an_assumed_end(tmp_path):
    rng = np.random.default_rng(0)
    rows = [(user, rng.integers(12)) for user in range(120) for _ in range(rng.integers(2, 9))]
    row = assumed_bias(read_log(table(tmp_path, rows, "user,item"), domain="ecommerce"))
    assert (row["status"], round(row["value"], 4)) == ("assumed", -2.1972)
    assert "each visit is the whole record of a user, without times" in row["source"]


def test_records_of_days_under_one_session_have_an_assumed_end(tmp_path):
    rng = np.random.default_rng(0)
    rows = [
        (user, rng.integers(12), 1_600_000_000 + 90_000 * k, user)
        for user in range(120)
        for k in range(rng.integers(2, 9))
    ]
    log = read_log(
        table(tmp_path, rows, "user,item,time,session"),
        domain="ecommerce",
        mapping="user=user,item=item,time=time,session=session",
    )
    row = assumed_bias(log)
    assert row["status"] == "assumed"
    assert "over days" in row["source"]


def test_visits_that_are_all_cut_have_an_assumed_end(tmp_path):
    rng = np.random.default_rng(0)
    rows = [
        (user % 60, rng.integers(12), 1_600_000_000 + 90_000 * (user // 60) + 60 * k)
        for user in range(240)
        for k in range(6)
    ]
    row = assumed_bias(read_log(table(tmp_path, rows), domain="ecommerce"))
    assert row["status"] == "assumed"
    assert "cut at one length" in row["source"]


def test_anonymous_visits_with_times_end(tmp_path):
    rng = np.random.default_rng(0)
    rows = [
        (user, rng.integers(12), 1_600_000_000 + 600 * user + 60 * k)
        for user in range(300)
        for k in range(rng.geometric(0.3))
    ]
    log = read_log(table(tmp_path, rows), domain="ecommerce")
    found = leaving(make_dataset(log, QUICK, positives_only=True), log, QUICK)
    assert 1 / (1 + np.exp(-found.bias)) == pytest.approx(0.3, abs=0.05)


@pytest.mark.parametrize("again", [0.0, 0.4])
@pytest.mark.parametrize(("size", "num", "stay"), [(1, 60, 0.7), (4, 60, 0.3), (4, 400, 0.7)])
def test_the_logging_policy_is_found_where_visits_use_items_up(size, num, stay, again):
    """Visits of up to 32 of 60 items: what is popular, and what is left of a category that is kept, is soon used up."""
    world, truth = synthetic(domain="content", num_items=num), np.arange(1, num + 1) ** -0.8
    world = world.with_arrays(
        exposure=truth / truth.sum(), logged_stay=np.array([stay]), logged_again=np.array([again])
    )
    log = sample_log(world, sessions=2_000, seed=3, slate_size=size, horizon=8)
    dataset = make_dataset(log, QUICK, positives_only=False)
    found = terms_of_impressions(dataset, dataset.known)
    assert found.stay == pytest.approx(stay, abs=0.03)
    assert found.again == pytest.approx(again, abs=0.05)
    popular = dataset.item_row < num // 10
    share = world.arrays.exposure[: num // 10].sum()
    assert found.exposure[popular].sum() == pytest.approx(share, rel=0.03)
    assert dataset.items.exposure[popular].sum() < 0.94 * share


@pytest.mark.parametrize("again", [0.0, 0.4])
def test_the_policy_is_expected_to_show_each_item_as_often_as_the_log(again):
    """Expected impressions, row by row from the policy's words, sum up to those of the log."""
    world = synthetic(domain="content", num_items=30).with_arrays(logged_again=np.array([again]))
    log = sample_log(world, sessions=150, seed=5, slate_size=3, horizon=6)
    dataset = make_dataset(log, QUICK, positives_only=False)
    every = np.ones(log.num_rows, bool)
    category, item = dataset.items.category, dataset.item
    exposure = fit_exposure(blocks_of(dataset, every), dataset.items.exposure, 0.3, again)
    lead, expected = lead_before(dataset, slice(0, len(item))), np.zeros(30)
    for r in range(len(item)):
        begin = dataset.starts[np.searchsorted(dataset.starts, r, side="right") - 1]
        weight = exposure.copy()
        if lead[r] >= 0:
            is_kept = category == category[item[lead[r]]]
            weight *= 0.7 + 0.3 * is_kept / exposure[is_kept].sum()
        weight[item[begin : dataset.step_starts[r]]] *= again
        weight[item[dataset.step_starts[r] : r]] = 0.0
        expected += weight / weight.sum()
    np.testing.assert_allclose(expected, np.bincount(item, minlength=30), rtol=2e-3)


def test_the_item_of_a_step_is_its_first_with_a_response_else_the_top_one():
    session = [0] * 6 + [1] * 3 + list(range(2, 33))
    columns = {"user": [0] * 40, "item": [0, 1] * 20, "session": session, "time": list(range(40))}
    columns |= {"step": [0, 0, 0, 1, 1, 2, 0, 0, 1] + [0] * 31, "long_view": [0] * 40}
    log = tiny(**columns, click=[0, 1, 1, 0, 0, 1] + [1] * 33 + [0])
    dataset = make_dataset(log, QUICK, positives_only=False)
    assert lead_before(dataset, slice(0, 40))[:9].tolist() == [-1, -1, -1, 1, 1, 3, -1, -1, 6]
