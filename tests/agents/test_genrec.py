"""GenRec: groups of visits, advantages and GRPO's loss by hand, a bandit that it solves, adapters apart."""

import json
import sys
from types import SimpleNamespace

import gymnasium
import numpy as np
import pytest
import torch
from zoo import LIGHT, log_for, make_env

from agents import Problem, load_agent, make_agent
from agents.generative.adapters import is_of_adapter, share_of
from agents.generative.advantages import advantages, later_returns
from agents.generative.decisions import Decisions
from agents.generative.objectives import Read, clipped_loss
from agents.generative.rollouts import Acted, GroupedVector, Rollouts
from agents.torch_utils import weights_of
from recgym.bench.training_speed import ten_items

SHOP = "recgym/Ecommerce-v1"
LORA = {**LIGHT["genrec"], "width": 16, "lora_rank": 2}


def decisions_of(credit):
    """Decisions with credits (n, K) and nothing else."""
    credit = np.asarray(credit, np.float32)
    n = len(credit)
    empty = {
        "user": (n,),
        "items": (n, 20),
        "events": (n, 20, 3),
        "context": (n, 3),
        "happened": (*credit.shape, 3),
    }
    columns = {name: np.zeros(shape, np.int32) for name, shape in empty.items()}
    return Decisions(
        **columns,
        slate=np.zeros(credit.shape, np.int64),
        credit=credit,
        weight=np.ones_like(credit),
        later=np.zeros(n, np.float32),
        known=np.zeros(n, np.uint8),
        allowed=np.zeros((n, 0), np.uint8),
    )


def acted(credit, row, visit, step, value=None):
    credit = np.asarray(credit, np.float32)
    value = np.zeros(len(credit)) if value is None else np.asarray(value)
    columns = (np.asarray(each, np.int64) for each in (row, visit, step))
    after = np.zeros(len(credit), np.float32)
    return Acted(decisions_of(credit), np.zeros_like(credit), value.astype(np.float32), *columns, after)


def test_returns_and_advantages_by_hand():
    """Two visits of a group, of two and one slates of two items, and one visit of another group."""
    part = acted(
        [[1, 0], [0, 1], [1, 1], [0, 0]], [0, 0, 1, 2], [0, 0, 0, 0], [0, 1, 0, 0], value=[0.4, 0.2, 0.6, 0.0]
    )
    np.testing.assert_allclose(later_returns(part, 0.5, 1.0), [0.25, 0, 0, 0])
    np.testing.assert_allclose(later_returns(part, 0.5, 0.5), [0.5 * (0.5 * 0.5 + 0.5 * 0.2), 0, 0, 0])
    none, target = advantages(part, 2, 0.5, 1.0, "none")
    np.testing.assert_allclose(none, [[1.5, 0.5], [0, 1], [1, 1], [0, 0]])  # own + 2 later
    np.testing.assert_allclose(target, [0.75, 0.5, 1.0, 0.0])  # per slot
    value, _ = advantages(part, 2, 0.5, 1.0, "value")
    base = np.array([0.3, -0.1, 0.7, -0.5])  # 2 value - the mean reward of all
    np.testing.assert_allclose(value, none - base[:, None], atol=1e-7)
    group, _ = advantages(part, 2, 0.5, 1.0, "group")
    alone = 0.625  # where a visit is alone: the mean of all
    np.testing.assert_allclose(group, none - np.array([1.0, alone, 1.0, alone])[:, None])
    both, _ = advantages(part, 2, 0.5, 1.0, "both")
    others = np.array([0.3, 0.525, 0.7, 0.525])  # errors of base: .7, .6, .3, .5
    np.testing.assert_allclose(both, value - others[:, None], atol=1e-7)


def test_an_item_is_credited_with_all_slots_of_what_follows_its_slate():
    """A pays nothing and is followed by a slate that pays 4, B pays 2 and is followed by nothing."""
    part = acted([[0] * 4, [1] * 4, [2, 0, 0, 0], [0] * 4], [0, 0, 1, 1], [0] * 4, [0, 1, 0, 1])
    none, _ = advantages(part, 2, 1.0, 1.0, "none")
    assert none[[0, 2], 0].tolist() == [4.0, 2.0]
    group, _ = advantages(part, 2, 1.0, 1.0, "group")
    assert group[0, 0] > 0 > group[2, 0]


def test_the_horizon_is_no_leaving():
    """What follows it is the value head's prediction, and counts in the return; after leaving there is nothing."""
    part = acted([[1, 0], [0, 1], [1, 1]], [0, 0, 1], [0] * 3, [0, 1, 0])
    cut = part._replace(after=np.array([0.0, 2.0, 0.0], np.float32))
    np.testing.assert_allclose(later_returns(cut, 0.5, 1.0), [0.5 * (0.5 + 1.0), 1.0, 0.0])
    env = gymnasium.make_vec("recgym/Social-v2", 64, world=ten_items(), observation="history", horizon=1)
    agent = make_agent("genrec", Problem.of(env), 0, **LIGHT["genrec"])
    torch.nn.init.constant_(agent.model.value_head.bias, 3.0)
    agent.train(env, 64, 0)
    after = agent.rollouts.parts[0].after
    assert set(after) == {0.0, 3.0}  # some leave with their first slate


