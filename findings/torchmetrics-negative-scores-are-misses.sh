#!/usr/bin/env bash
# torchmetrics 1.9.0: four retrieval metrics count a relevant item as a miss when its score is not above 0.
# Expected: a metric of a ranking depends on the order of the scores alone. RetrievalMRR "accepts float predictions from
# a model output", as its docstring says, and nothing there speaks of their sign.
# Seen: RetrievalMRR, RetrievalMAP, RetrievalPrecision and RetrievalRecall are 0 for a perfect ranking whose scores are
# log-probabilities or negative logits; RetrievalHitRate, RetrievalNormalizedDCG and RetrievalRPrecision are 1 for the
# same input. With scores of either sign the values are between, and look like those of a weaker model. (Pull request
# 3104 asked for it: a score of 0 should mean "not predicted".)
# Mend for users: pass probabilities, torch.sigmoid(scores), or scores - scores.min() + 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0
"$folder/venv/bin/pip" install --quiet torchmetrics==1.9.0
"$folder/venv/bin/python" -W ignore - <<'PY'
import torch
import torchmetrics
from torchmetrics import retrieval

NAMES = ("MRR", "MAP", "Precision", "Recall", "HitRate", "NormalizedDCG", "RPrecision")
probability = torch.tensor([0.5, 0.3, 0.2])
relevant = torch.tensor([True, False, False])
query = torch.zeros(3, dtype=torch.long)


def values(scores):
    metrics = {name: getattr(retrieval, "Retrieval" + name) for name in NAMES}
    return [round(float(metric()(scores, relevant, indexes=query)), 3) for metric in metrics.values()]


print("torchmetrics", torchmetrics.__version__)
expected, seen = values(probability), values(probability.log())
print(NAMES)
print("the relevant item first, scores are probabilities:", expected)
print("the same order, scores are their logarithms; expected the same; seen:", seen)
raise SystemExit(0 if expected == [1, 1, 0.333, 1, 1, 1, 1] and seen == [0, 0, 0, 0, 1, 1, 1] else 1)
PY
