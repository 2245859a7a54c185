"""The continuation: credit and loss by hand, its closed form on a chain, and a world where the myopic item loses."""

import gymnasium
import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits
from worlds import two_intents, two_intents_optimum
from zoo import LIGHT, log_for, make_env

from agents import Problem, judge, make_agent
from agents.generative.adapters import TUNED
from agents.generative.continuation import Continuation, Following, continuation_loss
from agents.log_histories import read_histories
from agents.torch_utils import weights_of

SHOP = "recgym/Ecommerce-v1"
STAY = 0.95  # of the chain's users
PLANNER = {
    "width": 16, "layers": 1, "fresh": False, "candidates": 9, "epsilon": 0.15, "group": 1, "rollout": 640,
    "online_batch": 128, "online_rate": 5e-3, "reuse": 3, "discount": 0.5, "trace": 0.8, "policy_weight": 0.0,
    "look_ahead": True,
}  # fmt: skip


def test_credit_by_hand():
    """Two items of a slate of three: F_0 and K w (F - F_0), in units of the spread."""
    heads = Continuation(2, 5.0)
    with torch.no_grad():
        heads.item_head.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
        heads.none_head.weight.copy_(torch.tensor([[1.0, 1.0]]))
    last, hidden = torch.tensor([[0.1, 0.1]]), torch.tensor([[[0.6, 0.0], [-0.2, float(np.log(3.0))]]])
    expected = [0.2 + 3 * 0.5 * 0.4, 0.2 + 3 * 0.75 * -0.4]
    np.testing.assert_allclose(heads.credit(last, hidden, 3)[0].detach(), 5.0 * np.array(expected), rtol=1e-5)


