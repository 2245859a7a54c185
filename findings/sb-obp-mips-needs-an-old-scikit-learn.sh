#!/usr/bin/env bash
# sb-obp 0.5.10: marginalised inverse probability weighting fails with every scikit-learn from 1.4 on.
# Expected: the estimator runs with the versions that the package allows (scikit-learn >=1.0.2,<2.0.0).
# Seen: TypeError, OneHotEncoder.__init__() got an unexpected keyword argument 'sparse' (renamed in 1.2, gone in 1.4).
# Mend for users: pip install "scikit-learn<1.4".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "torch==2.13.0"
"$folder/venv/bin/pip" install --quiet "sb-obp==0.5.10" "scikit-learn==1.7.2"
"$folder/venv/bin/python" -W ignore - <<'PY'
from importlib.metadata import version

import numpy as np
from obp.ope import MarginalizedInverseProbabilityWeighting

rng = np.random.default_rng(0)
n, actions = 200, 4
action = rng.integers(0, actions, n)
uniform = np.full((n, actions, 1), 1 / actions)
print("sb-obp", version("sb-obp"), "scikit-learn", version("scikit-learn"))
try:
    MarginalizedInverseProbabilityWeighting(n_actions=actions).estimate_policy_value(
        reward=rng.integers(0, 2, n), action=action, action_dist=uniform, pi_b=uniform, context=rng.normal(size=(n, 2)),
        action_embed=(action % 2)[:, None], position=np.zeros(n, int),
    )
    seen = "a value"
except TypeError as error:
    seen = str(error)
print("expected: a value; seen:", seen)
raise SystemExit(0 if "sparse" in seen else 1)
PY
