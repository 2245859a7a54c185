"""DCF-DQN: targets by hand, replay against plain Python, both stages against known worlds."""

import re
from types import SimpleNamespace

import gymnasium
import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from worlds import chain_world

from agents import Problem, Transition, make_agent
from agents.deep.dcf_dqn import continuation_credit
from agents.deep.encoders import ENCODERS
from agents.deep.pretraining import logits_of_log
from agents.deep.replay import Ring, n_step
from agents.deep.top_k_search import TopKSearch
from agents.deep.towers import CATEGORY_SHARE_SCALE, States, Towers, to_states
from agents.features import Contexts
from agents.log_histories import read_histories, return_to_go
from agents.slates import credit
from agents.torch_utils import pick_device, seeded
from recgym.logs.sample import sample_log
from recgym.observation import HISTORY_LENGTH
from recgym.sim.synthetic import synthetic

torch.set_num_threads(1)
SMALL = {"width": 8, "hidden": 16}


def history_env(world, num_envs=16, task="recgym/Social-v1", **kwargs):
    return gymnasium.make_vec(task, num_envs=num_envs, world=world, observation="history", **kwargs)


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
            user, torch.zeros(len(rows), 20), torch.zeros(len(rows), 20, 2), torch.zeros(len(rows), 3)
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
    task = SimpleNamespace(event_names=("click", "like"), slate_size=1, num_items=50, num_users=100)
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
        best = agent.online.values(later).numpy().argmax(axis=1)
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
    env = history_env(world, 4, "recgym/EcommerceSlate-v0", slate_size=2)
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


@pytest.mark.parametrize("encoder", sorted(ENCODERS))
def test_towers_score_one_item_as_all_items(encoder):
    env = history_env(synthetic(domain="content", num_items=9), 5, "recgym/Content-v0")
    problem = Problem.of(env)
    with seeded(0):
        towers = Towers(problem, width=8, hidden=16, encoder=encoder)
    observation, _ = env.reset(seed=0)
    empty = towers.logits(to_states(observation, torch.device("cpu")))[0]
    for item in range(6):
        observation, *_ = env.step(np.full(5, item))
    torch.nn.init.normal_(towers.repeat_head.weight)
    states = to_states(observation, torch.device("cpu"))
    logits, outlook = towers.logits(states)
    assert logits.shape == (5, 9)
    for item in range(9):
        torch.testing.assert_close(
            towers.logit_of(states, torch.full((5, 1), item))[0][:, 0], logits[:, item]
        )
    assert not torch.allclose(logits, empty)
    flipped = states._replace(events=1 - states.events)
    assert not torch.allclose(towers.logits(flipped)[0], logits)
    torch.nn.init.normal_(towers.users.weight)
    logits, outlook = towers.logits(states)
    other = states._replace(user=(states.user + 1) % problem.num_users)
    assert not torch.allclose(towers.logits(other)[0], logits)
    torch.nn.init.normal_(towers.continuation_head.weight)
    torch.nn.init.normal_(towers.items.continuation_bias)
    values = towers.values(states)
    assert not torch.allclose(values, towers.shift + towers.scale * logits + towers.spread * outlook[:, None])
    for item in range(9):
        torch.testing.assert_close(towers.values_of(states, torch.full((5, 1), item))[:, 0], values[:, item])
    terms = towers.terms_of(states, torch.zeros((5, 1), dtype=torch.int64))
    (logits.sum() + values.sum() + terms.after_response.sum() + terms.after_none.sum()).backward()
    for name, weight in towers.named_parameters():
        assert weight.grad is not None
        assert weight.grad.abs().sum() > 0, name
    widest = max(
        weight.shape[0]
        for name, weight in towers.named_parameters()
        if not name.startswith("items.ids") and "bias" not in name and name != "items.continuation_bias"
    )
    assert widest <= max(problem.num_users, 3 * 16)  # no layer as wide as the catalogue


def visited(env, steps, seed=0):
    """A problem and observations with some history, with repeats."""
    problem = Problem.of(env)
    observation, _ = env.reset(seed=seed)
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        observation, *_ = env.step(rng.integers(0, 4, env.action_space.shape))
    return problem, observation


def random_towers(problem, encoder="recurrent"):
    with seeded(1):
        towers = Towers(problem, width=8, hidden=16, encoder=encoder)
        for weight in towers.parameters():
            torch.nn.init.normal_(weight, std=0.4)
    return towers


