"""The closed-form recurrent layer: states and derivatives of torch's own."""

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from agents.deep.encoders import Recurrent
from agents.deep.recurrence import Recurrence


def test_derivatives_of_the_last_states():
    torch.manual_seed(0)
    sizes = [5, 5, 3, 1]
    given = [torch.randn(shape).double().requires_grad_() for shape in ((sum(sizes), 9), (9, 3), (9,))]
    assert torch.autograd.gradcheck(lambda inputs, *weights: Recurrence.apply(inputs, sizes, *weights), given)


def test_it_is_the_recurrent_layer_of_torch():
    torch.manual_seed(0)
    encoder, length = Recurrent(7, 5), torch.tensor([3, 0, 8, 1, 8, 5])
    history = torch.randn(6, 8, 7, requires_grad=True)
    present = torch.arange(8) >= 8 - length[:, None]
    found = encoder(history, present)
    assert not found[1].any()
    some, flushed = (
        length > 0,
        nn.utils.rnn.pad_sequence([row[mask] for row, mask in zip(history, present, strict=True)], True),
    )
    packed = pack_padded_sequence(flushed[some], length[some], batch_first=True, enforce_sorted=False)
    wanted = encoder.gru(packed)[1][0]
    torch.testing.assert_close(found[some], wanted)
    given = [history, *encoder.parameters()]
    torch.testing.assert_close(
        torch.autograd.grad(found.square().sum(), given), torch.autograd.grad(wanted.square().sum(), given)
    )


def test_without_an_item_the_code_is_zero():
    assert not Recurrent(7, 5)(torch.zeros(2, 8, 7), torch.zeros(2, 8, dtype=torch.bool)).any()
