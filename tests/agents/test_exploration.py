"""Exploration by values of slates."""

import numpy as np
import pytest
from dcf_networks import SMALL, history_env, random_towers, visited

from agents import make_agent
from agents.deep.states import to_states
from agents.torch_utils import pick_device
from recgym.sim.synthetic import synthetic


@pytest.mark.parametrize("slots", [1, 2])
def test_exploration_samples_slates_by_their_values(slots):
    """Frequencies within 4 standard errors of the probabilities, uniform before learning; masks are obeyed."""
    env = history_env(
        synthetic(domain="content", num_items=5), 1, "recgym/ContentSlate-v1", slate_size=max(slots, 1)
    )
    problem, observation = visited(env, 3)
    many = 20_000
    observation = {name: np.repeat(value, many, axis=0) for name, value in observation.items()}
    agent = make_agent(
        "dcf-dqn", problem, temperature=0.7, even_share=0.25, epsilon_start=1.0, fresh=False, **SMALL
    )
    agent.online.load_state_dict(random_towers(problem).state_dict())

    def first(mask=None):
        return agent.act(observation, mask, explore=True).reshape(many, -1)

    def far(shown, expected):
        share = np.bincount(shown[:, 0], minlength=5) / many
        return np.abs(share - expected) / np.sqrt(np.maximum(expected * (1 - expected), 1e-9) / many)

    assert far(first(), np.full(5, 0.2)).max() < 4
    agent.counts[2] = 1
    values = agent.online.values(to_states(observation, pick_device("cpu")))[0].detach().numpy()
    weight = np.exp((values - values.mean()) / values.std(ddof=1) / 0.7)
    shown = first()
    weight /= weight.sum()
    assert far(shown, 0.25 * 0.2 + 0.75 * weight).max() < 4
    assert far(shown, np.full(5, 0.2)).max() > 20
    assert all(len(set(slate)) == slots for slate in shown[:200].tolist())
    if slots == 2:
        after = shown[shown[:, 0] == 0, 1]
        even = (
            0.25 * 0.2 / (0.25 * 0.2 + 0.75 * weight[0])
        )  # share of even draws among those that begin with item 0
        rest = even * 0.25 + (1 - even) * weight[1:] / weight[1:].sum()
        share = np.bincount(after, minlength=5)[1:] / len(after)
        assert (np.abs(share - rest) < 4 * np.sqrt(rest * (1 - rest) / len(after))).all()
    mask = np.ones((many, 5), np.bool_)
    mask[:, values.argmax()] = False
    assert not (first(mask) == values.argmax()).any()
