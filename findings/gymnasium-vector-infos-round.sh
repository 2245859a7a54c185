#!/usr/bin/env bash
# Gymnasium 1.4.0: a vector environment rounds the infos of its members to the type of the first one.
# Expected: infos["revenue"][i] is what member i returned; the docstring of VectorEnv has infos as one numpy array a
# key and names no conversion, and the order of the members should not matter.
# Seen: SyncVectorEnv and AsyncVectorEnv make the array from the value of the lowest member that has the key. Where that
# is a Python int (the sum of an empty list is one), 12.5 of another member becomes 12 and 0.75 becomes 0; where it is a
# bool, any number becomes True. The same values in another order of members come through whole.
# Mend for users: give every info one type, float(sum(prices)).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet gymnasium==1.4.0
"$folder/venv/bin/python" - <<'PY'
import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete
from gymnasium.vector import SyncVectorEnv


class Shop(gymnasium.Env):
    """A visitor who buys the items with these prices in every step."""

    observation_space = Box(-1.0, 1.0, (1,), np.float32)
    action_space = Discrete(2)

    def __init__(self, prices):
        self.prices = prices

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action):
        return np.zeros(1, np.float32), 0.0, False, False, {"revenue": sum(self.prices)}


def revenue(*visitors):
    vector = SyncVectorEnv([lambda prices=prices: Shop(prices) for prices in visitors])
    vector.reset(seed=0)
    return vector.step(np.zeros(len(visitors), np.int64))[4]["revenue"].tolist()


nothing, one, two = [], [0.75], [10.0, 2.5]
seen = revenue(nothing, one, two)
reversed_order = revenue(two, one, nothing)
print("gymnasium", gymnasium.__version__)
print("expected: [0, 0.75, 12.5]; seen:", seen, "; the same visitors in reverse:", reversed_order)
raise SystemExit(0 if seen == [0, 0, 12] and reversed_order == [12.5, 0.75, 0.0] else 1)
PY
