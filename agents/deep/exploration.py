"""Exploration of the value-based agents: random slates, some uniform and some by a softmax of the items' values.

Axes: B sessions, K slate positions, N items.
"""

import torch
from torch import Tensor


def sample_slates(
    shape: tuple[int, int],
    values: Tensor | None,
    slate_size: int,
    allowed: Tensor | None,
    generator: torch.Generator,
    *,
    device: torch.device,
    uniform_share: float,
    temperature: float,
) -> Tensor:
    """Random slates without replacement, (B, K).

    A share of the slates is uniform over the items. The others are drawn in proportion to exp(z / temperature), with z
    the values standardised over the items: in a large catalogue most uniform slates are poor, but only they find items
    that a log undervalues. The K largest sums of logit and Gumbel noise are such a draw (Kool, van Hoof and Welling,
    2019, ICML).

    Args:
        shape: B and N.
        values: (B, N) of the items; None: all slates are uniform.
        slate_size: K.
        allowed: (B, N), True where an item may be shown; None: everywhere.
        generator: of the draws.
        device: of the result.
        uniform_share: in [0, 1].
        temperature: in standard deviations of the values, above 0.
    """
    noise = torch.rand(shape, generator=generator, device=device)
    keys = -torch.log(-torch.log(noise.clamp(1e-12, 1.0 - 1e-7)))
    if values is not None:
        z = (values - values.mean(dim=1, keepdim=True)) / values.std(dim=1, keepdim=True).clamp(min=1e-9)
        is_uniform = torch.rand((len(z), 1), generator=generator, device=device) < uniform_share
        keys = keys + (z / temperature).masked_fill(is_uniform, 0.0)
    if allowed is not None:
        keys = keys.masked_fill(~allowed, -torch.inf)
    return keys.topk(slate_size, dim=1).indices
