#!/usr/bin/env bash
# TorchRL 0.14.1: n-step targets of the steps just before a terminal state contain the value of the terminal state.
# Expected: the discounted rewards and no more, where the n steps reach the end (Sutton & Barto 2018, section 7.1); the
# docstring of MultiStep says that every entry under "next" moves n steps on.
# Seen: it moves observation and reward; "terminated" stays that of the first step, and TD0Estimator (so DQNLoss and its
# like) bootstraps n - 1 steps of every episode from a state that has no value. MultiStepTransform does the same; its
# docstring says that the end keys stay, not what becomes of the targets.
# Mend for users: move ("next", "terminated") by "steps_to_next_obs", as below.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0
"$folder/venv/bin/pip" install --quiet torchrl==0.14.1 tensordict==0.14.3
"$folder/venv/bin/python" - <<'PY'
import importlib.metadata

import torch
from tensordict import TensorDict
from tensordict.nn import TensorDictModule
from torchrl.data import MultiStep
from torchrl.objectives.value import TD0Estimator

GAMMA, VALUE, STEPS, LENGTH = 0.9, 10.0, 3, 5
time = torch.arange(LENGTH, dtype=torch.float32).view(1, LENGTH, 1)
never = torch.zeros(1, LENGTH, 1, dtype=torch.bool)
ends = time == LENGTH - 1
flags = {"done": ends, "terminated": ends, "truncated": never}
episode = TensorDict(
    {
        "observation": time,
        "done": never,
        "terminated": never,
        "truncated": never,
        "next": {"observation": time + 1, "reward": torch.ones(1, LENGTH, 1), **flags},
    },
    [1, LENGTH],
)
critic = TensorDictModule(lambda x: torch.full_like(x, VALUE), in_keys=["observation"], out_keys=["state_value"])
estimator = TD0Estimator(gamma=GAMMA, value_network=critic)


def targets(batch):
    return [round(x, 2) for x in estimator.value_estimate(batch).flatten().tolist()]


batch = MultiStep(gamma=GAMMA, n_steps=STEPS)(episode.clone())
seen = targets(batch.clone())
last = torch.arange(LENGTH) + batch["steps_to_next_obs"] - 1
batch["next", "terminated"] = ends.gather(1, last.view(1, LENGTH, 1))
mended = targets(batch)
textbook = []
for t in range(LENGTH):
    steps = min(STEPS, LENGTH - t)
    rest = 0.0 if t + steps == LENGTH else GAMMA**steps * VALUE
    textbook.append(round(sum(GAMMA**k for k in range(steps)) + rest, 2))
print("torchrl", importlib.metadata.version("torchrl"))
print("reward 1 a step, terminal after 5, gamma 0.9, value 10 everywhere, 3-step targets")
print("expected:", textbook, "\nseen:    ", seen, "\nmended:  ", mended)
raise SystemExit(0 if seen == [10.0, 10.0, 10.0, 10.0, 1.0] and mended == textbook else 1)
PY
