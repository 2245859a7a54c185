"""GRU4Rec: gated recurrent units over the responses of the session (Hidasi et al., 2016, ICLR).

Loss and data are those of `agents.deep.sequence_agent`, not the paper's ranking losses with sampled items.
"""

from typing import ClassVar

from torch import nn

from agents.deep.encoders import Recurrent
from agents.deep.sequence_agent import SequenceAgent


class Gru4Rec(SequenceAgent):
    """The last state of one layer of gated recurrent units.

    Idea:
        The session is a sequence of the items with a response. A recurrent network reads them one by one; its
        last state is what is known of the present intent, without the user's past. An item's logit is the
        inner product of that state with the item's embedding.

    Formula:
        h_t = GRU(h_{t-1}, e_t);   logit of a's reward = <h, e_a> + b_a

    Reads:
        The log; the items with a response in this session, in order. No user number, no context.

    Cost:
        Offline up to `epochs` passes over `epoch_rows` rows; a decision O(H d^2 + N d).

    Source:
        Hidasi, Karatzoglou, Baltrunas and Tikk (2016), Session-based recommendations with recurrent neural
        networks, ICLR.
    """

    name: ClassVar[str] = "gru4rec"

    def encoder(self) -> nn.Module:
        """One layer, as wide as the embeddings."""
        return Recurrent(self.params.width, self.params.width)
