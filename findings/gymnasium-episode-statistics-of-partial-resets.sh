#!/usr/bin/env bash
# Gymnasium 1.4.0: a partial reset of a vector environment clears the episode statistics of rows that go on.
# Expected: in autoreset mode DISABLED, reset(options={"reset_mask": over}) begins the rows of the mask alone.
# RecordEpisodeStatistics.reset has code for just that: it zeroes returns and lengths of the rows in the mask.
# Seen: SyncVectorEnv and AsyncVectorEnv take the mask out of the caller's dictionary (options.pop) before the wrapper
# looks for it, so the wrapper zeroes every row. Episodes of 5 steps beside episodes of 2 are reported with a return of
# 1 or 2, never 5; modes NEXT_STEP and SAME_STEP report 5. (Pull request 1696 of Gymnasium, open in September 2026.)
# A dictionary that is used twice resets every row the second time, for the same reason.
# Mend for users: RecordEpisodeStatistics around each member, or sum the rewards yourself.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet gymnasium==1.4.0
"$folder/venv/bin/python" - <<'PY'
import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers.vector import RecordEpisodeStatistics

LENGTHS = (2, 5)


class Visit(gymnasium.Env):
    """A visit of a known length with reward 1 a step."""

    observation_space = Box(-1.0, 1.0, (1,), np.float32)
    action_space = Discrete(2)

    def __init__(self, length):
        self.length = length

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.time += 1
        return np.zeros(1, np.float32), 1.0, self.time == self.length, False, {}


def returns(mode):
    """The distinct returns that are reported for each row."""
    members = [lambda length=length: Visit(length) for length in LENGTHS]
    vector = RecordEpisodeStatistics(SyncVectorEnv(members, autoreset_mode=mode))
    vector.reset(seed=0)
    seen = [set() for _ in LENGTHS]
    for _ in range(60):
        _, _, terminated, _, infos = vector.step(np.zeros(len(LENGTHS), np.int64))
        for row in np.flatnonzero(terminated):
            seen[row].add(float(infos["episode"]["r"][row]))
        if mode == AutoresetMode.DISABLED and terminated.any():
            vector.reset(options={"reset_mask": terminated})
    return [sorted(values) for values in seen]


print("gymnasium", gymnasium.__version__)
seen = {mode.name: returns(mode) for mode in AutoresetMode}
right = [[float(length)] for length in LENGTHS]
print("expected in every mode:", right, "; seen:", seen)
raise SystemExit(
    0 if seen["NEXT_STEP"] == seen["SAME_STEP"] == right and seen["DISABLED"] == [[1.0, 2.0], [1.0, 2.0]] else 1
)
PY
