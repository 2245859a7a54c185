"""Boosted trees are fitted in one thread, and an engine's threads are its own."""

import subprocess
import sys

import numpy as np
import sklearn.ensemble
from threadpoolctl import threadpool_info, threadpool_limits

from recgym.fidelity.classifier_test import held_out_scores
from recgym.one_thread import one_thread

THREADED = """
import gymnasium as gym
import numpy as np
import recgym
environment = gym.make_vec("recgym/Ecommerce-v1", num_envs=64, threads=2)
environment.reset(seed=0)
environment.step(np.zeros(64, np.int64))
import torch
print(torch.get_num_threads())
"""


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


def test_threads_of_an_environment_give_torch_no_more(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("NUMBA_NUM_THREADS", "2")
    done = subprocess.run([sys.executable, "-c", THREADED], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
