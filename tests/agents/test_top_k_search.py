"""Search of the largest Q against all items."""

import torch
from dcf_networks import history_env, random_towers, visited

from agents.deep.states import to_states
from agents.deep.top_k_search import TopKSearch
from recgym.sim.synthetic import synthetic


def test_top_k_search_finds_the_largest_q():
    problem, observation = visited(
        history_env(synthetic(domain="social", num_items=5_000), 40, n_items="all"), 6
    )
    towers, states = random_towers(problem), to_states(observation, torch.device("cpu"))
    for head in (towers.repeat_head, towers.continuation_head):  # so that the terms for repeats decide some
        torch.nn.init.constant_(head.bias[-3:], 3.0)
    catalogue = TopKSearch(towers)
    assert len(catalogue.blocks) == 3
    assert len({len(block.matrix) for block in catalogue.blocks}) > 1  # some hold more categories than others
    values = towers.values(states)
    mask = torch.rand(values.shape, generator=torch.Generator().manual_seed(0)) < 0.01
    for allowed in (None, mask):
        known = values if allowed is None else values.masked_fill(~allowed, -torch.inf)
        for slots in (1, 5):
            best = catalogue.best(states, slots, allowed)
            torch.testing.assert_close(known.gather(1, best), known.topk(slots, dim=1).values)
    repeated = (states.items == catalogue.best(states, 1)).any(dim=1)
    assert 0 < repeated.sum() < 40
