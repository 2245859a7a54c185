"""What a decision and an update of the decoder cost by catalogue size, beside a softmax over all items.

    python -m recgym.bench.decoder_costs        # a table in Markdown; times are of one thread

Weights and IDs are random, histories are full. The softmax over all items is the scoring of models without IDs: the
same network, with an embedding of its own for each item. An update is forward, backward and a step of AdamW.
"""

import sys
import time
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

SESSIONS = 256
USERS = 1_000
EVENTS = ("click", "purchase")
LEVELS, CODES = 3, 256
REPEATS = 5  # the least of them counts


class Costs(NamedTuple):
    """Of one catalogue, in ms of CPU time and in bytes."""

    num_items: int
    decision: float  # one item, greedy code by code
    beams: float  # the best of 8
    update: float
    softmax_update: float
    trie_bytes: int
    weight_bytes: int
    softmax_bytes: int


def random_decoder(num_items: int, width: int = 64, layers: int = 2) -> tuple[Any, Any]:
    """A decoder with random weights, and the trie of random IDs of 3 x 256 codes."""
    import torch

    from agents.generative.decoder import Decoder
    from agents.generative.open_codes import OpenCodes
    from agents.generative.prefix_trie import PrefixTrie

    every = np.random.default_rng(0).choice(CODES**LEVELS, num_items, replace=False)
    ids = np.stack([every // CODES**level % CODES for level in range(LEVELS)], axis=1)
    trie = OpenCodes(PrefixTrie(ids, CODES), torch.device("cpu"))
    problem: Any = SimpleNamespace(event_names=EVENTS, num_users=USERS, user_features=None)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Decoder(problem, width=width, layers=layers, heads=2, levels=LEVELS, codes=CODES)
    return model.eval(), trie


def random_states(num_items: int, rng: np.random.Generator, sessions: int = SESSIONS) -> Any:
    """Sessions with full histories."""
    import torch

    from agents.deep.states import States

    return States(
        torch.as_tensor(rng.integers(USERS, size=sessions)),
        torch.as_tensor(rng.integers(num_items, size=(sessions, 20))),
        torch.as_tensor(rng.integers(2, size=(sessions, 20, len(EVENTS))).astype(np.float32)),
        torch.as_tensor(rng.standard_normal((sessions, 3)).astype(np.float32)),
        torch.zeros(sessions, 0, 0),
    )


def least_time(run: Callable[[], Any]) -> float:
    """The least CPU time of the repeats, [ms]."""
    times = []
    run()
    for _ in range(REPEATS):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return 1e3 * min(times)


def costs(num_items: int) -> Costs:
    """Costs of 256 sessions over N items at 3 x 256 codes, width 64, two layers."""
    import torch
    from torch.nn import functional

    from agents.generative.beams import search
    from agents.generative.objectives import read_decisions

    model, trie = random_decoder(num_items)
    rng = np.random.default_rng(0)
    states = random_states(num_items, rng)
    target = torch.as_tensor(rng.integers(num_items, size=(SESSIONS, 1)))
    table = torch.nn.Embedding(num_items, model.table.shape[1])

    @torch.no_grad()
    def decide(beams: int) -> None:
        search(model, states, trie, trie.room(states.items, None, 1), beams, with_hidden=beams > 1)

    def stepping(loss_of: Callable[[], Any], *modules: Any) -> Callable[[], None]:
        optimizer = torch.optim.AdamW([weight for module in modules for weight in module.parameters()])

        def step() -> None:
            optimizer.zero_grad(set_to_none=True)
            loss_of().backward()
            optimizer.step()

        return step

    def by_codes() -> Any:
        return -read_decisions(model, states, target, trie, None).log_probs.mean()

    def by_items() -> Any:
        return functional.cross_entropy(model.read(states, trie).last @ table.weight.T, target[:, 0])

    weights = sum(weight.nbytes for weight in model.parameters())
    decision, beams = least_time(lambda: decide(1)), least_time(lambda: decide(8))
    updates = least_time(stepping(by_codes, model)), least_time(stepping(by_items, model, table))
    sizes = trie.num_bytes, weights, weights + table.weight.nbytes
    return Costs(num_items, decision, beams, *updates, *sizes)


def markdown(found: Sequence[Costs]) -> str:
    """A column for each catalogue."""
    rows: tuple[tuple[str, Callable[[Costs], str]], ...] = (
        ("one item, greedy code by code [ms]", lambda c: f"{c.decision:.0f}"),
        ("the best of 8 beams [ms]", lambda c: f"{c.beams:.0f}"),
        (f"an update of {SESSIONS} rows [ms]", lambda c: f"{c.update:.0f}"),
        ("the same by a softmax over all items [ms]", lambda c: f"{c.softmax_update:.0f}"),
        ("the trie [MB]", lambda c: f"{c.trie_bytes / 1e6:.1f}"),
        ("weights, moments and gradients [MB]", lambda c: f"{4 * c.weight_bytes / 1e6:.1f}"),
        ("the same by a softmax over all items [MB]", lambda c: f"{4 * c.softmax_bytes / 1e6:.1f}"),
    )
    lines = ["| | " + " | ".join(f"{each.num_items:,} items" for each in found) + " |"]
    lines.append("| --- |" + " --- |" * len(found))
    lines += [f"| {name} | " + " | ".join(text(each) for each in found) + " |" for name, text in rows]
    return "\n".join(lines)


def main(sizes: Sequence[str]) -> None:
    """Print the table for some catalogue sizes, 1,000 and 100,000 unless given."""
    import torch

    torch.set_num_threads(1)
    print(markdown([costs(int(size)) for size in sizes or ("1000", "100000")]))


if __name__ == "__main__":
    main(sys.argv[1:])
