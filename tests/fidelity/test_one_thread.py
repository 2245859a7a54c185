"""Boosted trees are fitted in one thread."""

import numpy as np
import sklearn.ensemble  # noqa: F401 - loads OpenMP
from threadpoolctl import threadpool_info

from recgym.fidelity import classifier_test
from recgym.fidelity.one_thread import one_thread


def most_threads() -> int:
    return max(library["num_threads"] for library in threadpool_info())


def test_all_libraries_have_one_thread_inside_and_as_many_as_before_after():
    before = most_threads()
    with one_thread():
        assert most_threads() == 1
    assert most_threads() == before


def test_a_classifier_is_fitted_in_one_thread(monkeypatch):
    seen = []
    monkeypatch.setattr(classifier_test, "_held_out_scores", lambda *rest: seen.append(most_threads()))
    classifier_test.held_out_scores(np.zeros((4, 1)), np.zeros(4), np.zeros(4), 0)
    assert seen == [1]
