"""SlateQ: slates against all slates, the choice model against a world of one choice a page, an update by hand."""

from itertools import combinations

import gymnasium
import numpy as np
import pytest
import torch

from agents import Problem, Transition, make_agent
from agents.deep.slate_optimizers import best_slates
from agents.deep.states import to_states
from agents.log_histories import read_histories
from agents.torch_utils import pick_device
from recgym.logs.sample import sample_log
from recgym.sim.synthetic import synthetic

SMALL = {"width": 8, "hidden": 16}


def pages(world, num_envs=16, **kwargs):
    return gymnasium.make_vec(
        "recgym/EcommerceSlate-v1",
        num_envs=num_envs,
        world=world,
        observation="history",
        **{"slate_size": 3} | kwargs,
    )


def value_of(weight, value, none_weight, none_value, slate):
    return (none_weight * none_value + sum(weight[i] * value[i] for i in slate)) / (
        none_weight + sum(weight[i] for i in slate)
    )


def test_slates_are_the_best_of_all_slates():
    rng = np.random.default_rng(0)
    beaten = {"greedy": 0, "top-k": 0}
    for trial in range(200):
        weight, value = rng.exponential(size=7), rng.normal(size=7) + trial % 3
        none_weight, none_value = rng.exponential(), rng.normal()
        barred = rng.random(7) < 0.3
        if (~barred).sum() < 3:
            continue
        arrays = (
            np.where(barred, -1.0, weight)[None],
            value[None],
            np.array([none_weight]),
            np.array([none_value]),
        )
        tensors = [torch.as_tensor(array) for array in arrays]
        found = {how: best_slates(*tensors, 3, how)[0].tolist() for how in ("exact", "greedy", "top-k")}
        worth = {how: value_of(weight, value, none_weight, none_value, slate) for how, slate in found.items()}
        every = combinations(np.flatnonzero(~barred), 3)
        best = max(value_of(weight, value, none_weight, none_value, slate) for slate in every)
        assert worth["exact"] == pytest.approx(best)
        for slate in found.values():
            assert len(set(slate)) == 3
            assert not barred[slate].any()
        by_hand = []
        for _ in range(3):
            rest = [i for i in np.flatnonzero(~barred) if i not in by_hand]
            by_hand.append(
                max(rest, key=lambda i: value_of(weight, value, none_weight, none_value, [*by_hand, i]))
            )
        assert found["greedy"] == by_hand
        order = np.argsort(-np.where(barred, -np.inf, weight * value))
        assert found["top-k"] == order[:3].tolist()
        for how in beaten:
            beaten[how] += worth[how] < best - 1e-9
    print(beaten)
    assert beaten["greedy"] < beaten["top-k"]


@pytest.mark.slow
def test_the_choice_model_is_calibrated_on_unseen_pages():
    world = synthetic(domain="ecommerce", num_items=20, num_users=40, spread=2.0)
    agent = make_agent("slateq", Problem.of(pages(world)), 0, width=16, hidden=32)
    agent.prepare(sample_log(world, "random", 2_000, 1, slate_size=3), 0)
    env = pages(world, 1_500)
    observation, _ = env.reset(seed=9)
    rng = np.random.default_rng(0)
    slates = rng.permuted(np.tile(np.arange(20), (1_500, 1)), axis=1)[:, :3]
    states = to_states(observation, pick_device("cpu"))
    with torch.no_grad():
        logits = agent.choice.logit_of(states, torch.as_tensor(slates))[0].numpy()
    chance = np.exp(logits) / (1 + np.exp(logits).sum(axis=1, keepdims=True))
    after, *_ = env.step(slates)
    clicked = after["events"].reshape(1_500, 20, -1)[:, -3:, 0]
    assert clicked.sum(axis=1).max() == 1
    assert chance.sum(axis=1).mean() == pytest.approx(clicked.sum(axis=1).mean(), abs=0.05)
    chosen = np.where(clicked > 0, chance, 0).sum(axis=1) + (clicked.sum(axis=1) == 0) * (
        1 - chance.sum(axis=1)
    )
    constant = clicked.mean(axis=0) @ np.log(clicked.mean(axis=0)) + (
        1 - clicked.sum(axis=1).mean()
    ) * np.log(1 - clicked.sum(axis=1).mean())
    print(f"log-likelihood {np.log(chosen).mean():.3f}, of constant shares {constant:.3f}")
    assert np.log(chosen).mean() > constant + 0.03


