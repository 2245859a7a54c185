"""What a killed training leaves, and how it goes on: the agent, its environment, the loop, the curve.

OUT/checkpoint/<steps>/agent/             the agent as it saves itself
OUT/checkpoint/<steps>/state.safetensors  arrays: the agent's training state, the environment's, the loop's
OUT/checkpoint/<steps>/state.json         the loop's counts, the curve, seconds, and the settings of the run
"""

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from recgym.bench.run import Curve

if TYPE_CHECKING:
    from agents.base import Moment

FOLDER = "checkpoint"
Arrays = Mapping[str, NDArray[Any]]


def replace_folder(folder: Path, fill: Callable[[Path], None]) -> None:
    """Write a folder whole or not at all; what stood there goes once the new one is whole."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        work.chmod(0o755)
        fill(work)
        if folder.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
            folder.rename(old / folder.name)
            work.rename(folder)
            shutil.rmtree(old)
        else:
            work.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


class Checkpoints:
    """The keeper of one training: a checkpoint every so many environment steps; the newest stays."""

    def __init__(
        self,
        out: Path,
        settings: Mapping[str, Any],
        agent: Any,
        env: Any,
        *,
        every: int,
        curve: Curve,
        record: dict[str, Any],
    ) -> None:
        self.folder = out / FOLDER
        self.settings = json.loads(json.dumps(settings))  # as JSON gives them back
        self.agent, self.env = agent, env
        self.every, self.due, self.curve, self.record = every, 0, curve, record

    def latest(self) -> Path | None:
        """The newest checkpoint: only whole ones have a number for a name."""
        whole = [folder for folder in self.folder.glob("*") if folder.name.isdecimal()]
        return max(whole, key=lambda folder: int(folder.name), default=None)

    @property
    def steps(self) -> int:
        """Environment steps that the newest checkpoint stands at; 0: there is none."""
        folder = self.latest()
        return 0 if folder is None else int(folder.name)

    def clear(self) -> None:
        """Forget every checkpoint."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def check(self) -> bool:
        """Whether there is a checkpoint to go on from; ValueError where it is of another run."""
        folder = self.latest()
        if folder is None:
            return False
        self.refuse_other(json.loads((folder / "state.json").read_text(encoding="utf-8"))["settings"])
        return True

    def refuse_other(self, theirs: Mapping[str, Any]) -> None:
        """ValueError where settings are not this training's: which one, and how it was begun."""
        for name, ours in self.settings.items():
            if theirs.get(name) != ours:
                raise ValueError(
                    f"--resume: {self.folder.parent} was begun with {name} {theirs.get(name)}, not {ours}"
                )

    def resume(self) -> "Moment | None":
        """Put everything back as the newest checkpoint has it."""
        from agents.base import Moment

        folder = self.latest()
        if folder is None:
            return None
        parts: dict[str, dict[str, NDArray[Any]]] = {"agent": {}, "env": {}, "loop": {}}
        for key, array in load_file(folder / "state.safetensors").items():
            part, _, name = key.partition("/")
            parts[part][name] = array
        facts = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        self.agent.reload(folder / "agent")
        self.agent.restore_training(parts["agent"])
        self.env.unwrapped.restore(parts["env"])
        self.curve.rows = [tuple(row) for row in facts["curve"]]
        self.curve.begun = time.process_time() - facts["seconds"]
        self.record["timing"]["prepare_s"] = facts["prepare_s"]
        self.record["budget"]["offline_rows"] = facts["offline_rows"]
        self.due = int(folder.name) + self.every
        return Moment(parts["loop"], facts["loop"])

    def keep(self, steps: int, moment: Callable[[], "Moment"]) -> None:
        """Write a checkpoint where one is due, the first before the first step; older ones go."""
        if steps < self.due:
            return
        self.due = steps + self.every
        loop = moment()
        older = list(self.folder.glob("*"))

        def fill(folder: Path) -> None:
            self.agent.save(folder / "agent")
            parts: dict[str, Arrays] = {
                "agent": self.agent.training_state(),
                "env": self.env.unwrapped.snapshot(),
                "loop": loop.arrays,
            }
            arrays = {
                f"{part}/{name}": np.ascontiguousarray(array)
                for part, named in parts.items()
                for name, array in named.items()
            }
            save_file(arrays, folder / "state.safetensors")
            facts = {
                "settings": self.settings,
                "loop": loop.facts,
                "curve": self.curve.rows,
                "seconds": time.process_time() - self.curve.begun,
                "prepare_s": self.record["timing"]["prepare_s"],
                "offline_rows": self.record["budget"]["offline_rows"],
            }
            (folder / "state.json").write_text(json.dumps(facts) + "\n", encoding="utf-8")

        replace_folder(self.folder / str(steps), fill)
        for folder in older:
            if folder.name != str(steps):
                shutil.rmtree(folder, ignore_errors=True)
