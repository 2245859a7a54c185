"""The decoder and its beams: probabilities are those of brute force, no invalid item, no repeat, exact draws."""

import numpy as np
import pytest
import torch
from zoo import make_env

from agents import Problem
from agents.deep.states import States
from agents.generative.beams import search
from agents.generative.decoder import Decoder, in_slates
from agents.generative.open_codes import OpenCodes
from agents.generative.prefix_trie import PrefixTrie
from agents.generative.semantic_ids import semantic_ids

CATALOGUES = ((30, 2, 8), (1_000, 2, 32), (20_000, 3, 64))
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def problem():
    return Problem.of(make_env("recgym/Ecommerce-v1", "sasrec", 1))


def made(problem, num_items, levels, codes, spread=0.4):
    """A decoder with random weights, and the trie of random codes."""
    rng = np.random.default_rng(num_items)
    if num_items > 5_000:  # distinct sequences at once, k-means is tested elsewhere
        every = rng.choice(codes**levels, num_items, replace=False)
        ids = np.stack([every // codes**level % codes for level in range(levels)] + [0 * every], axis=1)
    else:
        ids = semantic_ids(rng.standard_normal((num_items, 8)), levels, codes, 0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Decoder(problem, width=16, layers=2, heads=2, levels=levels + 1, codes=codes).eval()
        for weight in model.parameters():
            torch.nn.init.normal_(weight, std=spread / 2)
    return model, OpenCodes(PrefixTrie(ids if ids[:, -1].any() else ids[:, :-1], codes), CPU), ids


def states_of(problem, num_items, lengths, seed=0):
    rng = np.random.default_rng(seed)
    batch, events = len(lengths), len(problem.event_names)
    items = rng.integers(num_items, size=(batch, 20))
    items[np.arange(20) < 20 - np.asarray(lengths)[:, None]] = num_items
    happened = rng.integers(2, size=(batch, 20, events)).astype(np.float32)
    return States(
        torch.as_tensor(rng.integers(problem.num_users, size=batch)),
        torch.as_tensor(items),
        torch.as_tensor(happened),
        torch.as_tensor(rng.standard_normal((batch, 3)).astype(np.float32)),
        torch.zeros(batch, 0, 0),
    )


def some(states, row):
    return States(*(each[row : row + 1] for each in states))


def brute_force(model, states, trie, ids, excluded):
    """Probabilities of all items of one session, code by code with Python sets, without padding or cache."""
    out = np.zeros(len(ids))
    used = ids[:, : trie.levels]
    kept = [i for i in range(len(ids)) if i not in excluded]
    for item in kept:
        last, hidden = model(states, torch.tensor([[item]]), trie)
        p = 1.0
        for level in range(trie.levels):
            at = last[0] if level == 0 else hidden[0, 0, level - 1]
            logits = model.code_logits(at, level).double()
            codes = sorted({used[i, level] for i in kept if (used[i, :level] == used[item, :level]).all()})
            p *= float(logits[codes].softmax(dim=0)[codes.index(used[item, level])])
        out[item] = p
    return out


@torch.no_grad()
def test_probabilities_are_those_of_brute_force(problem):
    model, trie, ids = made(problem, 30, 2, 8)
    states = states_of(problem, 30, [0, 1, 7, 20])
    every = torch.arange(30).expand(4, -1)
    assert ids[:, -1].any()  # a case with collisions
    for shown in (None, states.items):
        room = trie.room(shown, None, 1)
        last, hidden = model(states, every, trie)
        p = model.log_probs(last, hidden, every, trie, room).exp().numpy()
        for row in range(4):
            excluded = set() if shown is None else set(states.items[row].tolist())
            expected = brute_force(model, some(states, row), trie, ids, excluded)
            allowed = [i for i in range(30) if i not in excluded]
            np.testing.assert_allclose(p[row][allowed], expected[allowed], rtol=2e-4)
            assert expected.sum() == pytest.approx(1.0)


@pytest.mark.parametrize(("num_items", "levels", "codes"), CATALOGUES)
@torch.no_grad()
def test_beams_agree_with_the_decoder_without_cache(problem, num_items, levels, codes):
    model, trie, _ = made(problem, num_items, levels, codes)
    states = states_of(problem, num_items, [0, 3, 20])
    found = search(model, states, trie, None, 20, with_hidden=True)
    last, hidden = model(states, found.items, trie)
    again = model.log_probs(last, hidden, found.items, trie, None)
    np.testing.assert_allclose(found.log_probs.numpy(), again.numpy(), atol=2e-5)
    np.testing.assert_allclose(found.hidden.numpy(), hidden[:, :, -1].numpy(), atol=2e-5)
    assert (found.log_probs.diff(dim=1) <= 0).all()
    if num_items <= 1_000:  # the best item is that of the whole catalogue
        wide = search(model, states, trie, None, num_items)
        assert float(wide.log_probs.exp().sum(dim=1).sub(1.0).abs().max()) < 1e-4
        assert sorted(wide.items[0].tolist()) == list(range(num_items))


@pytest.mark.parametrize(("num_items", "levels", "codes"), CATALOGUES)
@torch.no_grad()
def test_no_invalid_item_and_no_repeat(problem, num_items, levels, codes):
    model, trie, _ = made(problem, num_items, levels, codes, spread=2.0)
    states = states_of(problem, num_items, np.arange(500) % 21)
    room, generator = trie.room(states.items, None, 6), torch.Generator().manual_seed(0)
    for noise in (generator, generator, None):
        found = search(model, states, trie, room, 6, noise)
        items = found.items.numpy()
        assert torch.isfinite(found.log_probs).all()
        assert items.min() >= 0
        assert items.max() < num_items
        assert (np.diff(np.sort(items, axis=1), axis=1) > 0).all()
        assert not (items[:, :, None] == states.items.numpy()[:, None, :]).any()  # fresh


@torch.no_grad()
def test_draws_are_without_replacement_from_the_decoder(problem):
    """Pairs of 9 items in 30,000 draws against Plackett and Luce's closed form."""
    model, trie, _ = made(problem, 9, 2, 3)
    draws = 30_000
    one = states_of(problem, 9, [3])
    last, hidden = model(one, torch.arange(9)[None], trie)
    p = model.log_probs(last, hidden, torch.arange(9)[None], trie, None)[0].exp().double().numpy()
    assert p.max() < 0.6
    states = States(*(each.expand(draws, *each.shape[1:]) for each in one))
    items = search(model, states, trie, None, 2, torch.Generator().manual_seed(1)).items.numpy()
    counts = np.zeros((9, 9))
    np.add.at(counts, (items[:, 0], items[:, 1]), 1)
    expected = p[:, None] * p / (1.0 - p[:, None])
    np.fill_diagonal(expected, 0.0)
    large = expected * draws >= 5
    squares = (counts - draws * expected)[large] ** 2 / (draws * expected)[large]
    assert (
        squares.sum() < large.sum() + 4.0 * (2.0 * large.sum()) ** 0.5
    )  # 4 standard deviations of chi square
    order = torch.tensor([[2, 5, 7]])
    log_probs = torch.log(torch.as_tensor(p[order.numpy()]))
    by_hand = [p[2], p[5] / (1 - p[2]), p[7] / (1 - p[2] - p[5])]
    np.testing.assert_allclose(in_slates(log_probs)[0].exp().numpy(), by_hand, rtol=1e-5)


@torch.no_grad()
def test_a_mask_is_kept_and_a_short_one_brings_items_back(problem):
    model, trie, _ = made(problem, 30, 2, 8)
    states = states_of(problem, 30, [20] * 40)
    mask = torch.rand(40, 30, generator=torch.Generator().manual_seed(0)) < 0.5
    mask[:, :3] = True
    for row in range(3):
        mask[row] = False
        mask[row, :3] = True
        states.items[row, :3] = torch.arange(3)  # all that are allowed were shown
    found = search(model, states, trie, trie.room(states.items, mask, 3), 3)
    assert mask.gather(1, found.items).all()
    fresh = mask & ~torch.zeros(40, 31, dtype=torch.bool).scatter(1, states.items, True)[:, :30]
    enough = fresh.sum(dim=1) >= 3
    assert 5 < int(enough.sum()) < 40
    assert fresh.gather(1, found.items)[enough].all()
    by_places, by_counts = (
        trie.room(states.items, None, 3),
        trie.room(states.items, torch.ones(40, 30).bool(), 3),
    )
    for level in range(trie.levels):
        nodes = torch.arange(trie.trie.start[level], trie.trie.start[level + 1]).expand(40, -1)
        found = trie.open_after(nodes, level, by_places)
        assert torch.equal(found, trie.open_after(nodes, level, by_counts))
        is_open = brute_open(trie, states.items, level)
        assert torch.equal(found, is_open)
        assert level == 0 or bool((~is_open & trie.allowed[nodes]).any())


def brute_open(trie, shown, level):
    """Whether each code leads from each node of a level to an item that was not shown, by walking every item."""
    start = int(trie.trie.start[level])
    nodes = int(trie.trie.start[level + 1]) - start
    is_open = torch.zeros(len(shown), nodes, trie.trie.num_codes, dtype=torch.bool)
    for row, items in enumerate(shown.tolist()):
        for item in set(range(trie.num_items)) - set(items):
            is_open[row, int(trie.path[item, level]) - start, int(trie.codes[item, level])] = True
    return is_open


@torch.no_grad()
def test_padding_does_not_matter(problem):
    model, trie, _ = made(problem, 30, 2, 8)
    states = states_of(problem, 30, [0, 2, 20])
    together = search(model, states, trie, None, 4)
    for row in range(3):
        alone = search(model, some(states, row), trie, None, 4)
        assert torch.equal(alone.items[0], together.items[row])
        np.testing.assert_allclose(alone.log_probs[0], together.log_probs[row], atol=1e-5)