@pytest.mark.parametrize("domain", ["ecommerce", "content"])
def test_an_update_is_the_papers_by_hand(domain):
    """One choice a page; and pages with several responses, where every item is a page of its own."""
    task = f"recgym/{domain.capitalize()}Slate-v1"
    world = synthetic(domain=domain, num_items=6)
    if domain == "content":
        world = world.with_arrays(
            item_bias=world.arrays.item_bias + 2.0
        )  # so that pages have several responses
    env = gymnasium.make_vec(task, 8, world=world, observation="history", slate_size=3)
    agent = make_agent(
        "slateq", Problem.of(env), 0, discount=0.5, epochs=0, warmup=10**6, batch_size=64, weight_decay=0.0, **SMALL
    )  # fmt: skip
    observation, _ = env.reset(seed=1)
    action = agent.act(observation)
    after, reward, terminated, truncated, _ = env.step(action)
    agent.learn(Transition(observation, action, reward, after, terminated, truncated))
    with torch.no_grad():
        for weight in agent.target.parameters():
            weight.add_(0.3 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(3)))

    def tables(network, seen):
        states = to_states(seen, pick_device("cpu"))
        with torch.no_grad():
            x, outlook = network.logits(states)
            none_value = float(network.shift) + float(network.spread) * outlook
            values = none_value[:, None] + float(network.scale) * x
            return values.numpy(), none_value.numpy(), agent.choice.logits(states)[0].exp().numpy()

    newest, none_value, weight = tables(agent.online, after)
    judged, judged_nothing, _ = tables(agent.target, after)
    now, now_nothing, _ = tables(agent.online, observation)
    events = after["events"].reshape(8, 20, -1)[:, -3:]
    clicked, pay = events[..., 0] > 0, events @ np.array(list(agent.problem.reward_weights.values()))
    np.testing.assert_allclose(pay.sum(axis=1), reward)
    is_apart = domain == "content"
    assert (clicked.sum(axis=1).max() > 1) == is_apart

    def worth(b, value, none_weight, slate):
        if not is_apart:
            return value_of(weight[b], value[b], 1.0, none_weight[b], slate)
        chance = weight[b] / (1 + weight[b])
        return sum(chance[i] * value[b, i] + (1 - chance[i]) * none_weight[b] for i in slate)

    losses = []
    for b in range(8):
        left = sorted(set(range(6)) - set(action[b].tolist()))  # no item twice
        best = max(combinations(left, 3), key=lambda slate: worth(b, newest, none_value, slate))
        later = 0.5 * (0.0 if terminated[b] else worth(b, judged, judged_nothing, best))
        mine = now[b, action[b]]
        if is_apart:
            error = np.where(clicked[b], mine, now_nothing[b]) - pay[b] - later / 3
        else:
            error = (mine[clicked[b]] if clicked[b].any() else now_nothing[b]) - reward[b] - later
        losses.append(((error / float(agent.online.spread)) ** 2).mean())
    assert clicked.any(axis=1).sum() not in (0, 8) or is_apart
    drawn = torch.Generator().manual_seed(0)
    torch.randint(1, (64,), generator=drawn)
    picked = torch.randint(8, (64,), generator=drawn).numpy()
    assert float(agent._update(agent.ring)) == pytest.approx(np.array(losses)[picked].mean(), rel=1e-4)


@pytest.mark.parametrize("slates", ["exact", "greedy"])
@pytest.mark.slow
def test_it_beats_random_and_popularity_on_pages(slates):
    world = synthetic(domain="ecommerce", num_items=30, num_users=20, spread=3.0)
    log = sample_log(world, "random", 1_000, 1, slate_size=3)
    scores = {}
    params = {
        "slates": slates,
        "width": 16,
        "hidden": 32,
        "warmup": 300,
        "steps_per_update": 16,
        "batch_size": 64,
    }
    for name, own in (("random", {}), ("popularity", {"fresh": False}), ("slateq", params)):
        env = pages(world, 64, horizon=20)
        agent = make_agent(name, Problem.of(env), 2, **own)
        agent.prepare(log, 2)
        agent.train(env, 4_000, 2)
        judge = pages(world, 400, horizon=20)
        observation, _ = judge.reset(seed=77)
        total, live = np.zeros(400), np.ones(400, bool)
        while live.any():
            observation, reward, terminated, truncated, _ = judge.step(agent.act(observation))
            total += np.where(live, reward, 0.0)
            live &= ~(terminated | truncated)
        scores[name] = total
    print(slates, {name: round(float(total.mean()), 2) for name, total in scores.items()})
    for other in ("random", "popularity"):
        gap = scores["slateq"] - scores[other]  # the same users
        assert gap.mean() > 3 * gap.std() / 20