def test_top_k_search_finds_the_largest_q():
    problem, observation = visited(
        history_env(synthetic(domain="social", num_items=5_000), 40, n_items="all"), 6
    )
    towers, states = random_towers(problem), to_states(observation, torch.device("cpu"))
    for head in (towers.repeat_head, towers.continuation_head):  # so that the terms for repeats decide some
        torch.nn.init.constant_(head.bias[-3:], 3.0)
    catalogue = TopKSearch(towers)
    assert len(catalogue.blocks) == 3
    assert len({len(block.matrix) for block in catalogue.blocks}) > 1  # some hold more categories than others
    values = towers.values(states)
    mask = torch.rand(values.shape, generator=torch.Generator().manual_seed(0)) < 0.01
    for allowed in (None, mask):
        known = values if allowed is None else values.masked_fill(~allowed, -torch.inf)
        for slots in (1, 5):
            best = catalogue.best(states, slots, allowed)
            torch.testing.assert_close(known.gather(1, best), known.topk(slots, dim=1).values)
    repeated = (states.items == catalogue.best(states, 1)).any(dim=1)
    assert 0 < repeated.sum() < 40


@pytest.mark.parametrize("slots", [1, 2])
def test_exploration_samples_slates_by_their_values(slots):
    """Frequencies within 4 standard errors of the probabilities, uniform before learning; masks are obeyed."""
    env = history_env(
        synthetic(domain="content", num_items=5), 1, "recgym/ContentSlate-v0", slate_size=max(slots, 1)
    )
    problem, observation = visited(env, 3)
    many = 20_000
    observation = {name: np.repeat(value, many, axis=0) for name, value in observation.items()}
    agent = make_agent("dcf-dqn", problem, temperature=0.7, even_share=0.25, epsilon_start=1.0, **SMALL)
    agent.online.load_state_dict(random_towers(problem).state_dict())

    def first(mask=None):
        return agent.act(observation, mask, explore=True).reshape(many, -1)

    def far(shown, expected):
        share = np.bincount(shown[:, 0], minlength=5) / many
        return np.abs(share - expected) / np.sqrt(np.maximum(expected * (1 - expected), 1e-9) / many)

    assert far(first(), np.full(5, 0.2)).max() < 4
    agent.counts[2] = 1
    values = agent.online.values(to_states(observation, pick_device("cpu")))[0].detach().numpy()
    weight = np.exp((values - values.mean()) / values.std(ddof=1) / 0.7)
    shown = first()
    weight /= weight.sum()
    assert far(shown, 0.25 * 0.2 + 0.75 * weight).max() < 4
    assert far(shown, np.full(5, 0.2)).max() > 20
    assert all(len(set(slate)) == slots for slate in shown[:200].tolist())
    if slots == 2:
        after = shown[shown[:, 0] == 0, 1]
        even = (
            0.25 * 0.2 / (0.25 * 0.2 + 0.75 * weight[0])
        )  # share of even draws among those that begin with item 0
        rest = even * 0.25 + (1 - even) * weight[1:] / weight[1:].sum()
        share = np.bincount(after, minlength=5)[1:] / len(after)
        assert (np.abs(share - rest) < 4 * np.sqrt(rest * (1 - rest) / len(after))).all()
    mask = np.ones((many, 5), np.bool_)
    mask[:, values.argmax()] = False
    assert not (first(mask) == values.argmax()).any()


def test_saved_networks_keep_the_names_of_their_parts():
    """The keys of agent.safetensors are a file format: agents that were saved earlier still load."""
    problem = Problem.of(history_env(synthetic(domain="social", num_items=6), 1))
    towers = random_towers(problem)
    state = towers.state_dict()
    heads = [f"{name}.{part}" for name in ("head", "recall", "outlook", "ahead", "follow", "idle")
             for part in ("weight", "bias")]  # fmt: skip
    items = [f"items.{name}" for name in ("ids.weight", "bias", "ahead", "follow", "deep.0.weight")]
    assert {*heads, *items, "tastes.weight", "deep.0.weight", "users.weight", "scale"} <= set(state)
    assert len(state) == len(list(towers.named_parameters())) + 3
    other = random_towers(problem)
    torch.nn.init.zeros_(other.repeat_head.weight)
    other.load_state_dict(state)
    torch.testing.assert_close(other.repeat_head.weight, towers.repeat_head.weight)
    with pytest.raises(RuntimeError, match="Missing key"):
        other.load_state_dict({name: value for name, value in state.items() if name != "outlook.bias"})


