"""The random numbers are uniform, independent over their counters, and a pure function of them."""

import numpy as np
import pytest

from recgym import rng
from recgym.jit import njit


@njit()
def fill_uniform(key, vary, out):
    for i in range(out.shape[0]):
        out[i] = rng.uniform(key, i if vary == 0 else 3, i if vary == 1 else 1, i if vary == 2 else 2)


@njit()
def fill_normal(key, out):
    for i in range(out.shape[0]):
        out[i] = rng.normal(key, i, 1, 3)


@njit()
def fill_keys(seed, out):
    for i in range(out.shape[0]):
        out[i] = rng.uniform(rng.episode_key(seed + np.uint64(i), 0), 0, 0, 0)


def draws(vary, num=100_000):
    out = np.empty(num)
    fill_uniform(np.uint64(12345), vary, out)
    return out


@pytest.mark.parametrize("vary", [0, 1, 2])
def test_uniform_over_step_stream_and_column(vary):
    u = draws(vary)
    assert u.min() >= 0
    assert u.max() < 1
    counts = np.bincount((u * 100).astype(int), minlength=100)
    assert ((counts - 1000) ** 2 / 1000).sum() < 99 + 4 * np.sqrt(2 * 99)  # chi-square
    assert abs(np.corrcoef(u[:-1], u[1:])[0, 1]) < 4 / np.sqrt(len(u))


def test_key_step_stream_and_column_are_not_interchangeable():
    streams = [draws(vary, 20_000) for vary in (0, 1, 2)]
    for i in range(3):
        for j in range(i):
            assert abs(np.corrcoef(streams[i], streams[j])[0, 1]) < 4 / np.sqrt(20_000)


def test_keys_of_neighbouring_seeds_differ():
    first, second = np.empty(20_000), np.empty(20_000)
    fill_keys(np.uint64(0), first)
    fill_keys(np.uint64(1), second)
    np.testing.assert_array_equal(first[1:], second[:-1])  # the same seed gives the same number
    assert abs(np.corrcoef(first[:-1], first[1:])[0, 1]) < 4 / np.sqrt(20_000)


def test_normal_moments():
    z = np.empty(100_000)
    fill_normal(np.uint64(7), z)
    assert abs(z.mean()) < 4 / np.sqrt(len(z))
    assert abs(z.var() - 1) < 4 * np.sqrt(2 / len(z))
    assert abs((np.abs(z) < 1.959964).mean() - 0.95) < 4 * np.sqrt(0.05 * 0.95 / len(z))


def test_published_values_of_splitmix64():
    """The generator seeded 1234567 gives 6457827717110365317, 3203168211198807973 (Rosetta Code, "Splitmix64")."""
    golden = np.uint64(0x9E3779B97F4A7C15)
    with np.errstate(over="ignore"):
        state = np.uint64(1234567) + golden
        assert int(rng.mix(state)) == 6457827717110365317
        assert int(rng.mix(state + golden)) == 3203168211198807973
