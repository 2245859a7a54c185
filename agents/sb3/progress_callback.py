"""Reports and checkpoints of SB3's training loop."""

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback

from agents.interface import Checkpointer, Figures, LoopState, Report


class ProgressCallback(BaseCallback):
    """Reports the means of finished episodes at intervals of steps, and calls the checkpointer."""

    def __init__(
        self, every: int, report: Report | None, checkpointer: Checkpointer | None, rows: int, episodes: int
    ) -> None:
        super().__init__()
        self.every, self.due, self.report, self.checkpointer, self.rows = (
            every,
            every,
            report,
            checkpointer,
            rows,
        )
        self.ended: list[dict[str, float]] = []
        self.episodes = episodes
        self.latest: Figures = {}

    @property
    def steps(self) -> int:
        """Environment steps so far."""
        return self.num_timesteps // self.rows

    def _on_training_start(self) -> None:
        self.due = self.steps + self.every
        self._keep()

    def _on_step(self) -> bool:
        self.ended += [info["episode"] for info in self.locals["infos"] if "episode" in info]
        if self.steps >= self.due:
            self._flush()
        self._keep()
        return True

    def _on_training_end(self) -> None:
        self._flush()

    def _keep(self) -> None:
        if self.checkpointer is not None:
            episodes = self.episodes + len(self.ended)
            self.checkpointer.keep(
                self.steps, lambda: LoopState({}, {"env_steps": self.steps, "episodes": episodes})
            )

    def _flush(self) -> None:
        self.due = self.steps + self.every
        if not self.ended:
            return
        self.episodes += len(self.ended)
        mean = {
            name: float(np.mean([each[key] for each in self.ended]))
            for name, key in (("return", "r"), ("length", "l"))
        }
        self.latest, self.ended = mean, []
        if self.report is not None:
            self.report(self.steps, mean)
