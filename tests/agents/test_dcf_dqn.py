"""DCF-DQN: updates by hand, both stages against known worlds."""

import gymnasium
import numpy as np
import pytest
import torch
from dcf_networks import SMALL, history_env
from sklearn.metrics import roc_auc_score
from worlds import two_intents, two_intents_optimum

from agents import Problem, Transition, make_agent
from agents.deep.pretraining import logits_of_log
from agents.deep.states import States, to_states, unseen_items
from agents.deep.tower_outputs import continuation_credit
from agents.log_histories import read_histories, return_to_go
from agents.slates import credit, unseen
from agents.torch_utils import pick_device
from recgym.logs.sample import sample_log
from recgym.observation import HISTORY_LENGTH
from recgym.sim.synthetic import synthetic


def test_update_is_double_dqn_by_hand():
    """One step, discount 0.5: the continuation heads have the target 0.5 target(argmax online), y that of the heads.

    The reward logit x is trained by cross-entropy alone.
    """
    world = synthetic(domain="social", num_items=6)
    env = history_env(world, 4)
    agent = make_agent(
        "dcf-dqn", Problem.of(env), 0, steps=1, discount=0.5, epochs=0, warmup=10**6, batch_size=64, **SMALL
    )
    observation, _ = env.reset(seed=1)
    action = agent.act(observation)
    after, reward, terminated, truncated, _ = env.step(action)
    agent.learn(Transition(observation, action, reward, after, terminated, truncated))
    with torch.no_grad():
        agent.online.after_none_head.bias.fill_(0.3)
        agent.online.after_response_head.bias[0] = 0.9
        for weight in agent.target.parameters():
            weight.add_(0.3 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(3)))
        now = agent.online.values(to_states(observation, pick_device("cpu"))).numpy()
        later = to_states(after, pick_device("cpu"))
        values = agent.online.values(later).numpy()
        best = np.where(unseen(after, 6, 1, None), values, -np.inf).argmax(axis=1)  # no item twice
        judged = agent.target.values(later).numpy()
    assert (judged.argmax(axis=1) != best).any()
    states, shown = to_states(observation, pick_device("cpu")), torch.as_tensor(action[:, None])
    x = agent.online.terms_of(states, shown)[0].detach().numpy()[:, 0]
    low, high = agent.problem.item_reward_range
    rows, label = np.arange(4), (reward - low) / (high - low)
    surprise = np.log1p(np.exp(x)) - label * x
    own = low + (high - low) / (1 + np.exp(-x))
    spread = float(agent.online.spread)
    later = 0.5 * np.where(terminated, 0.0, judged[rows, best])
    after_none, after_response = 0.3 * spread, 0.9 * spread
    responded = after["events"].reshape(4, HISTORY_LENGTH, -1)[:, -1, 0] > 0
    assert set(responded) == {False, True}
    known = np.where(responded, after_response, after_none)
    error, wrong = (now[rows, action] - own - known) / spread, (known - later) / spread
    slow = [weight.clone() for weight in agent.target.parameters()]
    drawn = torch.Generator().manual_seed(0)
    torch.randint(1, (64,), generator=drawn)
    picked = torch.randint(4, (64,), generator=drawn).numpy()
    expected = float((error**2 + wrong**2 + surprise)[picked].mean())
    assert float(agent._update(agent.ring)) == pytest.approx(expected, rel=1e-4)
    assert all(
        part.grad.abs().sum() > 0
        for part in (agent.online.continuation_constant.bias, agent.online.items.continuation_bias)
    )
    for was, now, fast in zip(slow, agent.target.parameters(), agent.online.parameters(), strict=True):
        torch.testing.assert_close(now, 0.98 * was + 0.02 * fast)  # Polyak


@pytest.mark.parametrize("slots", [1, 3])
def test_an_item_is_shown_at_most_once_while_enough_are_left(slots):
    """On the device as in `agents.slates.unseen`, with and without a mask."""
    rng = np.random.default_rng(0)
    shown = rng.integers(0, 7, (200, HISTORY_LENGTH)).astype(np.int32)  # 6 items; 6 is padding
    shown[rng.random(shown.shape) < rng.random((200, 1))] = 6
    mask = rng.random((200, 6)) < 0.8
    mask[:, :slots] = True
    states = States(torch.zeros(200), torch.as_tensor(shown).long(), *(torch.zeros(0),) * 3)
    for given in (None, mask):
        found = unseen_items(states, 6, slots, None if given is None else torch.as_tensor(given))
        np.testing.assert_array_equal(found.numpy(), unseen({"shown": shown}, 6, slots, given))
    distinct = np.array([len(set(row) - {6}) for row in shown.tolist()])
    assert (6 - distinct < slots).any()  # some rows have too few left


