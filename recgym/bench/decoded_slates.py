"""Counts slates that the decoder writes with an invalid item, a repeat, or an item that was shown before.

    python -m recgym.bench.decoded_slates 1000000        # slates for each catalogue; without a number 10,000

Weights are random and large, so that the decoder would leave the trie at once without it.
"""

import sys
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from recgym.bench.decoder_costs import random_decoder, random_states

SIZES = (1_000, 20_000, 100_000)
SLOTS = 6
SESSIONS = 1_000  # at once
SPREAD = 1.0  # standard deviation of the weights


class Faults(NamedTuple):
    """Counts of one catalogue."""

    num_items: int
    slates: int
    invalid: int  # slates with an item outside the catalogue
    repeats: int  # slates with an item twice
    stale: int  # slates with an item of the session's history


def faults(num_items: int, slates: int) -> Faults:
    """Decode slates of six items, half of them drawn, half by beam search."""
    import torch

    from agents.generative.beams import search

    model, trie = random_decoder(num_items, width=16, layers=1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        for weight in model.parameters():
            torch.nn.init.normal_(weight, std=SPREAD)
    rng, generator = np.random.default_rng(1), torch.Generator().manual_seed(1)
    counts, done = np.zeros(3, np.int64), 0
    while done < slates:
        states = random_states(num_items, rng, min(SESSIONS, slates - done))
        room = trie.room(states.items, None, SLOTS)
        with torch.no_grad():
            found = search(model, states, trie, room, SLOTS, generator if rng.random() < 0.5 else None)
        items, shown = found.items.numpy(), states.items.numpy()
        invalid = ~np.isfinite(found.log_probs.numpy()) | (items < 0) | (items >= num_items)
        repeats = np.diff(np.sort(items, axis=1), axis=1) == 0
        stale = items[:, :, None] == shown[:, None]
        counts += [invalid.any(axis=1).sum(), repeats.any(axis=1).sum(), stale.any(axis=(1, 2)).sum()]
        done += len(items)
    return Faults(num_items, done, *map(int, counts))


def main(argv: Sequence[str]) -> None:
    """Print the counts."""
    import torch

    torch.set_num_threads(1)
    for size in SIZES:
        found = faults(size, int(argv[0]) if argv else 10_000)
        print(
            f"{found.num_items:,} items, {found.slates:,} slates: {found.invalid} invalid, "
            f"{found.repeats} with a repeat, {found.stale} with an item shown before",
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1:])
