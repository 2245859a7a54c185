"""Parameters of genrec."""

from dataclasses import dataclass

import numpy as np

from agents.deep.pretraining import OfflineSettings
from agents.generative.advantages import BASELINES
from agents.params import check_range

STAGES = ("pretrain", "sft", "rl")


@dataclass(frozen=True, kw_only=True)
class GenRecParams:
    """Settings of the IDs, the network and the three stages."""

    stage: str = "rl"  # the last one: pretrain (a), sft (b), rl (c)
    levels: int = 0  # of the IDs, without the last code; 0: by the catalogue's size
    codes: int = 0  # of each level; 0: by the catalogue's size
    width: int = 64  # d, of a place
    layers: int = 2  # blocks of the decoder
    heads: int = 2  # of attention; width is a multiple
    pretrain_epochs: int = 4  # of stage (a), at most
    epochs: int = 6  # of stage (b), at most
    epoch_rows: int = 50_000  # [slates] per epoch; a new random subset of a log with more
    batch: int = 256  # [slates]
    rate: float = 2e-3  # learning rate of (a) and (b), above 0
    weight_decay: float = 0.01  # AdamW's
    clip: float = 1.0  # largest norm of a gradient
    fresh: bool = True  # show an item at most once per session (within the last 20 items)
    candidates: int = (
        8  # beams, of which those of the largest predicted reward are shown; 1: the most probable items
    )
    lora_rank: int = 0  # of LoRA in (b) and (c); 0: all weights are trained
    group: int = 4  # visits of one user with the same random numbers
    rollout: int = 2_048  # [environment steps] between updates
    reuse: int = 2  # epochs over a rollout
    online_batch: int = 512  # [slates]
    online_rate: float = 5e-4  # learning rate of (c), above 0
    discount: float = 0.8  # per slate, in [0, 1]
    trace: float = 0.5  # lambda of returns: the share of what followed, the rest of the value head, in [0, 1]
    baseline: str = "both"  # of advantages: group, value, both or none
    ratio_clip: float = 0.2  # above 0
    policy_weight: float = 1.0  # of GRPO's loss, at least 0
    tilt_weight: float = 0.5  # of the loss of candidates judged by the reward head, at least 0
    kl_weight: float = 0.01  # of the divergence from stage (b)
    replay_weight: float = 0.3  # of stage (b)'s loss on rows of the log and of earlier rollouts
    replay: int = 30_000  # [slates]

    def __post_init__(self) -> None:
        for name, allowed in (("stage", STAGES), ("baseline", BASELINES)):
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}, allowed: {', '.join(map(repr, allowed))}"
                )
        counts = (
            "width",
            "layers",
            "heads",
            "epochs",
            "epoch_rows",
            "batch",
            "candidates",
            "group",
            "rollout",
        )
        for name in (*counts, "reuse", "online_batch", "replay"):
            check_range(name, getattr(self, name), 1)
        for name in (
            "levels",
            "codes",
            "pretrain_epochs",
            "lora_rank",
            "kl_weight",
            "policy_weight",
            "tilt_weight",
            "replay_weight",
            "weight_decay",
        ):
            check_range(name, getattr(self, name), 0)
        for name in ("rate", "online_rate", "clip", "ratio_clip"):
            check_range(name, getattr(self, name), 1e-9, np.inf)
        for name in ("discount", "trace"):
            check_range(name, getattr(self, name), 0, 1)
        if self.width % self.heads:
            raise ValueError(f"width is {self.width}, expected a multiple of heads, {self.heads}")
        if self.levels > 4 or self.codes == 1 or self.codes > 4_096:
            raise ValueError(
                f"levels is {self.levels} and codes {self.codes}: at most 4 levels, 0 or 2 to 4,096 codes"
            )

    def offline_settings(self, epochs: int) -> OfflineSettings:
        """Settings of stage (a) or (b)."""
        return OfflineSettings(
            epochs=epochs,
            epoch_rows=self.epoch_rows,
            batch=self.batch,
            rate=self.rate,
            weight_decay=self.weight_decay,
            clip=self.clip,
            discount=0.0,
        )
