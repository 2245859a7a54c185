"""Parameters of the agents with a decoder."""

from dataclasses import dataclass

from agents.deep.pretraining import OfflineSettings
from agents.params import check_range


@dataclass(frozen=True, kw_only=True)
class DecoderParams:
    """Settings of the IDs, the network, the stages on a log and acting."""

    levels: int = 0  # of the IDs, without the last code; 0: by the catalogue's size
    codes: int = 0  # of each level; 0: by the catalogue's size
    width: int = 64  # d, of a place
    layers: int = 2  # blocks of the decoder
    heads: int = 2  # of attention; width is a multiple
    epochs: int = 6  # over the log, at most
    epoch_rows: int = 50_000  # [slates] per epoch; a new random subset of a log with more
    batch: int = 256  # [slates]
    rate: float = 2e-3  # learning rate on the log, above 0
    weight_decay: float = 0.01  # AdamW's
    clip: float = 1.0  # largest norm of a gradient
    fresh: bool = True  # show an item at most once per session (within the last 20 items)
    tastes: int = 0  # width of the vectors of items and users beside the codes; 0: none
    mixed_precision: bool = False  # bfloat16 in training, only on CUDA
    compile: bool = False  # torch.compile in training, only on CUDA
    candidates: int = 8  # beams, of which the largest predicted rewards are shown; 1: greedy, code by code

    def __post_init__(self) -> None:
        for name in ("width", "layers", "heads", "epochs", "epoch_rows", "batch", "candidates"):
            check_range(name, getattr(self, name), 1)
        for name in ("levels", "codes", "tastes", "weight_decay"):
            check_range(name, getattr(self, name), 0)
        for name in ("rate", "clip"):
            check_range(name, getattr(self, name), 1e-9)
        if self.width % self.heads:
            raise ValueError(f"width is {self.width}, expected a multiple of heads, {self.heads}")
        if self.levels > 4 or self.codes == 1 or self.codes > 4_096:
            raise ValueError(
                f"levels is {self.levels} and codes {self.codes}: at most 4 levels, 0 or 2 to 4,096 codes"
            )

    def offline_settings(self, epochs: int) -> OfflineSettings:
        """Settings of a stage on a log."""
        return OfflineSettings(
            epochs=epochs,
            epoch_rows=self.epoch_rows,
            batch=self.batch,
            rate=self.rate,
            weight_decay=self.weight_decay,
            clip=self.clip,
            discount=0.0,
        )
