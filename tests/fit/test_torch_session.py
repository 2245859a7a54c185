"""The torch equations of a session against the simulator's."""

import numpy as np
import pytest
import torch
from session_terms import terms_from_world

from recgym.fit import FitConfig
from recgym.fit.dataset import make_dataset
from recgym.fit.event_rates import event_chances
from recgym.fit.torch_session import (
    Batch,
    affinities,
    logged_affinity,
)
from recgym.logs.sample import sample_log
from recgym.sim import session as sim
from recgym.sim.session_arrays import empty_feedback, empty_sessions
from recgym.sim.synthetic import synthetic
from recgym.sim.world import World

SMALL = FitConfig(dim=4, hidden=8, epochs=3, bootstrap=20)


def as_batch(world: World, items, positive, seed=0):
    rng = np.random.default_rng(seed)
    num = len(items)
    user, context = rng.integers(world.num_users, size=num), rng.integers(len(world.contexts), size=num)
    tensor = torch.as_tensor
    return Batch(
        tensor(user),
        tensor(context),
        tensor(items),
        tensor(positive).double(),
        torch.ones(items.shape),
        tensor(items),
    )


def simulated(world: World, batch: Batch):
    """Affinities (B, T, N) by the scalar functions under teacher forcing."""
    num, steps = batch.item.shape
    s = empty_sessions(world, num)
    w = world.arrays
    x = np.zeros((num, steps, world.num_items))
    feedback = empty_feedback(num, 1)
    for b in range(num):
        s.user[b], s.context[b] = int(batch.user[b]), int(batch.context[b])
        s.intent[b] = w.profile[s.user[b]]
        for t in range(steps):
            x[b, t] = [sim.affinity(w, s, b, item) for item in range(world.num_items)]
            item = int(batch.item[b, t])
            feedback.events[b, 0] = int(batch.positive[b, t])
            s.lead[b] = item
            s.step[b] += 1
            slate = np.full((num, 1), item, np.int64)
            sim.update_record(w, s, b, slate, feedback)
    return x


@pytest.mark.parametrize("domain", ["ecommerce", "content", "social"])
def test_torch_equations_equal_the_simulators(domain):
    world = synthetic(3, domain=domain, num_users=5, num_items=9, num_factors=3, num_categories=3)
    world = world.with_params(eta=0.7, pull=0.3, kappa=-0.4, decay=0.6, rho=-0.9, theta=0.5, outside=0.4)
    world = world.with_params(leave_repeat=0.7, leave_idle=0.3)
    world = world.with_arrays(place_bias=np.linspace(0, -1.2, 30))
    rng = np.random.default_rng(1)
    items = rng.integers(9, size=(4, 60))  # longer than the memory of 20 responses
    batch = as_batch(world, items, rng.random((4, 60)) < 0.7)
    x = simulated(world, batch)
    terms = terms_from_world(world)
    ours = affinities(terms, batch).numpy()
    np.testing.assert_allclose(1 / (1 + np.exp(-ours)), 1 / (1 + np.exp(-x)), atol=1e-5)
    own = np.take_along_axis(ours, items[..., None], 2)[..., 0]
    np.testing.assert_allclose(logged_affinity(terms, batch).numpy(), own, atol=1e-9)


@pytest.mark.parametrize("seen", [1.0, 0.6])
@pytest.mark.parametrize("domain", ["ecommerce", "content", "social"])
def test_event_chances_equal_the_simulators_average(domain, seen):
    world = synthetic(5, domain=domain, num_users=4, num_items=6, num_factors=2).with_params(
        sigma=0.0, mood=0.0
    )
    world = world.with_arrays(examine=np.full(50, seen))
    log = sample_log(world, "random", 6_000, seed=1, horizon=1)
    frame = make_dataset(log, FitConfig(), positives_only=False)
    arrays = {name: getattr(world.arrays, name).astype(float) for name in world.arrays._fields}
    place = np.zeros(world.num_items, int)
    place[frame.item] = log.column("item")
    per_item = ("event_item", "duration")
    shuffled = arrays | {name: arrays[name][place] for name in per_item}
    a, item, user = world.arrays, log.column("item"), log.column("user")
    x = (
        (a.profile[user] * a.factors[item]).sum(1)
        + a.item_bias[item]
        + a.user_bias[user]
        - world.params["outside"]
    )
    x = x + world.params["theta"] * a.price[item] + a.context_bias[log.column("context_index").astype(int)]
    for name, chance in event_chances(frame, shuffled, x, seen=np.full(len(x), seen)).items():
        error = np.sqrt(chance.mean() / len(chance)) * 4 + 1e-3
        assert abs(frame.events[name].mean() - chance.mean()) < error, name