def test_a_group_is_whole_when_all_its_visits_have_ended():
    rollouts = Rollouts(4, 2)
    rows = np.arange(4)

    def step(live, over):
        live = np.asarray(live)
        zeros = np.zeros((len(live), 1), np.float32)
        marks = decisions_of(10.0 * rollouts.visit[live][:, None] + rollouts.step[live][:, None])
        rollouts.add(marks, zeros, zeros[:, 0], live, np.isin(live, over), zeros[:, 0])

    step(rows, [0])
    assert rollouts.whole() is None
    step([1, 2, 3], [1, 2, 3])  # row 0 restarts
    step([0], [])
    found = rollouts.whole()
    assert found.row.tolist() == [0, 1, 1, 2, 2, 3, 3]
    assert found.step.tolist() == [0, 0, 1, 0, 1, 0, 1]
    assert found.decisions.credit[:, 0].tolist() == [0, 0, 1, 0, 1, 0, 1]
    again = Rollouts.of(rollouts.arrays(), 4, 2)
    assert again.parts[0].row.tolist() == [0]
    assert again.visit.tolist() == [1, 1, 1, 1]
    with pytest.raises(ValueError, match="rollouts are of 4 sessions, not 3"):
        Rollouts.of(rollouts.arrays(), 3, 2)


def test_the_rows_of_a_group_meet_one_user_and_the_same_chance():
    env = GroupedVector(make_env(SHOP, "genrec", 8), 4)
    observation, _ = env.reset(seed=3)
    met = []
    for _ in range(30):
        met.append(observation["user"])
        observation, reward, *_ = env.step(np.full(8, 5))
        assert len(set(reward[:4])) == len(set(reward[4:])) == 1
    met = np.array(met)
    assert (met[:, :4] == met[:, :1]).all()
    assert (met[:, :1] != met[:, 4:5]).any()
    assert len(set(met[:, 0])) > 1  # several visits


def test_the_loss_is_clipped_and_the_divergence_is_that_of_its_estimator():
    log_probs = torch.log(torch.tensor([[0.5], [0.2], [0.3]]))
    read = Read(log_probs, torch.zeros(3, 1, 4), torch.zeros(3))
    before = torch.log(torch.tensor([[0.25], [0.2], [0.6]]))
    gain = torch.tensor([[1.0], [-2.0], [-1.0]])
    loss, divergence = clipped_loss(read, before, log_probs, gain, 0.2, 0.5)
    assert float(loss) == pytest.approx(-(1.2 - 2.0 - 0.8) / 3)  # ratios 2, 1 and 0.5
    assert float(divergence) == 0.0
    reference = torch.log(torch.tensor([[0.25], [0.2], [0.3]]))
    loss_apart, divergence = clipped_loss(read, before, reference, gain, 0.2, 0.5)
    assert float(divergence) == pytest.approx((0.5 - np.log(0.5) - 1.0) / 3)
    assert float(loss_apart - loss) == pytest.approx(0.5 * float(divergence), abs=1e-6)


@pytest.mark.parametrize("share", [None, 0.3])
def test_kept_probabilities_are_those_of_the_decoder(share):
    """What `act` keeps of drawn slates is what the decoder says of them: the first ratio is 1; also with masks."""
    env = make_env("recgym/ContentSlate-v1", "genrec", 8)
    agent = make_agent("genrec", Problem.of(env), 0, **{**LIGHT["genrec"], "epsilon": 1.0})
    observation, _ = env.reset(seed=0)
    shape = 8, agent.problem.num_items
    mask = None if share is None else np.random.default_rng(0).random(shape) < share
    for _ in range(3):
        before = observation
        slate = agent.act(observation, mask, explore=True)
        observation, *_ = env.step(slate)
    ends = SimpleNamespace(
        observation=before, next_observation=observation, action=slate, reward=np.zeros(8), mask=mask
    )
    decisions = agent._decisions(ends)
    kept = agent._as_acted(decisions, np.arange(8))
    agent.acted = None
    np.testing.assert_allclose(kept[0], agent._as_acted(decisions, np.arange(8))[0], atol=1e-5)


def test_it_finds_the_item_that_pays_without_a_log():
    """GRPO alone, without the supervised loss: ten items of which one pays."""
    env = gymnasium.make_vec("recgym/Social-v2", 64, world=ten_items(), observation="history", horizon=20)
    agent = make_agent(
        "genrec", Problem.of(env), 0, width=16, layers=1, rollout=512, replay_weight=0.0, fresh=False, candidates=1,
        online_rate=5e-3, kl_weight=0.0, discount=0.0, epsilon=1.0, policy_weight=1.0, group=4,
    )  # fmt: skip
    agent.train(env, 6_000, 0)
    observation, _ = env.reset(seed=5)
    assert (agent.act(observation) == 7).all()
    drawn = agent.act(observation, explore=True)
    assert (drawn == 7).mean() > 0.5


