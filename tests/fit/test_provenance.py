"""Notes of a card on what a log does not show."""

from types import SimpleNamespace

import numpy as np
import pytest

from recgym.fit.provenance import MIN_PERSONS, Provenance, assumed_leaving, card_notes_on_persons


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


def test_an_assumed_effect_of_no_click_does_not_say_that_the_log_has_no_such_slates():
    """A log of impressions may have them."""
    provenance = Provenance("ecommerce")
    assumed_leaving(provenance, {"leave_run": np.zeros(20)}, reason="too few visits")
    source = provenance.rows["leave_idle"]["source"]
    assert source.startswith("who clicks nothing on a slate leaves as often as who clicks")
    assert "click log has no slates" not in source
