"""Parameters of genrec."""

from dataclasses import dataclass

from agents.generative.advantages import BASELINES
from agents.generative.decoder_params import DecoderParams
from agents.params import check_range

STAGES = ("pretrain", "sft", "rl")
PARTS = ("all", "heads")


@dataclass(frozen=True, kw_only=True)
class GenRecParams(DecoderParams):
    """Settings of the IDs, the network and the three stages."""

    stage: str = "rl"  # the last one: pretrain (a), sft (b), rl (c)
    pretrain_epochs: int = 4  # of stage (a), at most; `epochs` are those of (b)
    lora_rank: int = 0  # of LoRA in (b) and (c); 0: all weights are trained
    group: int = 4  # visits of one user with the same random numbers
    rollout: int = 2_048  # [environment steps] between updates
    reuse: int = 2  # epochs over a rollout
    online_batch: int = 512  # [slates]
    tune: str = "all"  # trained in (c): all weights, or the heads alone, on the decoder of (b)
    online_rate: float = 5e-4  # learning rate of (c), above 0
    epsilon: float = 1.0  # share of slates drawn in rollouts, the others are those of `act`, in [0, 1]
    look_ahead: bool = False  # rank the beams by reward and continuation, which (c) learns
    discount: float = 0.8  # per slate, in [0, 1]
    trace: float = 0.5  # lambda of returns: the share of what followed, the rest of the value head, in [0, 1]
    baseline: str = "both"  # of advantages: group, value, both or none
    ratio_clip: float = 0.2  # above 0
    policy_weight: float = 1.0  # of GRPO's loss, at least 0
    kl_weight: float = 0.01  # of the divergence from stage (b)
    replay_weight: float = 0.3  # of stage (b)'s loss on rows of the log and of earlier rollouts
    replay: int = 30_000  # [slates]

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, allowed in (("stage", STAGES), ("baseline", BASELINES), ("tune", PARTS)):
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}, allowed: {', '.join(map(repr, allowed))}"
                )
        if self.tune == "heads" and self.policy_weight:
            raise ValueError("tune is 'heads', which leaves the policy as it is: policy_weight must be 0")
        for name in ("group", "rollout", "reuse", "online_batch", "replay"):
            check_range(name, getattr(self, name), 1)
        weights = ("kl_weight", "policy_weight", "replay_weight")
        for name in ("pretrain_epochs", "lora_rank", *weights):
            check_range(name, getattr(self, name), 0)
        for name in ("online_rate", "ratio_clip"):
            check_range(name, getattr(self, name), 1e-9)
        for name in ("discount", "epsilon", "trace"):
            check_range(name, getattr(self, name), 0, 1)