def test_loss_by_hand():
    """Slates with two responses, with none, of one item, and without a known return."""
    f = torch.tensor([[0.5, 1.0], [2.0, 2.0], [0.1, 9.0], [7.0, 7.0]])
    x = torch.tensor([[0.3, -0.2], [0.1, 0.0], [1.0, 9.0], [5.0, 5.0]])
    none = torch.tensor([9.0, 0.5, 9.0, 9.0])
    response = torch.tensor([[1.0, 1.0], [0.0, 0.0], [1.0, 1.0], [1.0, 1.0]])
    weight = torch.tensor([[1.0, 1.0], [1.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    later, known = torch.tensor([2.0, 1.5, 0.0, 9.0]), torch.tensor([1.0, 1.0, 1.0, 0.0])
    shares = torch.tensor([0.5, 0.5, 0.0, 0.0, 1.0, 0.5, 0.5])
    of_all = torch.tensor([0.3, -0.2, 0.1, 0.0, 1.0, 5.0, 5.0])
    cross = float(binary_cross_entropy_with_logits(of_all, shares, reduction="sum"))
    expected = (1.5**2 + 1.0 + 0.1**2 + cross) / 7 + 1.0 / 4
    assert float(continuation_loss(Following(f, x, none), response, later, known, weight)) == pytest.approx(
        expected
    )
    found = continuation_loss(Following(f, x, none), response, later, 0 * known, weight)
    assert float(found) == pytest.approx(cross / 7)


@pytest.mark.slow
def test_it_learns_to_plan_and_the_continuation_in_closed_form():
    """Item 8 pays less than item 3 now, and leads to where item 4 pays twice as much; no log."""
    best, myopic = two_intents_optimum(STAY, 20)
    env = gymnasium.make_vec("recgym/Social-v2", 64, world=two_intents(), observation="history", horizon=20)
    agent = make_agent("genrec", Problem.of(env), 0, **PLANNER)
    agent.train(env, 7_000, 0)
    found = judge(agent, env, 500, 10**6)["return"]["mean"]
    print(f"genrec {found:.2f}, best {best:.2f}, myopic {myopic:.2f}")
    assert myopic < 0.6 * best
    assert found > 0.93 * best
    sure = make_agent("genrec", Problem.of(env), 1, **{**PLANNER, "epsilon": 0.0, "trace": 1.0})
    sure.restore(agent.state())
    sure.train(env, 5_000, 1)  # of the best policy alone
    observation, _ = env.reset(seed=5)
    with torch.no_grad():
        last, hidden = sure.model(sure.states_of(observation), torch.full((64, 1), 8), sure.trie)
        following = sure.continuation(last, hidden[:, :, -1])
    rate = PLANNER["discount"] * STAY  # users who leave discount as well
    second, first = 0.95 * (1 - rate**19) / (1 - rate), two_intents_optimum(rate, 19)[0]
    assert second > 1.7 * first
    spread = float(sure.continuation.spread)
    after, none = following.after_response.detach(), following.after_none.detach()
    assert spread * float(after.mean()) == pytest.approx(rate * second, rel=0.08)
    assert spread * float(none.mean()) == pytest.approx(rate * first, rel=0.08)


def test_the_log_gives_the_first_value_of_every_item():
    """Discounted mean continuation of the log by hand; beams are ranked by the reward until stage (c)."""
    env = make_env("recgym/ContentSlate-v1", "genrec", 8)
    agent = make_agent("genrec", Problem.of(env), 0, **{**LIGHT["genrec"], "discount": 0.5})
    log = log_for("recgym/ContentSlate-v1")
    histories = read_histories(agent.problem, log)
    begins = np.flatnonzero(histories.slate == np.arange(len(log)))
    number, size = histories.session[begins], np.diff(np.append(begins, len(log)))
    mean = np.add.reduceat(histories.reward, begins) / size
    later = np.zeros(len(begins))
    for i in range(len(begins)):
        rest = [mean[j] for j in range(i + 1, len(begins)) if number[j] == number[i]]
        later[i] = sum(0.5 ** (k + 1) * reward for k, reward in enumerate(rest))
    agent.prepare(log, 0)
    observation, _ = env.reset(seed=0)
    with torch.no_grad():
        last, hidden = agent.model(agent.states_of(observation), torch.arange(5).expand(8, 5), agent.trie)
        credit = agent.continuation.credit(last, hidden[:, :, -1], 6).numpy()
    np.testing.assert_allclose(credit, np.average(later, weights=size), rtol=1e-3)
    assert not agent.memory.known.any()


def test_slates_of_the_acting_policy_have_no_probability():
    """With epsilon between 0 and 1 some slates are drawn, the others are those of `act` and have no ratio."""
    env = make_env("recgym/ContentSlate-v1", "genrec", 64)
    agent = make_agent("genrec", Problem.of(env), 0, **{**LIGHT["genrec"], "epsilon": 0.3})
    agent.prepare(log_for("recgym/ContentSlate-v1"), 0)
    observation, _ = env.reset(seed=0)
    best, shown = agent.act(observation), agent.act(observation, explore=True)
    is_drawn = (agent.acted[1] < 0.5).all(dim=1).numpy()
    assert 5 < is_drawn.sum() < 40
    np.testing.assert_array_equal(shown[~is_drawn], best[~is_drawn])
    assert (shown[is_drawn] != best[is_drawn]).any()


def test_the_heads_alone_are_tuned():
    """With tune="heads" stage (c) leaves the decoder of stage (b) as it is; stages on a log train all of it."""
    env = make_env(SHOP, "genrec", 16)
    light = {**LIGHT["genrec"], "tune": "heads", "policy_weight": 0.0, "tastes": 4}
    agent, untrained = (make_agent("genrec", Problem.of(env), 0, **light) for _ in range(2))
    agent.prepare(log_for(SHOP), 0)
    first, before = weights_of(untrained.model), weights_of(agent.model)
    agent.train(env, 600, 0)
    after = weights_of(agent.model)
    attention = "network.h.0.attn.c_attn.weight"
    assert (first[attention] != before[attention]).any()
    for name in after:
        assert name.startswith(TUNED) or (before[name] == after[name]).all(), name
    assert (before["tastes.items.bias"] != after["tastes.items.bias"]).any()
    assert (before["continuation.item_head.weight"] != after["continuation.item_head.weight"]).any()
    with pytest.raises(
        ValueError, match="tune is 'heads', which leaves the policy as it is: policy_weight must"
    ):
        make_agent("genrec", Problem.of(env), 0, tune="heads", policy_weight=1.0)
