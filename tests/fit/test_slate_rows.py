"""Rows of one slate: its user saw them together, so a response to one is no memory at another."""

import numpy as np
import pandas as pd
import pytest
import torch
from card_figures import by_id
from session_terms import terms_from_world

from recgym.fit import FitConfig, fit
from recgym.fit.dataset import make_dataset
from recgym.fit.leaving_terms import leaving
from recgym.fit.session_batches import Batches
from recgym.fit.slate_steps import leads, of_steps
from recgym.fit.torch_session import logged_affinity
from recgym.logs import Log
from recgym.logs.sample import sample_log
from recgym.sim.synthetic import synthetic


def batch_of(slate_size, sessions=200):
    world = synthetic(3, domain="content", num_users=30, num_items=15, num_factors=2)
    log = sample_log(world, "random", sessions, seed=1, horizon=8, slate_size=slate_size)
    dataset = make_dataset(log, FitConfig(), positives_only=False)
    # of several lengths, one after the other in one padded batch
    return (
        dataset,
        terms_from_world(world),
        Batches(dataset, dataset.starts, dataset.lengths, 10**6, "cpu")[0],
    )


def test_a_response_is_remembered_after_its_slate_alone():
    dataset, terms, batch = batch_of(3)
    assert dataset.has_slates
    row = 4  # the second item of the second slate
    other = batch.positive.clone()
    other[:, row] = 1.0 - other[:, row]
    moved = logged_affinity(terms, batch) != logged_affinity(terms, batch._replace(positive=other))
    there = batch.mask > 0
    assert not (moved & there)[:, :6].any()
    later = batch.mask[:, 6:].sum(1) > 0
    assert moved[later, 6:].any(1).all()


def test_slates_of_one_item_are_rows_one_after_the_other():
    dataset, terms, batch = batch_of(1)
    assert not dataset.has_slates
    assert batch.step is None
    there = batch.mask > 0
    found = logged_affinity(terms, batch._replace(step=batch.place))
    torch.testing.assert_close(found[there], logged_affinity(terms, batch)[there])


def test_evidence_of_memory_counts_responses_of_earlier_slates():
    dataset, *_ = batch_of(3)
    later = 0
    for session in np.split(np.arange(len(dataset.item)), dataset.starts[1:]):
        for number in session[dataset.known[session]]:
            before = session[dataset.place[session] < dataset.place[number]]
            later += bool(dataset.positive[before].any())
    assert dataset.evidence[0] == later


@pytest.mark.slow
def test_slates_with_one_choice_give_no_memory_that_is_not_there():
    """One item of a slate is chosen at most: its other rows then have no response, which is no satiation."""
    rng = np.random.default_rng(5)
    rows = []
    for user in range(150):
        time = 1_700_000_000 + int(rng.integers(20 * 86_400))
        for step in range(int(rng.integers(3, 12))):
            shown = rng.choice(40, 5, replace=False)
            chosen = int(rng.choice(6, p=np.r_[np.full(5, 0.14), 0.3]))
            rows += [
                (user, shown[k], f"{user}-{step}", k, time + 60 * step, int(k == chosen)) for k in range(5)
            ]
    frame = pd.DataFrame(rows, columns=["user", "item", "slate", "position", "time", "click"])
    frame["slate"] = frame["slate"].astype("category").cat.codes
    world = fit(Log.from_pandas(frame, domain="ecommerce"), name="w", progress=False)
    click = by_id(world.card)["log_loss/click"]
    assert click.world < click.baseline + 0.01
    assert world.params["kappa"] == world.params["rho"] == 0.0


def test_a_step_is_its_first_item_with_a_response_or_its_top():
    dataset, *_ = batch_of(3)
    steps = of_steps(dataset)
    assert steps.lengths.sum() * 3 == len(dataset.item)
    for number, row in enumerate(leads(dataset)):
        slate = np.arange(3) + 3 * number
        flags = dataset.positive[slate]
        assert row == slate[int(np.argmax(flags))]
        assert (steps.item[number], steps.positive[number]) == (dataset.item[row], flags.any())
    assert np.array_equal(steps.session, dataset.session[::3])


@pytest.mark.parametrize("domain", ["ecommerce", "content"])
def test_users_leave_after_slates_as_in_the_log(domain):
    rng, rows = np.random.default_rng(0), []
    for visit in range(700):
        for step in range(100):
            clicks = rng.random(3) < 0.2
            time = 1_600_000_000 + 9_000 * visit + 20 * step
            rows += [
                (visit % 40, visit, step, k, int(rng.integers(12)), time, int(clicks[k])) for k in range(3)
            ]
            if rng.random() < (0.15 if clicks.any() else 0.4):
                break
    frame = pd.DataFrame(rows, columns=["user", "session", "step", "position", "item", "time", "click"])
    log = Log.from_pandas(frame.assign(time=pd.to_datetime(frame["time"], unit="s")), domain=domain)
    found = leaving(make_dataset(log, FitConfig(), positives_only=False), log, FitConfig())
    hazard = [1 / (1 + np.exp(-found.bias - idle)) for idle in (0.0, found.no_response)]
    np.testing.assert_allclose(hazard, [0.15, 0.4], atol=0.03)
    singles = frame.groupby("session").head(3)  # one slate each: no visit goes on
    log = Log.from_pandas(singles.assign(time=pd.to_datetime(singles["time"], unit="s")), domain=domain)
    assert leaving(make_dataset(log, FitConfig(), positives_only=False), log, FitConfig()) == ""
