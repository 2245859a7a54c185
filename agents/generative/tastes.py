"""Tastes: what an item earns beside what its codes say, so that items of equal first codes are told apart.

    t(s, a) = <u(s), g(a)> + b_a + l(s)                                        logit of the item's reward

g(a) and b_a are the vector and the bias of each item (`agents.deep.item_tower`). u and l are the user's vector and
level given this session's responses (`agents.deep.session_posterior`), plus a linear function of the decoder's output.

Axes: B sessions, W items of each, d width of the vectors.
"""

from torch import Tensor, nn

from agents.deep.item_tower import ItemTower
from agents.deep.session_posterior import SessionPosterior
from agents.deep.states import States
from agents.deep.user_vectors import UserVectors
from agents.problem import Problem


class Tastes(nn.Module):
    """Vectors of items and users, and the posterior of a session's."""

    def __init__(self, problem: Problem, width: int, outputs: int) -> None:
        super().__init__()
        self.items, self.users = ItemTower(problem, width, 2 * width), UserVectors(problem, width)
        self.posterior = SessionPosterior(problem)
        self.of_output = nn.Linear(outputs, width + 1)
        nn.init.zeros_(self.of_output.weight)
        nn.init.zeros_(self.of_output.bias)

    def forward(self, states: States, last: Tensor, items: Tensor) -> Tensor:
        """Logits t of items (B, W), given the decoder's outputs at the last place of the history, (B, outputs)."""
        num_items = len(self.items.bias)
        past = states.items.clamp(max=num_items - 1)
        catalogue = self.items.catalogue_for(past, items)
        (vectors, bias), (of_items, item_bias) = (self.items.of(each, catalogue) for each in (past, items))
        user, present = self.users(states.user), states.items < num_items
        step = self.posterior(user, vectors, bias, states.events, present) + self.of_output(last)
        logits: Tensor = (of_items @ (user + step[:, :-1])[..., None])[..., 0] + item_bias + step[:, -1:]
        return logits
