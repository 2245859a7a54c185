"""Notes of a card on what a log does not show."""

from types import SimpleNamespace

import numpy as np
import pytest

from recgym.fit.provenance import MIN_PERSONS, card_notes_on_persons


def dataset(visits):
    user = np.repeat(np.arange(len(visits)), visits)
    return SimpleNamespace(user=user, starts=np.arange(len(user)), num_users=len(visits))


@pytest.mark.parametrize(
    ("visits", "words"),
    [
        ([82, *[1] * 18], "19 users, the largest with 82% of the visits"),
        ([2] * (MIN_PERSONS - 1), f"{MIN_PERSONS - 1} users"),
        ([300, *[10] * 60], "61 users, the largest with 33% of the visits"),
    ],
)
def test_few_users_or_one_with_most_visits_are_no_persons(visits, words):
    assert words in card_notes_on_persons(dataset(visits))


def test_many_users_with_few_visits_each_are_persons():
    assert card_notes_on_persons(dataset([3] * MIN_PERSONS)) == ""