def test_training_leaves_the_global_generator_as_it_was():
    agent, env = lora_agent(lora_rank=0)
    before = torch.get_rng_state()
    agent.train(env, 100, 0)
    assert agent.reference is not None
    assert torch.equal(torch.get_rng_state(), before)


def test_the_last_stage_is_the_one_asked_for():
    env = make_env(SHOP, "genrec", 8)
    agent = make_agent("genrec", Problem.of(env), 0, **LIGHT["genrec"], stage="sft")
    figures = agent.prepare(log_for(SHOP), 0)
    assert figures["loss"] == figures["sft_loss"]
    before = weights_of(agent.model)
    assert agent.train(env, 100, 0) == {}
    for name, value in weights_of(agent.model).items():
        np.testing.assert_array_equal(value, before[name])
    first = make_agent("genrec", Problem.of(env), 0, **LIGHT["genrec"], stage="pretrain")
    assert "sft_loss" not in first.prepare(log_for(SHOP), 0)


def lora_agent(**params):
    env = make_env(SHOP, "genrec", 16)
    return make_agent("genrec", Problem.of(env), 0, **{**LORA, **params}), env


def test_an_adapter_is_small_and_trained_alone():
    env = make_env(SHOP, "genrec", 1)
    agent = make_agent("genrec", Problem.of(env), 0, lora_rank=4)
    assert 0.0 < share_of(agent.model) <= 0.03
    base, _ = lora_agent(stage="pretrain")
    base.prepare(log_for(SHOP), 0)
    agent, env = lora_agent()
    agent.prepare(log_for(SHOP), 0)
    agent.train(env, 600, 0)
    changed = {
        name
        for name, value in weights_of(agent.model).items()
        if (value != weights_of(base.model)[name]).any()
    }
    assert any(".lora_B" in name for name in changed)
    assert all(is_of_adapter(name) for name in changed)


def test_an_adapter_is_a_file_of_its_own_and_a_foreign_one_is_refused(tmp_path):
    agent, env = lora_agent()
    agent.prepare(log_for(SHOP), 0)
    agent.save(tmp_path / "one")
    files = sorted(file.name for file in (tmp_path / "one").iterdir())
    assert files == ["SHA256SUMS", "adapter.json", "adapter.safetensors", "agent.json", "agent.safetensors"]
    again = load_agent(tmp_path / "one", Problem.of(env))
    for name, value in weights_of(agent.model).items():
        np.testing.assert_array_equal(value, weights_of(again.model)[name])
    other = make_agent("genrec", Problem.of(env), 1, **LORA)
    other.prepare(log_for(SHOP), 1)
    other.save(tmp_path / "two")
    for name in ("adapter.json", "adapter.safetensors"):
        (tmp_path / "one" / name).write_bytes((tmp_path / "two" / name).read_bytes())
    (tmp_path / "one" / "SHA256SUMS").unlink()
    with pytest.raises(
        ValueError, match=r"adapter\.json: the adapter is for the base \w{12}, agent\.safetensors is"
    ):
        load_agent(tmp_path / "one", Problem.of(env))
    about = tmp_path / "two" / "adapter.json"
    about.write_text(json.dumps({**json.loads(about.read_text()), "adapter": "0" * 64}))
    (tmp_path / "two" / "SHA256SUMS").unlink()
    with pytest.raises(ValueError, match=r"adapter is for the adapter 0{12}, adapter\.safetensors is"):
        load_agent(tmp_path / "two", Problem.of(env))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"stage": "ppo"}, "stage is 'ppo', allowed: 'pretrain', 'sft', 'rl'"),
        ({"baseline": "mean"}, "baseline is 'mean', allowed: 'group', 'value', 'both', 'none'"),
        ({"width": 9}, "width is 9, expected a multiple of heads, 2"),
        ({"levels": 5}, "levels is 5 and codes 0: at most 4 levels"),
        ({"levels": 1, "codes": 3}, r"1 \+ 1 levels of 3 codes cannot name 30 items"),
        ({"discount": 1.5}, r"discount is 1\.5, expected a number from 0 to 1"),
        ({"group": 0}, "group is 0, expected a number from 1"),
    ],
)
def test_bad_parameters_are_refused(params, message):
    with pytest.raises(ValueError, match=message):
        make_agent("genrec", Problem.of(make_env(SHOP, "genrec", 1)), **params)


def test_without_the_extra_it_says_which(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(
        ValueError, match=r"genrec needs the extra 'generative': pip install 'recgym\[generative\]'"
    ):
        make_agent("genrec", Problem.of(make_env(SHOP, "genrec", 1)))