def test_no_layer_is_as_wide_as_the_catalogue():
    num_items = 100_000
    problem = Problem.of(history_env(synthetic(domain="social", num_items=num_items), 1, n_items="all"))
    agent = make_agent("dcf-dqn", problem)
    wide = {name for name, weight in agent.online.named_parameters() if num_items in weight.shape}
    assert wide == {
        "items.ids.weight",
        "items.bias",
        "items.continuation_bias",
        "items.after_response_bias",
    }  # an embedding of vectors and three of numbers


@pytest.mark.parametrize(("task", "slots"), [("recgym/Content-v0", 1), ("recgym/ContentSlate-v0", 3)])
def test_category_shares_are_those_of_the_linear_agents(task, slots):
    env = history_env(synthetic(domain="content", num_items=9), 30, task, slate_size=slots)
    problem, observation = visited(env, 4)
    counted = Contexts(problem)(observation)[:, 1 : 1 + 2 * problem.num_categories]
    shares = random_towers(problem).category_shares(to_states(observation, torch.device("cpu")))
    assert (counted[:, problem.num_categories :] > 0).any()
    np.testing.assert_allclose(shares, CATEGORY_SHARE_SCALE * counted, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("encoder", sorted(ENCODERS))
def test_encoder_shares_sum_to_the_code(encoder):
    """They sum to the code but for its last bias; for convolutions they are gradient times input."""
    problem, observation = visited(history_env(synthetic(domain="social", num_items=9), 5), 7)
    towers = random_towers(problem, encoder).double()
    states = to_states(observation, torch.device("cpu"))
    states = states._replace(events=states.events.double(), context=states.context.double())
    history, present = (each.detach() for each in towers.history(states))
    history.requires_grad_()
    code, shares = towers.encoder(history, present), towers.encoder.shares(history, present)
    if encoder == "recurrent":
        torch.testing.assert_close(shares.sum(dim=1), code)
    elif encoder == "attention":
        torch.testing.assert_close(shares.sum(dim=1) + towers.encoder.out.bias, code)
        assert shares[~present].abs().max() < 1e-12
    else:
        for k in range(8):
            slope = torch.autograd.grad(code[:, k].sum(), history, retain_graph=True)[0]
            torch.testing.assert_close(shares[:, :, k], (slope * history).sum(dim=2))
    assert (shares[present].abs().sum(dim=1) > 0).float().mean() > 0.6


@pytest.mark.parametrize("encoder", sorted(ENCODERS))
@pytest.mark.parametrize(("task", "slots"), [("recgym/Content-v0", 1), ("recgym/ContentSlate-v0", 3)])
def test_explanation_sums_to_q(encoder, task, slots):
    env = history_env(synthetic(domain="content", num_items=9), 30, task, slate_size=slots)
    problem, observation = visited(env, 4)
    agent = make_agent("dcf-dqn", problem, encoder=encoder, epochs=0, **SMALL)
    agent.target.load_state_dict(random_towers(problem, encoder).state_dict())
    action = agent.act(observation)
    why = agent.explain(observation, action)
    scores = np.take_along_axis(agent.scores(observation), action.reshape(30, slots), axis=1).sum(axis=1)
    rounding = 5e-6 * np.abs(scores).max()  # scores are float32, of terms as large as the largest
    np.testing.assert_allclose([sum(each.values()) for each in why], scores, rtol=1e-5, atol=rounding)
    for b, each in enumerate(why):
        past = [item for item in observation["shown"][b] if item < 9]
        found = dict(
            re.match(r"(\d+) back: item (\d+) ", name).groups() for name in each if " back: " in name
        )
        there = {str(k): str(item) for k, item in enumerate(reversed(past), 1)}
        assert found.items() <= there.items()
        assert (
            found == there or encoder == "convolutional"
        )  # there closed rectifiers can leave a share of nothing
    responded = observation["events"].reshape(30, 20, -1)[:, -1, 0] > 0
    assert responded.any()
    for b in np.flatnonzero(responded):
        assert any(name.startswith("1 back") and "click" in name for name in why[b])


@pytest.mark.parametrize(("task", "slots"), [("recgym/Content-v0", 1), ("recgym/ContentSlate-v0", 3)])
def test_histories_of_a_log_are_the_observations_of_the_environment(task, slots):
    world = synthetic(domain="content", num_items=9)
    env = history_env(world, 6, task, horizon=50, autoreset_mode="Disabled", slate_size=slots)
    problem = Problem.of(env)
    log = sample_log(world, "random", 400, 21, slate_size=slots)
    histories = read_histories(problem, log)
    observation, _ = env.reset(seed=21)  # visit i of the log is row i of this environment
    session, step = log.column("session"), log.column("step")
    compared = 0
    for t in range(30):
        first = [np.flatnonzero((session == i) & (step == t)) for i in range(6)]
        if any(len(rows) == 0 for rows in first):
            break
        rows = np.concatenate([rows[-1:] for rows in first])  # the slate's last row sees what its first did
        mine = histories.observation(rows, 9)
        for name, value in observation.items():
            np.testing.assert_allclose(mine[name], value, atol=1e-6, err_msg=name)
        slates = np.stack([log.column("item")[rows] for rows in first])
        observation, *_ = env.step(slates[:, 0] if slots == 1 else slates)
        compared += 1
    assert compared >= 3


def test_return_to_go_by_hand():
    world = synthetic(domain="social", num_items=5)
    problem = Problem.of(history_env(world, 1))
    histories = read_histories(problem, sample_log(world, "random", 5, 0, slate_size=2))
    total, expected = return_to_go(histories, 0.5), []
    for row in range(len(total)):
        same = histories.session == histories.session[row]
        slates = sorted({s for s in histories.slate[same] if s >= histories.slate[row]})
        means = [histories.reward[histories.slate == s].mean() for s in slates]
        expected.append(sum(0.5**i * mean for i, mean in enumerate(means)))
    np.testing.assert_allclose(total, expected)


@pytest.mark.slow
def test_offline_stage_ranks_unseen_sessions():
    world = synthetic(domain="ecommerce", num_items=40, num_users=60, spread=2.5)
    problem = Problem.of(history_env(world, 1, "recgym/Ecommerce-v0"))
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
    assert abs(before - 0.5) < 0.06
    assert after > 0.65
    assert abs(predicted.mean() - labels.mean()) < 0.03  # calibrated
    values = float(agent.online.shift) + float(agent.online.scale) * logits
    assert values.mean() == pytest.approx(return_to_go(other, 0.8).mean(), rel=0.15)


def two_intents():
    """The last two intents of the chain: item 3 pays 0.45 now, item 8 pays 0.4 and leads to where item 4 pays 0.95."""
    world = chain_world()
    factors = world.arrays.factors.copy()
    factors[3, 3] = 28.0 + np.log(0.45 / 0.55)
    return world.with_arrays(factors=factors, profile=np.eye(5)[3:4])


def two_intents_optimum(stay, horizon):
    """Values of the best and of the myopic policy from the first of the two intents, by value iteration."""
    first, second, myopic = 0.0, 0.0, 0.0
    for _ in range(horizon):
        stone = 0.4 * (1 + stay * second) + 0.6 * stay * first
        first, second, myopic = max(0.45 + stay * first, stone), 0.95 + stay * second, 0.45 + stay * myopic
    return first, myopic


@pytest.mark.slow
def test_online_stage_learns_to_plan():
    """The item of the best immediate reward is not the best item: another leads to larger rewards. No offline stage."""
    world, horizon = two_intents(), 20
    best, myopic = two_intents_optimum(0.95, horizon)
    env = history_env(world, 64, horizon=horizon)
    agent = make_agent("dcf-dqn", Problem.of(env), 0, width=16, hidden=32, discount=0.95, warmup=500,
                       online_rate=2e-3, epsilon_steps=6_000, batch_size=64, steps_per_update=10)  # fmt: skip
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
            "dcf-dqn", Problem.of(gymnasium.make_vec("recgym/Social-v1", 1, world=synthetic(domain="social")))
        )
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="'cuda' is not available"):
            make_agent("dcf-dqn", problem, device="cuda")
    agent = make_agent("dcf-dqn", problem, epochs=0)
    assert agent.prepare(None, 0) == {}


def test_contexts_of_a_log_without_some_hours_are_the_environments():
    world = synthetic(domain="content", num_items=8)
    early = world.with_arrays(context_cdf=np.minimum(np.arange(1, 25) / 6, 1.0))  # hours 0 to 5 alone
    problem = Problem.of(gymnasium.make("recgym/Content-v0", world=world, observation="history"))
    log = sample_log(early, "random", 40, 1)
    hour = log.column("context_index")
    assert hour.max() < 6
    np.testing.assert_allclose(
        read_histories(problem, log).context[:, 0], np.sin(2 * np.pi * hour / 24), atol=1e-6
    )
