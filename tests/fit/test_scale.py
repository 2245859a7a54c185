"""Fits of large logs: a sampled catalogue, sessions in pieces, batches made on access."""

import numpy as np
import pytest
import torch

from recgym.fit import FitConfig, choice_model, conditional_logit
from recgym.fit.dataset import make_dataset, sample
from recgym.fit.session_batches import MAX_PIECE_ROWS
from recgym.fit.torch_session import affinities
from recgym.fit.training_loop import step_rows
from recgym.logs.sample import sample_log
from recgym.sim.synthetic import synthetic

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def dataset():
    world = synthetic(2, num_items=24, num_users=6).with_params(leave_bias=-3.0, outside=-1.0, patience=0.0)
    return make_dataset(sample_log(world, "random", 300, seed=1), FitConfig(dim=3), positives_only=True)


def trained(dataset):
    torch.manual_seed(0)
    model = choice_model.ChoiceModel(dataset, FitConfig(dim=3, hidden=8))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model


def test_sums_over_a_sampled_catalogue_are_unbiased(dataset, monkeypatch):
    model, place = trained(dataset), choice_model.layout(dataset, CPU)
    batch = dataset.batches(np.arange(20), 100, CPU, np.random.default_rng(0))[0]
    share = torch.as_tensor(0.5 * dataset.items.exposure + 0.5 / 24, dtype=torch.float32)
    monkeypatch.setattr(conditional_logit, "SAMPLED_ITEMS", 40)
    with torch.no_grad():
        exact = conditional_logit.row_losses(model, place, batch, conditional_logit.options(place, None))
        drawn = [
            conditional_logit.row_losses(model, place, batch, conditional_logit.options(place, share))
            for _ in range(800)
        ]
    for name in ("on_page", "catalogue"):
        ratio = torch.stack([(getattr(d, name) - getattr(exact, name)).exp() for d in drawn])
        error = ratio.std(0) / len(drawn) ** 0.5
        assert ((ratio.mean(0) - 1).abs() < 4.5 * error + 1e-6).all(), name
        assert ratio.std() > 0.01  # it is a sample


def test_the_whole_catalogue_is_a_softmax(dataset):
    model, place = trained(dataset), choice_model.layout(dataset, CPU)
    batch = dataset.batches(np.arange(20), 100, CPU, np.random.default_rng(0))[0]
    found = conditional_logit.row_losses(model, place, batch, conditional_logit.options(place, None))
    item = batch.item[batch.mask > 0]
    page = place.category_page[item][:, None] == place.category_page
    expected = torch.nn.functional.cross_entropy(
        found.x.masked_fill(~page, -torch.inf), item, reduction="none"
    )
    torch.testing.assert_close(found.on_page, expected)


def test_batches_hold_every_row_once_and_cut_long_visits(dataset, monkeypatch):
    monkeypatch.setattr("recgym.fit.session_batches.MAX_PIECE_ROWS", 7)
    batches = dataset.batches(np.arange(len(dataset.starts)), 64, CPU, np.random.default_rng(0))
    rows = torch.cat([batch.row[batch.mask > 0] for batch in batches]).numpy()
    np.testing.assert_array_equal(np.sort(rows), np.arange(len(dataset.item)))
    assert MAX_PIECE_ROWS > dataset.lengths.max() > 7
    for batch in batches:
        assert batch.item.shape[1] <= 7
        assert batch.item.numel() <= 64
        there = (batch.mask > 0).numpy()
        np.testing.assert_array_equal(batch.item.numpy()[there], dataset.item[batch.row.numpy()[there]])
        np.testing.assert_array_equal(batch.user.numpy(), dataset.user[batch.row[:, 0].numpy()])


def test_a_large_catalogue_is_learnt_from_samples(monkeypatch):
    world = synthetic(3, num_items=60, num_users=4, spread=2.0).with_params(outside=-20.0, sigma=0.0)
    log = sample_log(world, "random", 400, seed=1, slate_size=12)
    config = FitConfig(dim=3, hidden=8, epochs=4, learning_rate=0.01)
    large = make_dataset(log, config, positives_only=True)
    monkeypatch.setattr(conditional_logit, "LARGE_CATALOGUE", 10)
    monkeypatch.setattr(conditional_logit, "SAMPLED_ITEMS", 30)
    place, judged = choice_model.layout(large, CPU), conditional_logit.scoring_batches(large, CPU, 1)
    losses = []

    def judge(model, epoch):
        losses.append(conditional_logit.mean_loss(model, place, judged))

    conditional_logit.train(large, config, choice_model.Past((0,)), 4, 0, CPU, lambda *_: None, judge)
    assert losses[-1] < losses[0]


def test_a_batch_evaluates_the_towers_for_its_users_only(dataset):
    model = trained(dataset)
    batch = dataset.batches(np.arange(3), 100, CPU, np.random.default_rng(0))[0]
    terms, local = model.part(batch)
    assert len(terms.profile) == len(batch.user.unique()) < dataset.num_users
    with torch.no_grad():
        torch.testing.assert_close(affinities(terms, local), affinities(model.terms(), batch))


def test_the_loss_of_a_page_has_no_gradient_in_the_repeat_term(dataset):
    model, place = trained(dataset), choice_model.layout(dataset, CPU)
    batch = dataset.batches(np.arange(20), 100, CPU, np.random.default_rng(0))[0]
    found = conditional_logit.row_losses(model, place, batch, conditional_logit.options(place, None))
    for loss, moves in ((found.on_page, True), (found.page, False)):
        (slope,) = torch.autograd.grad(loss.mean(), model.raw_rho, retain_graph=True, allow_unused=True)
        assert (slope is not None and bool(slope.abs() > 1e-4)) == moves
        (push,) = torch.autograd.grad(loss.mean(), model.item_tower.own.weight, retain_graph=True)
        assert push.abs().max() > 1e-4  # both identify all other terms
    wide = found.x + conditional_logit.navigation(model, place, previous(batch), torch.arange(24)[None])
    expected = torch.nn.functional.cross_entropy(wide, batch.item[batch.mask > 0], reduction="none")
    torch.testing.assert_close(found.catalogue, expected)


def previous(batch):
    return torch.cat([torch.full_like(batch.item[:, :1], -1), batch.item[:, :-1]], dim=1)[batch.mask > 0]


def test_a_large_set_of_rows_is_sampled(dataset):
    rows = np.arange(5_000) % 2 == 0
    few = sample(rows, 500)
    assert 400 < few.sum() < 600
    assert not (few & ~rows).any()
    assert sample(rows, 2_500) is rows
    kept = dataset.drawn(0, 1_000)
    assert set(kept) < set(dataset.sessions(0))
    assert dataset.lengths[kept].sum() == pytest.approx(1_000, rel=0.25)
    np.testing.assert_array_equal(dataset.drawn(0, 10**6), dataset.sessions(0))


def test_steps_of_a_large_log_are_larger():
    config = FitConfig(batch_rows=2_048)
    assert step_rows(config, 1_000_000) == 2_048
    assert step_rows(config, 8_000_000) == 8_000
    assert step_rows(config, 8_000_000, 5_000) == 5_000
    assert step_rows(config, 8_000_000, 100) == 2_048
