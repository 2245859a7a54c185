#!/usr/bin/env bash
# TorchRL 0.14.1 lays a vector environment's infos beside its observation by name, unasked, in SAME_STEP mode.
# Expected: an info entry that has the name of an observation's key does not touch the observation.
# Seen: its spec replaces the observation's, and the first observation is refused: "Shape mismatch". The same
# environment, single, works. Mend for authors of environments: no name in both, unless both hold one value.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0
"$folder/venv/bin/pip" install --quiet torchrl==0.14.1 gymnasium==1.4.0
"$folder/venv/bin/python" - <<'PY'
import importlib.metadata

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from torchrl.envs import GymWrapper


class Place(gymnasium.Env):
    """An observation `place` of three numbers, and an info entry `place` that is one."""

    observation_space = Dict({"place": Box(-1.0, 1.0, (3,), np.float32)})
    action_space = Discrete(2)

    def __init__(self, name):
        self.name = name

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return {"place": np.zeros(3, np.float32)}, {self.name: np.int64(1)}

    def step(self, action):
        return {"place": np.zeros(3, np.float32)}, 0.0, False, False, {self.name: np.int64(1)}


def outcome(name):
    try:
        vector = SyncVectorEnv([lambda: Place(name)] * 2, autoreset_mode=AutoresetMode.SAME_STEP)
        GymWrapper(vector).rollout(2)
        return "works"
    except RuntimeError as error:
        return str(error).splitlines()[0][:80]


GymWrapper(Place("place")).rollout(2)
seen = {name: outcome(name) for name in ("place", "other")}
print("torchrl", importlib.metadata.version("torchrl"), "gymnasium", gymnasium.__version__)
print("expected: both work; seen:", seen)
raise SystemExit(0 if "mismatch" in seen["place"].lower() and seen["other"] == "works" else 1)
PY