def test_continuation_value_is_credited_to_the_item_with_the_response():
    """Slates of 3 of 5 items, at most one response, F_a = F_0 + d_a: the mean part of item a is F_0 + K P(a) d_a."""
    rng, num, none = np.random.default_rng(0), 200_000, 0.4
    worth, strength = np.array([0.0, 1.0, 2.0, -1.0, 0.5]), np.array([0.2, 0.5, 1.0, 2.0, 0.3])
    slates = rng.random((num, 5)).argsort(axis=1)[:, :3]
    chance = strength[slates] / (1.0 + strength[slates].sum(axis=1, keepdims=True))
    choice = (chance.cumsum(axis=1) < rng.random((num, 1))).sum(axis=1)
    responded = (choice[:, None] == np.arange(3)).astype(np.float64)
    after_response = none + worth[slates]
    parts = continuation_credit(
        *(torch.as_tensor(each) for each in (after_response, np.full(num, none), responded))
    ).numpy()
    np.testing.assert_allclose(parts.mean(axis=1), none + (responded * worth[slates]).sum(axis=1))
    for item in range(5):
        row, place = np.nonzero(slates == item)
        expected = none + 3 * chance[row, place].mean() * worth[item]
        spread = parts[row, place].std() / np.sqrt(len(row))
        assert abs(parts[row, place].mean() - expected) < 4 * spread + 1e-12
    two = continuation_credit(
        torch.tensor([[1.0, 2.0, 9.0]]), torch.tensor([0.4]), torch.tensor([[1.0, 1.0, 0.0]])
    )
    torch.testing.assert_close(two, torch.tensor([[1.3, 2.8, 0.4]]))
    mixed = continuation_credit(
        torch.tensor([[2.0]]), torch.tensor([0.5], dtype=torch.bfloat16), torch.tensor([[1.0]])
    )
    torch.testing.assert_close(mixed, torch.tensor([[2.0]]))


def test_update_of_slates_by_hand():
    """The loss of a slate: errors of Q from expected reward and continuation credit, and of the heads."""
    world = synthetic(domain="ecommerce", num_items=6)
    env = history_env(world, 4, "recgym/EcommerceSlate-v1", slate_size=2)
    problem = Problem.of(env)
    agent = make_agent(
        "dcf-dqn", problem, 0, steps=1, discount=0.5, epochs=0, warmup=10**6, batch_size=64, **SMALL
    )
    with torch.no_grad():
        agent.online.after_none_head.bias.fill_(0.7)
        agent.online.after_response_head.bias[0] = 1.1
    agent.target.load_state_dict(agent.online.state_dict())
    observation, _ = env.reset(seed=1)
    action = agent.act(observation)
    after, reward, terminated, truncated, _ = env.step(action)
    transition = Transition(observation, action, reward, after, terminated, truncated)
    agent.learn(transition)
    responded = after["events"].reshape(4, HISTORY_LENGTH, -1)[:, -2:, 0]
    assert set(responded.sum(axis=1)) == {0.0, 1.0}
    states, slates = to_states(observation, pick_device("cpu")), torch.as_tensor(action)
    with torch.no_grad():
        q = agent.online.values_of(states, slates).numpy()
        x = agent.online.terms_of(states, slates).reward_logit.numpy()
        then = agent.online.values(to_states(after, pick_device("cpu"))).numpy()
        then[~unseen(after, 6, 2, None)] = -np.inf  # no item twice
    spread = float(agent.online.spread)
    later = 0.5 * np.where(terminated, 0.0, np.sort(then, axis=1)[:, -2:].mean(axis=1))
    low, high = problem.item_reward_range
    label = (credit(problem, transition) - low) / (high - low)
    own = low + (high - low) / (1.0 + np.exp(-x))
    part = 0.7 + 2.0 * responded * (1.1 - 0.7)
    loss = ((q - own) / spread - part) ** 2 + np.log1p(np.exp(x)) - label * x
    loss = loss + responded * (1.1 - later / spread)[:, None] ** 2
    no_response = responded.sum(axis=1) == 0
    loss = loss.mean(axis=1) + no_response * (0.7 - later / spread) ** 2
    drawn = torch.Generator().manual_seed(0)
    torch.randint(1, (64,), generator=drawn)
    picked = torch.randint(4, (64,), generator=drawn).numpy()
    assert float(agent._update(agent.ring)) == pytest.approx(float(loss[picked].mean()), rel=1e-4)
    assert all(
        part.grad.abs().sum() > 0
        for part in (agent.online.after_none_head.bias, agent.online.items.after_response_bias)
    )


