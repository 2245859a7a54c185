"""Steps of visits as rows: of a slate the item that leaving depends on, its first one with a response, else its top."""

import numpy as np

from recgym.arrays import Ints
from recgym.fit.dataset import Dataset


def leads(dataset: Dataset) -> Ints:
    """(steps,) row of each step's item: the first with a response, else the top one; ascending."""
    best = np.lexsort((np.arange(len(dataset.item)), ~dataset.positive.astype(bool), dataset.step_starts))
    first = dataset.step_starts[best]
    return np.sort(best[np.r_[True, first[1:] > first[:-1]]])


def of_steps(dataset: Dataset) -> Dataset:
    """The dataset with one row a step; sessions, users and items are the same."""
    rows = leads(dataset)
    lengths = np.bincount(dataset.session[rows], minlength=len(dataset.starts)).astype(np.int64)
    return dataset.at_rows(rows, starts=np.cumsum(lengths) - lengths, lengths=lengths)