def test_its_errors_name_what_it_needs():
    world = synthetic(domain="ecommerce", num_items=12)
    with pytest.raises(ValueError, match="slates is 'best', allowed: 'exact', 'greedy', 'top-k'"):
        make_agent("slateq", Problem.of(pages(world, 1)), slates="best")


@pytest.mark.parametrize("name", ["slateq", "dcf-dqn", "genrec"])
def test_slates_longer_than_the_history_are_refused(name):
    """At the start, not in training, where the replay of the last 20 items lacks responses."""
    with pytest.raises(ValueError, match=f"{name} reads responses from a history of 20 items, not of 21"):
        make_agent(name, Problem.of(pages(synthetic(domain="ecommerce"), 1, slate_size=21)))


@pytest.mark.parametrize("name", ["slateq", "dcf-dqn"])
def test_an_epoch_of_one_row_trains(name):
    world = synthetic(domain="ecommerce", num_items=12)
    log = sample_log(world, "random", 30, 1, slate_size=3)
    agent = make_agent(name, Problem.of(pages(world, 1)), epochs=1, epoch_rows=1, **SMALL)
    assert np.isfinite(agent.prepare(log, 0)["loss"])
    with pytest.raises(ValueError, match="epoch_rows is 0"):
        make_agent(name, Problem.of(pages(world, 1)), epoch_rows=0)


def test_a_log_of_shorter_slates_teaches_the_same_choices():
    """Places that are empty change nothing: slates of two, padded by longer ones, have the loss of slates of two."""
    world = synthetic(domain="ecommerce", num_items=12)
    agent = make_agent("slateq", Problem.of(pages(world, 1)), **SMALL)
    histories = read_histories(agent.problem, sample_log(world, "random", 30, 1, slate_size=2))
    rows = np.arange(20).reshape(10, 2)
    padded = np.concatenate([rows, np.full((10, 3), -1)], axis=1)
    with torch.no_grad():
        losses = [float(agent.choice_loss(*agent._logged(histories, each))) for each in (rows, padded)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    agent.prepare(sample_log(world, "random", 60, 1, slate_size=2), 0)


def test_a_log_with_several_responses_makes_every_item_a_page_of_its_own():
    """The choice is then a logistic regression of every response, and slates are the best of all slates."""
    world = synthetic(domain="content", num_items=7)
    env = gymnasium.make_vec("recgym/ContentSlate-v1", 5, world=world, observation="history", slate_size=3)
    agent = make_agent("slateq", Problem.of(env), 0, **SMALL, epochs=2)
    log = sample_log(world, "random", 300, 1, slate_size=3)
    agent.prepare(log, 0)
    assert agent.is_itemwise[0]
    histories = read_histories(agent.problem, log)
    slates = np.arange(30).reshape(10, 3)
    states, items, responded = agent._logged(histories, slates)
    with torch.no_grad():
        p = agent.choice.logit_of(states, items)[0].sigmoid().numpy()
        loss = float(agent.choice_loss(states, items, responded))
    by_hand = np.where(responded.numpy() > 0, -np.log(p), -np.log(1 - p)).sum(axis=1).mean()
    assert loss == pytest.approx(by_hand, rel=1e-5)
    clicks = log.column("click").reshape(-1, 3).mean()
    assert abs(p.mean() - clicks) < 0.2
    observation, _ = env.reset(seed=0)
    states = to_states(observation, pick_device("cpu"))
    mask = np.random.default_rng(1).random((5, 7)) < 0.7
    mask[:, :3] = True
    with torch.no_grad():
        for network, seed in ((agent.choice, 1), (agent.target, 2)):
            for weight in network.parameters():
                weight.add_(0.5 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(seed)))
    found = agent.act(observation, mask)
    with torch.no_grad():
        worth = {
            slate: agent.slate_value(agent.target, states, torch.tensor([slate] * 5)).numpy()
            for slate in combinations(range(7), 3)
        }
    for b in range(5):
        allowed = [slate for slate in worth if mask[b, list(slate)].all()]
        assert tuple(sorted(found[b])) == max(allowed, key=lambda slate: worth[slate][b])
