"""Boosted trees are fitted in one thread."""

import numpy as np
import sklearn.ensemble
from threadpoolctl import threadpool_info, threadpool_limits

from recgym.fidelity.classifier_test import held_out_scores
from recgym.one_thread import one_thread


def most_threads() -> int:
    return max(library["num_threads"] for library in threadpool_info())


def test_all_libraries_have_one_thread_inside_and_as_many_as_before_after():
    with threadpool_limits(limits=2):
        with one_thread("sklearn.ensemble"):
            assert most_threads() == 1
        assert most_threads() == 2


def test_a_classifier_is_fitted_in_one_thread(monkeypatch):
    seen = []
    trees = sklearn.ensemble.HistGradientBoostingClassifier
    fit = trees.fit
    monkeypatch.setattr(trees, "fit", lambda *rest: [seen.append(most_threads()), fit(*rest)][1])
    with threadpool_limits(limits=2):
        held_out_scores(np.arange(8.0)[:, None], np.arange(8) % 2, np.arange(8) // 4, 0)
    assert seen == [1, 1]
