"""One agent trained from the command line, saved whole or not at all."""

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from recgym.bench.rollout import play
from recgym.bench.run import final_figures, make_agent_and_env, versions
from recgym.bench.suite import AGENT, EVALUATE, LOG, PREPARE, TRAIN, Entry, Experiment, Run


def train(
    name: str,
    experiment: Experiment,
    out: Path,
    *,
    seed: int = 0,
    device: str = "auto",
    report: Callable[[str, int, Any], None] = lambda stage, done, figures: None,
) -> dict[str, Any]:
    """Train, judge on sessions of their own, save to `out`: the agent's files and training.json.

    ValueError where `out` exists and is no folder that this function wrote.
    """
    if out.exists() and not (out / "training.json").is_file():
        raise ValueError(f"--out {out}: exists and holds no trained agent; name another folder")
    run = Run(experiment=experiment, entry=Entry(agent=name), run=seed)
    agent, env = make_agent_and_env(experiment, name, {}, None, run.seed(AGENT), device)
    rows = 0
    if type(agent).offline:
        from recgym.logs.sample import sample_log

        engine = env.unwrapped.privileged()
        log = sample_log(
            engine.world,
            sessions=experiment.offline_sessions,
            seed=run.env_seed(LOG),
            slate_size=engine.slate_size,
            horizon=engine.horizon,
        )
        rows = log.num_rows
        agent.prepare(log, run.seed(PREPARE), report=lambda done, figures: report("prepare", done, figures))
    agent.train(
        env,
        experiment.env_steps,
        run.seed(TRAIN),
        report=lambda done, figures: report("train", done, figures),
    )

    def same(env: Any) -> Any:
        agent.attach(env)
        return agent

    kwargs = {**experiment.kwargs, "observation": type(agent).observation}
    columns, facts = play(experiment.env_id, kwargs, same, run.env_seed(EVALUATE), experiment.eval_sessions)
    about = {
        "schema": "recgym.training/1",
        "agent": name,
        "env": {"id": experiment.env_id, "kwargs": dict(experiment.kwargs)},
        "seed": seed,
        "budget": {"env_steps": experiment.env_steps, "offline_rows": rows},
        "final": final_figures(columns, facts),
        "reward_is_assumed": bool(facts["reward_is_assumed"]),
        "versions": versions(),
    }
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
