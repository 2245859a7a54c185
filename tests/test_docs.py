"""README's Python runs unchanged."""

import re
from dataclasses import replace
from pathlib import Path

import gymnasium
import numpy as np

from recgym.logs import Log, sample_log
from recgym.sim.synthetic import synthetic
from recgym.sim.world_ids import Ids

ROOT = Path(__file__).parents[1]


def test_readmes_python_runs(monkeypatch):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    twelve = blocks[0]
    assert len([line for line in twelve.splitlines() if line.strip()]) == 12
    scope: dict = {}
    exec(compile(twelve, "README.md", "exec"), scope)
    assert scope["observations"].shape[0] == 1024


def test_readmes_agent_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    (block,) = [each for each in blocks if "make_agent(" in each]
    lines = [line for line in block.splitlines() if line.strip() and "import" not in line]
    assert len(lines) <= 10
    scope: dict = {}
    exec(compile(block, "README.md", "exec"), scope)
    assert scope["again"].act(scope["observation"]) == scope["agent"].act(scope["observation"])
    assert "'se':" in capsys.readouterr().out


def test_readmes_own_log_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    (block,) = [each for each in blocks if "index_log(" in each]
    world = synthetic(3)
    sizes = {"u": world.num_users, "i": world.num_items}
    ids = (tuple(f"{what}{number}" for number in range(size)) for what, size in sizes.items())
    world = replace(world, ids=Ids(*ids))
    drawn = sample_log(world, "random", 40, 1).to_pandas()
    drawn["user"], drawn["item"] = "u" + drawn["user"], "i" + drawn["item"]
    drawn = drawn.assign(timestamp=1_600_000_000 + np.arange(len(drawn)), event="view")
    names = {"user": "visitorid", "item": "itemid"}
    drawn[["user", "item", "timestamp", "event"]].rename(columns=names).to_csv("events.csv", index=False)
    scope: dict = {"env": gymnasium.make("recgym/Ecommerce-v0", world=world)}
    exec(compile(block, "README.md", "exec"), scope)
    assert scope["own"].indexed_by == world.index_digest
    assert Log.read("my_log").indexed_by is None
