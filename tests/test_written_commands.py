"""Every command of README, the pages and the help texts runs as it is written, on smaller budgets."""

import importlib.util
import inspect
import re
import shlex
from pathlib import Path

import pytest

from recgym.cli.main import app
from recgym.logs import sample_log
from recgym.sim.synthetic import synthetic
from recgym.sim.world import World

ROOT = Path(__file__).parents[1]
SHOP = "recgym/Ecommerce-v1"
# Budgets that are given after those of the command, so that they hold
SMALLER = {
    "fit": "--planning 0 --replace",
    "train": "--steps 300 --offline 60 --sessions 20 --replace",
    "tune": "--trials 2 --steps 200 --sessions 20",
    "bench": "--seeds 1 --agents random,ucb1 --envs ecommerce",
    "speed": "--seconds 0.02",
}
NEEDS = {
    "export minari": "minari",
    "--engine ray": "ray",
    "--track mlflow": "mlflow",
    "--track wandb": "wandb",
}
# another machine; days of 500 judged rows, which tests/cli/test_rolling.py has
ELSEWHERE = ("10.0.0.1:6379", "recgym rolling")


def written():
    """All commands, each once: of the pages, then of the help texts."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    texts = [page.read_text(encoding="utf-8") for page in pages]
    texts += [inspect.cleandoc(command.callback.__doc__) for command in app.registered_commands]
    blocks = [block for text in texts for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL)]
    lines = "".join(block.rstrip("\n") + "\n" for block in blocks).replace("\\\n", " ").splitlines()
    return list(dict.fromkeys(line for line in lines if line.startswith("recgym ")))


def test_the_commands_are_found():
    names = {command.callback.__name__ for command in app.registered_commands}
    assert {shlex.split(line)[1] for line in written()} >= names
    assert len(written()) > 25


@pytest.fixture
def place(tmp_path, monkeypatch, run):
    """A folder with what the commands name: logs of one's own, a world, an agent, a log of a shop, runs."""
    monkeypatch.chdir(tmp_path)
    world = World.load(ROOT / "recgym/worlds/ecommerce-1")
    drawn = sample_log(world, "random", 120, 1).to_pandas()
    times = 1_651_190_400 + 1_800 * drawn["session"].astype(int) + drawn.index % 600  # three days
    drawn = drawn.assign(time=times, event="view")
    shop = {"user": "visitorid", "item": "itemid", "time": "timestamp", "event": "event"}
    for name, columns in {"events.csv": shop, "log.csv": {"user": "USER", "item": "ITEM"}}.items():
        drawn[[*columns]].rename(columns=columns).to_csv(name, index=False)
    synthetic(1, domain="content", num_items=12, num_users=20).save("feed")
    columns = "user=visitorid,item=itemid,time=timestamp,event=event"
    for line in (
        f"fit events.csv --domain ecommerce --map {columns} --out worlds/mine --planning 0",
        f"train dcf-dqn {SHOP} --out trained/shop --steps 300 --offline 60 --sessions 20",
        "bench --preset quick --seeds 1 --agents random --envs ecommerce",
    ):
        assert run(*shlex.split(line))[0] == 0, line
    import gymnasium

    sample_log(gymnasium.make(SHOP), sessions=60, seed=1).write("logs/shop")
    return tmp_path


def arguments_of(line):
    """The arguments of a command, with its smaller budget."""
    words = shlex.split(line, comments=True)[1:]
    if words[0] == "verify":
        run_id = next(path.parent.name for path in sorted(Path("runs/quick").glob("*/run.json")))
        words = [word.replace("RUN_ID", run_id).replace("OUT/PRESET", "runs/quick") for word in words]
    if words[0] == "report":
        words[1] = "runs"
    return [*words, *shlex.split(SMALLER.get(words[0], ""))]


@pytest.mark.slow
def test_every_written_command_runs(place, run):
    failed = []
    for line in written():
        needs = [extra for words, extra in NEEDS.items() if words in line]
        if any(words in line for words in ELSEWHERE):
            continue
        if any(importlib.util.find_spec(extra) is None for extra in needs):
            continue
        code, _out, err = run(*arguments_of(line))
        if code != 0:
            failed.append((line, code, err[-300:]))
    assert not failed, "\n".join(map(str, failed))
