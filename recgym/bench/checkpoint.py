"""Checkpoints of a training: the agent, its environment, the loop and the curve.

OUT/checkpoint/<steps>/agent/             the agent as it saves itself
OUT/checkpoint/<steps>/state.safetensors  arrays: the agent's training state, the environment's, the loop's
OUT/checkpoint/<steps>/state.json         the loop's counts, the curve, seconds, and the settings of the run

OUT/checkpoint holds the newest checkpoint only, and is replaced as a whole.
"""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from recgym import storage
from recgym.bench.run import Curve
from recgym.checks import difference

if TYPE_CHECKING:
    from agents.interface import LoopState

FOLDER = "checkpoint"
OPTIONS = {  # of the command line, for settings of trainings and searches that they give
    "seed": "--seed",
    "steps": "--steps",
    "offline sessions": "--offline",
    "from": "--from",
    "log": "--log",
    "env_steps": "--steps",
    "offline_sessions": "--offline",
    "eval_sessions": "--sessions",
    "space": "--space",
    "params": "--params",
    "seeds": "--seeds",
}
Arrays = Mapping[str, NDArray[Any]]
_NUMBER = (int, float)
_STATE_KEYS = {
    "settings": dict,
    "loop": dict,
    "curve": list,
    "seconds": _NUMBER,
    "prepare_s": _NUMBER,
    "offline_rows": int,
}


class Checkpoints:
    """The checkpointer of a training: one checkpoint every `every` environment steps; the newest is kept."""

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
        self.settings = json.loads(json.dumps(settings))  # as JSON reads them back
        self.agent, self.env = agent, env
        self.every, self.due, self.curve, self.record = every, 0, curve, record
        self.is_resumed = True  # False: the training starts anew, also where there is a checkpoint

    def latest(self) -> str | None:
        """Name of the newest checkpoint, which is its number of environment steps."""
        names = [folder.name for folder in self.folder.glob("*") if folder.name.isdecimal()]
        return max(names, key=int, default=None)

    @property
    def steps(self) -> int:
        """Environment steps of the newest checkpoint; 0 where there is none."""
        return int(self.latest() or 0)

    def check(self) -> bool:
        """Whether there is a checkpoint to resume from; ValueError where it is of another run, or damaged."""
        name = self.latest()
        if name is None:
            return False
        self.check_settings(self._facts(name)["settings"])
        return True

    def check_settings(self, theirs: Mapping[str, Any], which: str = "a stopped") -> None:
        """ValueError where settings differ from those of this training; the message names the first difference."""
        for name, ours in self.settings.items():
            if theirs.get(name) != ours:
                stored, asked = difference(theirs.get(name), ours)
                raise ValueError(
                    f"--out {self.folder.parent}: holds {which} training with {OPTIONS.get(name, name)} {stored}, "
                    f"not {asked}; give the same, name another folder, or say --replace"
                )

    def _facts(self, name: str) -> dict[str, Any]:
        return storage.Stored(self.folder, "checkpoint").json(f"{name}/state.json", _STATE_KEYS)

    def resume(self) -> "LoopState | None":
        """Restores the newest checkpoint; None where there is none, ValueError where it is damaged."""
        name = self.latest() if self.is_resumed else None
        if name is None:
            return None
        with storage.refusing(self.folder / name):
            return self._resume(name)

    def _resume(self, name: str) -> "LoopState":
        from agents.interface import LoopState

        parts: dict[str, dict[str, NDArray[Any]]] = {"agent": {}, "env": {}, "loop": {}}
        stored = storage.Stored(self.folder, "checkpoint")
        for key, array in stored.arrays(f"{name}/state.safetensors").items():
            part, _, inner = key.partition("/")
            parts[part][inner] = array
        facts = self._facts(name)
        self.agent.reload(self.folder / name / "agent")
        self.agent.restore_training(parts["agent"], self.env.num_envs)
        self.env.unwrapped.restore(parts["env"])
        self.curve.rows = [
            (str(stage), int(steps), float(seconds), str(figure), float(value))
            for stage, steps, seconds, figure, value in facts["curve"]
        ]
        self.curve.begun = time.process_time() - facts["seconds"]
        self.record["timing"]["prepare_s"] = facts["prepare_s"]
        self.record["budget"]["offline_rows"] = facts["offline_rows"]
        self.due = int(name) + self.every
        return LoopState(parts["loop"], facts["loop"])

    def keep(self, steps: int, loop_state: Callable[[], "LoopState"]) -> None:
        """Writes a checkpoint where one is due, the first before the first step; older ones are removed."""
        if steps < self.due:
            return
        self.due = steps + self.every
        loop = loop_state()
        older = tuple(entry.name for entry in self.folder.glob("*"))
        with storage.whole_folder(self.folder, drop=older, is_part=True) as work:
            self._write(work / str(steps), loop)

    def _write(self, folder: Path, loop: "LoopState") -> None:
        (folder / "agent").mkdir(parents=True)
        self.agent.write(folder / "agent")
        storage.write_manifest(folder / "agent")
        parts: dict[str, Arrays] = {
            "agent": self.agent.training_state(),
            "env": self.env.unwrapped.snapshot(),
            "loop": loop.arrays,
        }
        arrays = {f"{part}/{name}": array for part, named in parts.items() for name, array in named.items()}
        storage.write_arrays(folder / "state.safetensors", arrays)
        facts = {
            "settings": self.settings,
            "loop": loop.facts,
            "curve": self.curve.rows,
            "seconds": time.process_time() - self.curve.begun,
            "prepare_s": self.record["timing"]["prepare_s"],
            "offline_rows": self.record["budget"]["offline_rows"],
        }
        storage.write_json(folder / "state.json", facts, indent=None)
