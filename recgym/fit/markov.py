"""A smoothed Markov table as a term of affinity, beside which the other terms are trained.

The table P(j | i) = (C_ij + k p_j) / (n_i + k), with p the items' shares, equals p_j (1 + C_ij / (k p_j)) up to a
factor of its row. So item biases log p and a term log(1 + C_ij / (k p_j)) of the pairs that the log has are that table.

A row's own transition is in the counts. In training its own term is without it (leave-one-out), so that what is trained
beside the table does not see it as better than it is.
"""

import numpy as np
import torch

from recgym.arrays import Arrays, Bools, Doubles
from recgym.fit.dataset import Dataset
from recgym.fit.pair_terms import Transitions

WEIGHTS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)  # [clicks] k, weight of the items' shares


def markov_table(dataset: Dataset, rows: Bools, weight: float) -> Transitions | None:
    """The term from the transitions among `rows` (rows,), None where there is none; `weight` is k in clicks."""
    num, item = dataset.num_items, dataset.item.astype(np.int64)
    share: Doubles = (np.bincount(item[rows], minlength=num) + 1.0) / (rows.sum() + num)
    second = np.flatnonzero(rows & dataset.follows)
    code, count = np.unique(item[second - 1] * num + item[second], return_counts=True)
    if not len(code):
        return None
    scale = weight * share[code % num]
    return Transitions(
        torch.as_tensor(np.searchsorted(code, np.arange(num + 1) * num)),
        torch.as_tensor(code),
        *(torch.as_tensor(np.log1p(part / scale), dtype=torch.float32) for part in (count, count - 1)),
    )


def exported(table: Transitions) -> Arrays:
    """The arrays of a world with this term."""
    start, code, logit = (part.cpu().numpy() for part in table[:3])
    return {"next_start": start, "next_item": code % (len(start) - 1), "next_logit": logit}
