"""Random numbers of the simulator: a pure function of (key, step, stream, column).

There is no generator object and no order of draws. So a session depends only on its key and its slates, and not on the
batch, the number of threads or the time of a reset. Two policies with the same seeds are compared by common random
numbers, and a new stream does not change the numbers of another.

The mixing function is SplitMix64's finaliser, variant 13 of Stafford (Steele, Lea and Flood, 2014, "Fast splittable
pseudorandom number generators", OOPSLA), applied once to the counters and once more to the key.
"""

import math

import numpy as np

from recgym.jit import njit

# one stream for each use
(
    USER,
    CONTEXT,
    INTENT,
    PATIENCE,
    EXAMINE,
    CHOICE,
    EVENT,
    WATCH,
    LEAVE,
    POLICY,
    PLAN,
    MOOD,
    CANDIDATE,
    NUMBER,
    POPULATION,
) = range(15)

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_STREAM = np.uint64(0xD1B54A32D192ED03)
_COLUMN = np.uint64(0x8CB92BA72F3D8DD7)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_S27, _S30, _S31, _S11 = np.uint64(27), np.uint64(30), np.uint64(31), np.uint64(11)
_ONE = np.uint64(1)
_UNIT = 2.0**-53


@njit()
def mix(z: np.uint64) -> np.uint64:
    """SplitMix64's finaliser: a bijection of 64 bits."""
    z = (z ^ (z >> _S30)) * _MIX_1
    z = (z ^ (z >> _S27)) * _MIX_2
    return z ^ (z >> _S31)


@njit()
def episode_key(seed: np.uint64, episode: int) -> np.uint64:
    """Key of an episode, from the seed of its row and its number, at least 0."""
    return mix(mix(seed + _GOLDEN) + _GOLDEN * np.uint64(episode + 1))


@njit()
def uniform(key: np.uint64, step: int, stream: int, column: int) -> float:
    """A uniform number in [0, 1) with 53 random bits."""
    counter = mix(
        _GOLDEN * (np.uint64(step) + _ONE)
        + _STREAM * (np.uint64(stream) + _ONE)
        + _COLUMN * (np.uint64(column) + _ONE)
    )
    return float(mix(key ^ counter) >> _S11) * _UNIT


@njit()
def normal(key: np.uint64, step: int, stream: int, column: int) -> float:
    """A standard normal number (Box and Muller, 1958), from the columns 2c and 2c + 1."""
    radius = math.sqrt(-2.0 * math.log(1.0 - uniform(key, step, stream, 2 * column)))
    return radius * math.cos(2.0 * math.pi * uniform(key, step, stream, 2 * column + 1))
