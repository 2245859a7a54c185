"""Vectors of the users. Axes: B sessions, U users, F public features, d numbers of a vector."""

import torch
from torch import Tensor, nn

from agents.problem import Problem


class UserVectors(nn.Embedding):
    """A vector for each user, and, where the task observes public user features, a linear function of these."""

    features: Tensor  # (U, F)

    def __init__(self, problem: Problem, width: int) -> None:
        super().__init__(problem.num_users, width)
        nn.init.zeros_(self.weight)
        self.feature_weights: nn.Linear | None = None
        if problem.user_features is not None:
            self.register_buffer("features", torch.as_tensor(problem.user_features), persistent=False)
            self.feature_weights = nn.Linear(problem.user_features.shape[1], width, bias=False)
            nn.init.zeros_(self.feature_weights.weight)

    def forward(self, user: Tensor) -> Tensor:
        """Indices (B,) to vectors (B, d)."""
        vectors: Tensor = super().forward(user)
        return (
            vectors if self.feature_weights is None else vectors + self.feature_weights(self.features[user])
        )
