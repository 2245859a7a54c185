"""n-step returns and prioritised replay against plain Python."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from dcf_networks import SMALL, history_env

from agents import Problem, make_agent
from agents.deep.replay import Ring, n_step
from agents.deep.states import States
from recgym.sim.synthetic import synthetic


def test_n_step_returns_by_hand():
    reward = torch.tensor([[1.0, 2.0, 4.0]] * 5)
    no = [False, False, False]
    terminated = torch.tensor([no, [True, False, False], [False, True, False], no, [False, False, True]])
    truncated = torch.tensor([no, no, no, [False, True, False], [False, False, True]])
    total, steps, bootstrap = n_step(reward, terminated, truncated, 0.5)
    torch.testing.assert_close(
        total, torch.tensor([3.0, 1.0, 2.0, 2.0, 3.0])
    )  # 1 + 2/2 + 4/4, cut where it ended
    assert steps.tolist() == [3, 1, 2, 2, 3]
    torch.testing.assert_close(
        bootstrap, torch.tensor([0.125, 0.0, 0.0, 0.25, 0.0])
    )  # both at once: the user left


def step_of(rows, number, ends=(), cuts=(), num=3):
    """Vector step `number`: the state before it has user 10 * number + row, the reward is number + row / 10."""
    rows = np.asarray(rows)

    def states(at):
        user = torch.as_tensor(10 * at + rows)
        return States(
            user,
            torch.zeros(len(rows), 20),
            torch.zeros(len(rows), 20, 2),
            torch.zeros(len(rows), 3),
            torch.zeros(len(rows), 0, 0),
        )

    ended, cut = (torch.as_tensor(np.isin(rows, which)) for which in (ends, cuts))
    credit = torch.as_tensor(number + rows / 10.0).float()[:, None]
    before, after = states(number), states(number + 1)
    return torch.as_tensor(rows), before, torch.as_tensor(rows)[:, None], credit, after, (ended, cut), None


def test_ring_gives_n_step_returns_of_each_session():
    ring = Ring(32, step_of([0, 1, 2], 0)[1], 1, torch.device("cpu"))
    ring.add(*step_of([0, 1, 2], 0))
    ring.add(*step_of([0, 1, 2], 1, ends=[0], cuts=[1]))
    ring.add(*step_of([2], 2))  # rows 0 and 1 restart
    for number in (3, 4, 5):
        ring.add(*step_of([0, 1, 2], number))
    assert ring.ready(3) == 4
    sample = ring.sample(4_000, 3, 0.5, torch.Generator().manual_seed(0))
    seen = {}
    for i in range(4_000):
        key = int(sample.states.user[i])
        if sample.weight[i]:
            later, keep = round(float(sample.later[i]), 6), float(sample.bootstrap[i])
            seen[key] = (later, keep, int(sample.after.user[i]))
            assert sample.credit[i, 0] == pytest.approx(key // 10 + key % 10 / 10)
    assert seen[0] == (0.5 * 1.0, 0.0, 20)  # row 0 left at step 1
    assert seen[1] == (
        0.5 * 1.1,
        0.25,
        21,
    )  # row 1 was cut at step 1: its state after that, not the next session's
    assert seen[2] == (pytest.approx(0.5 * 1.2 + 0.25 * 2.2), 0.125, 32)
    assert seen[30] == (pytest.approx(0.5 * 4.0 + 0.25 * 5.0), 0.125, 60)
    assert set(seen) == {0, 1, 2, 10, 11, 12, 22, 30, 31, 32}  # neither 20 nor 21: those slots hold no slate


def test_rows_are_sampled_by_priority():
    """Frequencies are proportional to the priorities; the fully corrected mean is the uniform one."""
    ring = Ring(8, step_of([0, 1, 2], 0)[1], 1, torch.device("cpu"), prioritised=True)
    for number in range(6):
        ring.add(*step_of([0, 1, 2], number))
    priority = torch.arange(1.0, 13.0).reshape(4, 3)  # of the slots that have two slots after them, 0 to 3
    place = torch.meshgrid(torch.arange(4), torch.arange(3), indexing="ij")
    ring.update_priorities((place[0].flatten(), place[1].flatten()), priority.flatten())
    ring.update_priorities((torch.tensor([1]), torch.tensor([2])), torch.tensor([0.5]))
    priority[1, 2] = 0.5
    sample = ring.sample(60_000, 3, 1.0, torch.Generator().manual_seed(0), 1.0)
    drawn = torch.bincount(sample.place[0] * 3 + sample.place[1], minlength=12) / 60_000
    share = priority.flatten() / priority.sum()
    np.testing.assert_allclose(drawn, share, atol=4 * 0.0017)
    np.testing.assert_allclose(
        sample.weight, (0.5 / priority.flatten())[sample.place[0] * 3 + sample.place[1]], rtol=1e-5
    )
    mean = (sample.weight * sample.credit[:, 0]).sum() / sample.weight.sum()
    assert float(mean) == pytest.approx(float(ring.credit[:4].mean()), abs=0.03)
    ring.add(*step_of([0, 2], 6))  # new rows have the largest priority that any had; row 1 only restarts
    assert ring.priority[6].tolist() == [12.0, 0.0, 12.0]
    task = SimpleNamespace(
        observation_space=None, event_names=("click", "like"), slate_size=1, num_items=50, num_users=100
    )
    again = Ring.of(ring.arrays(), torch.device("cpu"), task, 3)
    first, second = (each.sample(50, 2, 0.9, torch.Generator().manual_seed(1), 0.5) for each in (ring, again))
    torch.testing.assert_close(first, second)


def test_full_ring_overwrites_the_oldest_slots():
    ring = Ring(5, step_of([0, 1, 2], 0)[1], 1, torch.device("cpu"))
    for number in range(12):
        ring.add(*step_of([0, 1, 2], number))
    sample = ring.sample(500, 2, 1.0, torch.Generator().manual_seed(0))
    assert set((sample.states.user // 10).tolist()) == {8, 9, 10}
    np.testing.assert_array_equal(sample.after.user, sample.states.user + 20)
    np.testing.assert_allclose(
        sample.later, (sample.states.user // 10 + 1) + sample.states.user % 10 / 10, rtol=1e-6
    )


def test_single_session_keeps_the_state_at_its_horizon():
    """With one row, the step that restarts is dropped: the next slot must not have the next session's state."""
    world = synthetic(domain="social", num_items=6).with_params(leave_bias=-30.0)
    env = history_env(world, 1, horizon=3)
    agent = make_agent("dcf-dqn", Problem.of(env), warmup=10**6, steps=2, **SMALL)
    agent.train(env, 12, 0)
    ring = agent.ring
    assert ring.count == 15  # 12 slates, and a slot for each restart between
    assert ring.shown[:16, 0].tolist() == [True, True, True, False] * 3 + [True, True, True, False]
    steps = (ring.context[:16, 0, 2] * 3).round().int().tolist()
    assert steps == [0, 1, 2, 3] * 4
