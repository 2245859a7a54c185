"""Returns to items of the visit: their weight in a choice, by hand, and in a stored world."""

import numpy as np
import pytest

from recgym.sim.returns import response_share, with_returns
from recgym.sim.schema import OPTIONAL
from recgym.sim.session import affinity
from recgym.sim.session_arrays import empty_sessions
from recgym.sim.session_start import begin_session
from recgym.sim.state import MEMORY
from recgym.sim.synthetic import synthetic
from recgym.sim.world import World


def clicked(world, items):
    """A session with responses to `items`, the last one last."""
    s = empty_sessions(world, 1)
    begin_session(world.arrays, s, 0, 0, 0)
    for item in items:
        s.memory[0, s.engaged[0] % MEMORY] = item
        s.engaged[0] += 1
    return s


def with_term(decay=0.5):
    return synthetic(3, num_items=6).with_arrays(return_logit=np.linspace(-1.0, 1.0, 6), return_decay=[decay])


def test_the_shares_of_the_responses_fall_with_their_age():
    world = with_term()
    s = clicked(world, [2, 4, 2])
    assert [response_share(world.arrays, s, 0, item) for item in (2, 4, 0)] == pytest.approx(
        [5 / 7, 2 / 7, 0.0]
    )
    s = clicked(world, [0, *[1, 2] * (MEMORY // 2)])  # 0 is forgotten
    assert response_share(world.arrays, s, 0, 0) == 0.0
    shares = [response_share(world.arrays, s, 0, item) for item in range(6)]
    assert sum(shares) == pytest.approx(1.0)


def test_a_return_adds_to_the_weight_of_an_item_whatever_its_appeal():
    world, plain = with_term(), synthetic(3, num_items=6)
    s = clicked(world, [2, 4, 2])
    assert s.mood[0] != 0.0 or world.params["outside"] != 0.0
    shift = affinity(plain.arrays, s, 0, 2) - affinity(plain.with_arrays(
        user_bias=np.zeros(plain.num_users), context_bias=np.zeros(len(plain.contexts)), place_bias=[0.0]
    ).with_params(outside=0.0, mood=0.0).arrays, s, 0, 2) + float(s.mood[0])  # fmt: skip
    for item, share in ((2, 5 / 7), (4, 2 / 7)):
        before, after = (np.exp(affinity(each.arrays, s, 0, item) - shift) for each in (plain, world))
        assert after - before == pytest.approx(share * np.exp(world.arrays.return_logit[item]), rel=1e-5)
    assert affinity(world.arrays, s, 0, 1) == pytest.approx(affinity(plain.arrays, s, 0, 1), abs=1e-12)
    assert with_returns(world.arrays, s, 0, 1, 0.25) == 0.25


def test_a_stored_world_has_the_term_where_it_has_one(tmp_path):
    world = with_term()
    world.save(tmp_path / "with")
    loaded = World.load(tmp_path / "with")
    assert np.array_equal(loaded.arrays.return_logit, world.arrays.return_logit)
    assert loaded.arrays.return_decay == pytest.approx(0.5)
    synthetic(3).save(tmp_path / "without")
    absent = World.load(tmp_path / "without")
    for name in ("return_logit", "return_decay", "next_level"):
        assert np.array_equal(getattr(absent.arrays, name), OPTIONAL[name])
