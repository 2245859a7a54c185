#!/usr/bin/env bash
# MABWiser 2.7.4: for an arm without data, LinUCB explores with l2_lambda where it should be 1 / l2_lambda.
# Expected: the docstring of LearningPolicy.LinUCB has the bonus alpha * sqrt(x' (X'X + lambda I)^-1 x), which is
# alpha * |x| / sqrt(lambda) without data, and falls with data.
# Seen: _RidgeRegression.init sets A = lambda I and A_inv = A.copy(), the matrix itself and not its inverse (mabwiser/
# linear.py); only a fit of the arm mends it. With lambda 0.1 the bonus of a new arm is 0.32 instead of 3.16, less than
# after ten rounds with reward 0, so an arm of add_arm is not tried; with lambda 10 it is 3.16 instead of 0.32. At
# lambda 1, the default, nothing shows.
# Mend for users: l2_lambda=1 and features divided by sqrt(lambda), which is the same model.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.4.6 pandas==2.3.3 scikit-learn==1.7.2
"$folder/venv/bin/pip" install --quiet --no-deps mabwiser==2.7.4
"$folder/venv/bin/python" - <<'PY'
from importlib.metadata import version

from mabwiser.mab import MAB, LearningPolicy

LAMBDAS, ROUNDS = (0.1, 1.0, 10.0), 10


def bandit(policy):
    """Arm `old` after ten rounds with context 1 and reward 0; arm `new` without data."""
    mab = MAB(["old"], policy, seed=0)
    mab.fit(["old"] * ROUNDS, [0.0] * ROUNDS, [[1.0]] * ROUNDS)
    mab.add_arm("new")
    return mab


def bonus(strength):
    """The upper bound of either arm, whose estimated reward is 0."""
    values = bandit(LearningPolicy.LinUCB(alpha=1.0, l2_lambda=strength)).predict_expectations([[1.0]])
    return [round(float(values[arm]), 2) for arm in ("old", "new")]


print("mabwiser", version("mabwiser"))
ok = True
for strength in LAMBDAS:
    expected = [round(float((count + strength) ** -0.5), 2) for count in (ROUNDS, 0)]
    seen = bonus(strength)
    print(f"lambda {strength}: bonus of old and new arm expected {expected}; seen {seen}")
    ok = ok and seen == [expected[0], round(strength**0.5, 2)]
choice = bandit(LearningPolicy.LinUCB(alpha=1.0, l2_lambda=0.05)).predict([[1.0]])
print("lambda 0.05: expected choice: new; seen:", choice)
raise SystemExit(0 if ok and choice == "old" else 1)
PY
