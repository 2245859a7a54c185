#!/usr/bin/env bash
# Gymnasium 1.4.0: NormalizeReward gives the same rewards another scale in each autoreset mode, and one never settles.
# Expected: rewards are divided by the standard deviation of the discounted return so far, which begins at 0 with each
# episode ("start a new return immediately rather than carrying the previous episode", says a comment in its source).
# The mode, which only says when a row is reset, does not matter.
# Seen: that is so in mode SAME_STEP. In NEXT_STEP, the default, and in the wrapper for single environments, the return
# of a truncated episode (a horizon, a time limit) runs on into the next one. With reward 1, 20 steps and gamma 0.99 it
# goes to 100 instead of 18.2 and stays there: a reward of 1 becomes 0.05 after 1,000 steps and 0.45 after 100,000,
# instead of 0.19. (Issue 760 has it for the single wrapper; pull request 1668 mended SAME_STEP alone.)
# Mend for users: mode SAME_STEP, or a constant scale.
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
from gymnasium.wrappers.vector import NormalizeReward

HORIZON, GAMMA = 20, 0.99
SHORT, LONG = 1_000, 100_000


class Visit(gymnasium.Env):
    """Reward 1 a step, truncated at the horizon."""

    observation_space = Box(-1.0, 1.0, (1,), np.float32)
    action_space = Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.time += 1
        return np.zeros(1, np.float32), 1.0, False, self.time == HORIZON, {}


def scale(env):
    """What a reward of 1 becomes by now."""
    return round(float(1 / np.sqrt(env.return_rms.var + env.epsilon)), 2)


def vector_scales(mode):
    vector = NormalizeReward(SyncVectorEnv([Visit], autoreset_mode=mode), gamma=GAMMA)
    vector.reset(seed=0)
    seen = []
    for step in range(1, LONG + 1):
        vector.step(np.zeros(1, np.int64))
        if step in (SHORT, LONG):
            seen.append(scale(vector))
    return seen


def single_scales():
    env = gymnasium.wrappers.NormalizeReward(Visit(), gamma=GAMMA)
    seen = []
    for step in range(1, LONG + 1):
        if step % HORIZON == 1:
            env.reset(seed=0)
        env.step(0)
        if step in (SHORT, LONG):
            seen.append(scale(env))
    return seen


within = np.cumsum(GAMMA ** np.arange(HORIZON))  # the discounted return so far, within one episode
expected = [round(float(1 / within.std()), 2)] * 2
seen = {mode.name: vector_scales(mode) for mode in (AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP)}
seen["single"] = single_scales()
print("gymnasium", gymnasium.__version__)
print(f"a reward of 1 after {SHORT} and {LONG} steps; expected: {expected}; seen: {seen}")
wrong = [seen[name] for name in ("NEXT_STEP", "single")]
raise SystemExit(
    0 if seen["SAME_STEP"] == expected and all(early < 0.06 and late > 0.4 for early, late in wrong) else 1
)
PY
