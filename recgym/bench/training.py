"""One agent trained from the command line, saved whole or not at all."""

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from recgym.bench.run import Curve, blank_record, final_figures, job_of, learn_and_play
from recgym.bench.suite import Entry, Experiment, Run

Tell = Callable[[str, int, Any], None]  # stage, environment steps so far, figures


class _Told(Curve):
    """A curve that also tells somebody."""

    def __init__(self, tell: Tell) -> None:
        super().__init__()
        self.tell = tell

    def __call__(self, env_steps: int, figures: Any) -> None:
        """Keep one report and pass it on."""
        super().__call__(env_steps, figures)
        self.tell(self.stage, env_steps, figures)


def train(
    name: str,
    experiment: Experiment,
    out: Path,
    *,
    seed: int = 0,
    device: str = "auto",
    tell: Tell = lambda stage, env_steps, figures: None,
) -> dict[str, Any]:
    """Train, judge on sessions of their own, save to `out`: the agent's files and training.json.

    Returns what training.json holds. ValueError where `out` exists and is no folder that this function wrote.
    """
    if out.exists() and not (out / "training.json").is_file():
        raise ValueError(f"--out {out}: exists and holds no trained agent; name another folder")
    run = Run(experiment=experiment, entry=Entry(agent=name), run=seed)
    record = blank_record(job_of(run, out))
    agent, columns, facts = learn_and_play(run, record, _Told(tell), device)
    record["final"] = final_figures(columns, facts)
    kept = ("env", "agent", "budget", "seed", "final", "timing", "versions", "host")
    about = {"schema": "recgym.training/1", **{name: record[name] for name in kept}}
    about["reward_is_assumed"] = bool(facts["reward_is_assumed"])
    _save(agent, about, out)
    return about


def _save(agent: Any, about: dict[str, Any], out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        work.chmod(0o755)
        agent.save(work)
        (work / "training.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
        if out.exists():
            shutil.rmtree(out)
        work.rename(out)
    finally:
        shutil.rmtree(work, ignore_errors=True)
