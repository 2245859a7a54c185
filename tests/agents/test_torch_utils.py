"""Moments of an optimizer that cannot be are refused."""

import numpy as np
import pytest
import torch

from agents.torch_utils import moments_of, put_moments


def changed(state, **changes):
    """The state with one number of some arrays replaced."""
    state = {name: array.copy() for name, array in state.items()}
    for name, value in changes.items():
        state[name].flat[-1] = value
    return state


def test_impossible_moments_of_adam_are_refused():
    layer = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(layer.parameters())
    layer(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    moments = moments_of(optimizer)
    put_moments(optimizer, moments)
    for change, message in (
        ({"0.step": np.float32(-1)}, "out of range"),
        ({"0.step": np.float32(1e30)}, "out of range"),
        ({"1.exp_avg_sq": np.full(2, -1, np.float32)}, "out of range"),
        ({"2.step": np.float32(1)}, "fit no weight"),
        ({"1.exp_avg": np.zeros(3, np.float32)}, r"1.exp_avg is float32 \(3,\), expected float32 \(2,\)"),
        ({"1.exp_avg": np.float32(0)}, r"1.exp_avg is float32 \(\), expected float32 \(2,\)"),
        ({"1.exp_avg_sq": np.zeros(2, np.int64)}, r"1.exp_avg_sq is int64 \(2,\), expected float32"),
        ({"0.step": np.bool_(True)}, r"0.step is bool \(\), expected float32 \(\)"),
        ({"0.step": np.ones(2, np.float32)}, r"0.step is float32 \(2,\), expected float32 \(\)"),
    ):
        changed = {name: np.asarray(value) for name, value in {**moments, **change}.items()}
        with pytest.raises(ValueError, match=message):
            put_moments(optimizer, changed)
    del moments["1.exp_avg_sq"]
    with pytest.raises(ValueError, match="weight 1 are exp_avg, step, not Adam's"):
        put_moments(optimizer, moments)
