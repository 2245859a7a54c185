#!/usr/bin/env bash
# recommenders 1.2.1: r_precision_at_k leaves every user without a hit out of its mean.
# Expected: the mean over users of the precision at R, the number of relevant items of a user; the docstring says that
# it is "also equivalent to the recall at the R-th position", and recall_at_k divides by all users.
# Seen: users without a hit in the top k are not in the table of hits, and those whose hits are all below rank R become
# NaN, which the mean skips. A recommender that is right for 1 of 100 users scores 1.0, more than one that finds half of
# everybody's items (0.5).
# Mend for users: multiply by the share of users with a hit at rank R or above, or compute it from the lists.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.4.6 pandas==2.3.3 scikit-learn==1.7.2
"$folder/venv/bin/pip" install --quiet --no-deps recommenders==1.2.1
"$folder/venv/bin/python" -W ignore - <<'PY'
from importlib.metadata import version

import pandas as pd
from recommenders.evaluation.python_evaluation import precision_at_k, r_precision_at_k, recall_at_k

USERS, RELEVANT = 100, (0, 1)
LISTS = {
    "right for 1 of 100": lambda user: (0, 1) if user == 0 else (8, 9),
    "half right for all": lambda user: (0, 9),
}
truth = pd.DataFrame(
    [(user, item, 1.0) for user in range(USERS) for item in RELEVANT], columns=["userID", "itemID", "rating"]
)
print("recommenders", version("recommenders"))
seen = {}
for name, items in LISTS.items():
    rows = [(user, item, 1.0 / (rank + 1)) for user in range(USERS) for rank, item in enumerate(items(user))]
    shown = pd.DataFrame(rows, columns=["userID", "itemID", "prediction"])
    expected = sum(len(set(items(user)) & set(RELEVANT)) / len(RELEVANT) for user in range(USERS)) / USERS
    seen[name] = float(r_precision_at_k(truth, shown, k=2))
    others = float(precision_at_k(truth, shown, k=2)), float(recall_at_k(truth, shown, k=2))
    print(f"{name}: R-precision expected {expected}; seen {seen[name]}; precision and recall at 2: {others}")
raise SystemExit(0 if list(seen.values()) == [1.0, 0.5] else 1)
PY
