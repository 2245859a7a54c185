"""GRU4Rec: gated recurrent units over the responses of the session (Hidasi et al., 2016, ICLR).

Loss and data are those of `agents.deep.sequence_agent`, not the paper's ranking losses with sampled items.
"""

from typing import ClassVar

from torch import nn

from agents.deep.encoders import Recurrent
from agents.deep.sequence_agent import SequenceAgent


class Gru4Rec(SequenceAgent):
    """The last state of one layer of gated recurrent units."""

    name: ClassVar[str] = "gru4rec"

    def encoder(self) -> nn.Module:
        """One layer, as wide as the embeddings."""
        return Recurrent(self.params.width, self.params.width)