def test_rows_of_the_log_are_replayed_for_the_reward_logit():
    """The loss has the weighted cross-entropy of the log's latest rows, as many as the replay holds."""
    world = synthetic(domain="social", num_items=6)
    env, log = history_env(world, 4), sample_log(world, "random", 40, 1)
    problem = Problem.of(env)
    sizes = {"warmup": 10**6, "batch_size": 64, "epochs": 1, "replay": 30, **SMALL}
    agent, alone = (make_agent("dcf-dqn", problem, 0, log_weight=w, **sizes) for w in (0.7, 0.0))
    observation, _ = env.reset(seed=1)
    action = np.arange(4)
    after, *rest = env.step(action)
    for each in (agent, alone):
        each.prepare(log, 0)
        each.learn(Transition(observation, action, rest[0], after, *rest[1:3]))
    assert alone.log_rows is None
    np.testing.assert_array_equal(agent.log_rows.item, log.column("item")[-30:])
    rows = np.arange(len(log) - 30, len(log))
    histories = read_histories(problem, log)
    x, label = logits_of_log(agent.online, problem, histories, rows)
    kept = agent.training_state()
    drawn = torch.Generator().manual_seed(0)
    for most in (1, 4):
        torch.randint(most, (64,), generator=drawn)
    picked = torch.randint(30, (64,), generator=drawn).numpy()
    surprise = (np.log1p(np.exp(x)) - label * x)[picked].mean()
    more = float(agent._update(agent.ring)) - float(alone._update(alone.ring))
    assert more == pytest.approx(0.7 * surprise, rel=1e-4)
    agent.log_rows = None
    agent.restore_training(kept, len(agent.is_over))
    for name, value in agent.training_state().items():
        np.testing.assert_array_equal(value, kept[name], err_msg=name)
    again = agent.log_rows.sample(1_000, torch.Generator().manual_seed(1))
    assert set(again.states.items.flatten().tolist()) <= set(range(7))
    assert again.label.dtype == again.states.events.dtype == torch.float32


@pytest.mark.slow
def test_offline_stage_ranks_unseen_sessions():
    world = synthetic(domain="ecommerce", num_items=40, num_users=60, spread=2.5)
    problem = Problem.of(history_env(world, 1, "recgym/Ecommerce-v1"))
    agent = make_agent("dcf-dqn", problem, 0, width=16, hidden=32)
    log, other = (
        sample_log(world, "random", 2_500, 1),
        read_histories(problem, sample_log(world, "random", 300, 10**6)),
    )
    rows = np.arange(len(other.item))
    before = roc_auc_score(*reversed(logits_of_log(agent.online, problem, other, rows)))
    reports = []
    agent.prepare(log, 0, lambda seen, figures: reports.append(figures["loss"]))
    logits, labels = logits_of_log(agent.online, problem, other, rows)
    after, predicted = roc_auc_score(labels, logits), 1 / (1 + np.exp(-logits))
    print(f"AUC {before:.3f} before, {after:.3f} after; losses {reports}")
    assert 0.5 < before < 0.7  # untrained, it knows the level of a session from its responses
    assert after > before + 0.05
    assert abs(predicted.mean() - labels.mean()) < 0.03  # calibrated
    values = float(agent.online.shift) + float(agent.online.scale) * logits
    assert values.mean() == pytest.approx(return_to_go(other, 0.8).mean(), rel=0.15)


@pytest.mark.slow
def test_online_stage_learns_to_plan():
    """The item of the best immediate reward is not the best item: another leads to larger rewards. No offline stage.

    There are ten items, and the best policy shows some again: `fresh` is False.
    """
    world, horizon = two_intents(), 20
    best, myopic = two_intents_optimum(0.95, horizon)
    env = history_env(world, 64, horizon=horizon)
    agent = make_agent("dcf-dqn", Problem.of(env), 0, width=16, hidden=32, discount=0.95, warmup=500,
                       online_rate=2e-3, epsilon_steps=6_000, batch_size=64, steps_per_update=10,
                       fresh=False)  # fmt: skip
    agent.train(env, 9_000, 0)
    judge = history_env(world, 1_000, horizon=horizon)
    observation, _ = judge.reset(seed=10**6)
    total, live = np.zeros(1_000), np.ones(1_000, bool)
    while live.any():
        observation, reward, terminated, truncated, _ = judge.step(agent.act(observation))
        total += np.where(live, reward, 0.0)
        live &= ~(terminated | truncated)
    print(f"DCF-DQN {total.mean():.2f}, best {best:.2f}, myopic {myopic:.2f}")
    assert myopic < 0.6 * best
    assert total.mean() > 0.93 * best


def test_refuses_bad_arguments():
    problem = Problem.of(history_env(synthetic(domain="social", num_items=6), 1))
    with pytest.raises(
        ValueError, match="encoder is 'lstm', allowed: 'recurrent', 'convolutional', 'attention'"
    ):
        make_agent("dcf-dqn", problem, encoder="lstm")
    with pytest.raises(ValueError, match="needs the observation 'history', not Box"):
        make_agent(
            "dcf-dqn", Problem.of(gymnasium.make_vec("recgym/Social-v2", 1, world=synthetic(domain="social")))
        )
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="'cuda' is not available"):
            make_agent("dcf-dqn", problem, device="cuda")
    agent = make_agent("dcf-dqn", problem, epochs=0)
    assert agent.prepare(None, 0) == {}
