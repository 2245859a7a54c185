"""The step to the mode of a session's posterior: its equations, its parts, and a user who is known."""

import gymnasium
import pytest
import torch
from torch.nn import functional

from agents.deep.session_posterior import NewtonStep, SessionPosterior
from agents.problem import Problem

WIDTH, HISTORY = 4, 6


@pytest.fixture(scope="module")
def layer():
    torch.manual_seed(0)
    made = SessionPosterior(Problem.of(gymnasium.make("recgym/Ecommerce-v1", observation="history")))
    with torch.no_grad():
        made.log_precision.copy_(torch.tensor([0.5, -0.7]))
        made.offset.fill_(-1.0)
    return made.double()


def inputs(sessions, history=HISTORY, seed=1):
    torch.manual_seed(seed)
    events = (torch.rand(sessions, history, 3) < 0.4).double()
    present = torch.arange(history) >= torch.arange(sessions)[:, None] % (history + 1)
    numbers = (
        torch.randn(sessions, WIDTH),
        torch.randn(sessions, history, WIDTH),
        torch.randn(sessions, history),
    )
    return *(each.double() for each in numbers), events, present


def test_the_label_of_an_item_is_its_part_of_the_largest_reward(layer):
    clicks = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(layer.credit(clicks)[:, 0], torch.tensor([0.0, 1.0], dtype=torch.float64))


def test_it_is_the_newton_step_of_the_penalised_likelihood(layer):
    user, vectors, bias, events, present = inputs(7)
    found = layer(user, vectors, bias, events, present)
    label = layer.credit(events)[..., 0].detach()
    penalty = layer.log_precision.exp().detach()[[0] * WIDTH + [1]]
    for b in range(len(user)):

        def loss(step, b=b):
            x = vectors[b] @ (user[b] + step[:-1]) + bias[b] + layer.offset.detach() + step[-1]
            each = functional.binary_cross_entropy_with_logits(x, label[b], reduction="none")
            return (each * present[b]).sum() + (penalty * step**2).sum() / 2

        zero = torch.zeros(WIDTH + 1, dtype=torch.float64)
        hessian = torch.autograd.functional.hessian(loss, zero)
        gradient = torch.autograd.functional.jacobian(loss, zero)
        torch.testing.assert_close(found[b], -torch.linalg.solve(hessian, gradient))


def test_derivatives_of_the_step():
    torch.manual_seed(0)
    vectors, surprise = torch.randn(3, HISTORY, WIDTH), torch.randn(3, HISTORY)
    weight, variance = 0.25 * torch.rand(3, HISTORY), torch.tensor([0.7, 1.9])
    weight[:, 0] = 0.0  # there is no item
    given = [part.double().requires_grad_() for part in (vectors, surprise, weight[:, 1:], variance)]

    def step(vectors, surprise, weight, variance):
        return NewtonStep.apply(vectors, surprise, functional.pad(weight, (1, 0)), variance)

    assert torch.autograd.gradcheck(step, given)


def test_parts_of_the_items_sum_to_the_step_and_absent_ones_have_none(layer):
    arguments = inputs(7)
    parts = layer.shares(*arguments)
    torch.testing.assert_close(parts.sum(dim=1), layer(*arguments))
    assert not parts[~arguments[-1]].any()
    assert not layer(*arguments)[HISTORY].any()  # nothing was shown


def test_it_finds_the_taste_of_a_user_from_many_responses(layer):
    torch.manual_seed(2)
    taste, vectors = torch.randn(200, WIDTH).double(), torch.randn(200, 80, WIDTH).double()
    x = (vectors @ taste[:, :, None])[..., 0] + layer.offset
    events = torch.zeros(200, 80, 3).double()
    events[..., 0] = (torch.rand(200, 80) < torch.sigmoid(x)).double()
    nothing = torch.zeros_like(x)
    step = layer(torch.zeros_like(taste), vectors, nothing, events, nothing == 0)[:, :-1].detach()
    assert torch.corrcoef(torch.stack([step.ravel(), taste.ravel()]))[0, 1] > 0.85
