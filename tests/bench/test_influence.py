"""What the influence of friends changes, against a world where it is known."""

import numpy as np
import pytest

from recgym.bench.influence import AGENTS, influence_of, table
from recgym.envs import row_of
from recgym.sim.synthetic import synthetic


@pytest.fixture(scope="module")
def row(tmp_path_factory):
    """40 users in pairs of friends, each with 6 items of 30; all items are equally good without influence."""
    world = synthetic(domain="social", num_items=30, num_users=40)
    rng = np.random.default_rng(0)
    library = np.sort(np.stack([rng.permutation(30)[:6] for _ in range(40)]), axis=1)
    flat = {
        name: np.zeros_like(getattr(world.arrays, name))
        for name in ("factors", "push", "item_bias", "user_bias", "leave_item", "context_bias")
    }
    world = world.with_arrays(
        friend_start=np.arange(41), friend=np.arange(40) ^ 1, library=library, kin=np.zeros((40, 1)), **flat
    )
    world = world.with_params(outside=1.0, kappa=0.0, rho=0.0, mood=0.0, sigma=0.0, omega=0.0, theta=0.0)
    terms = [{"term": "omega", "status": "assumed", "value": 0.0, "source": ""}]
    place = world.with_card(terms=terms).save(tmp_path_factory.mktemp("influence") / "pairs")
    return row_of("recgym/Social-v2")._replace(
        world=str(place), n_items=None, reward="clicks", numbering=None
    )


@pytest.mark.parametrize("omega", [0.0, 0.5])
def test_the_odds_of_a_response_to_an_item_of_a_friend_are_those_of_the_model(row, omega):
    found = influence_of(row, omega, 300)
    assert found.with_friends == pytest.approx(6 / 30, abs=0.015)
    assert found.ratio == pytest.approx(2.0**omega, rel=0.06)
    gain = found.returns["friends"].mean - found.returns["random"].mean
    assert found.returns["friends"].mean <= found.returns["oracle"].high
    if omega:
        assert gain > 0.1 * found.returns["random"].mean


def test_the_table_has_a_row_for_each_strength(row):
    lines = table(row, 20, (0.0, 0.5)).splitlines()
    assert [line.split("|")[1].strip() for line in lines] == ["omega", "---", "0", "0.5"]
    assert all(name in lines[0] for name in AGENTS)
