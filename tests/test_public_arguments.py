"""Arguments of a wrong kind: every public function and class refuses them in one line of its own."""

import inspect
import traceback
from pathlib import Path

import gymnasium as gym
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import agents
import recgym
from recgym import evaluate, fidelity, fit, logs, storage
from recgym.sim.synthetic import synthetic
from recgym.sim.world import World

ROOTS = tuple(str(Path(module.__file__).parent) for module in (recgym, agents))
BESIDE = {
    logs.LogError,
    logs.LogProblem,
    agents.Agent,
}  # exceptions and a protocol take no arguments to check
PUBLIC = [
    (f"{module.__name__}.{name}", getattr(module, name))
    for module in (recgym, logs, fit, fidelity, evaluate, agents)
    for name in module.__all__
    if callable(getattr(module, name)) and getattr(module, name) not in BESIDE
]
PUBLIC += [(f"Log.{name}", getattr(logs.Log, name)) for name in ("build", "from_pandas")]
PUBLIC = [(name, each) for name, each in PUBLIC if not (inspect.isclass(each) and issubclass(each, tuple))]
WRONG = (
    None, -1, 10**30, 0.5, float("nan"), 1e308, True, 1 + 2j, "", "x", "\0", "folder", b"x", object(), len,
    [], [1, 2], [[1], [2, 3]], (1, 2), {}, {"a": 1}, {1, 2}, range(3), Path("folder"), Path("none"),
    np.zeros(0), np.zeros((2, 2, 2)), np.array(["a", "b"]), np.array([None, 1], object), np.array([1 + 2j]),
    np.array([0.2, 0.3, 0.5]), np.array([0, 1, 1]), np.datetime64("2020-01-01"),
    pd.DataFrame({"user": [1], "item": [2]}), pa.table({"a": [1]}),
)  # fmt: skip


def faults(function, arguments):
    """What is wrong with the exception of a call: of another type, not raised by this package, more than one line."""
    try:
        function(**arguments)
    except (ValueError, TypeError) as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        if not last.filename.startswith(ROOTS) or not (last.line or "").startswith("raise"):
            return f"raised in {last.filename}: {type(error).__name__}: {error}"
        return "" if "\n" not in str(error) else f"several lines: {error}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


@pytest.mark.parametrize(("name", "function"), PUBLIC, ids=[name for name, _ in PUBLIC])
def test_a_wrong_kind_is_refused_in_one_line(name, function, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    given = [each for each in inspect.signature(function).parameters.values() if each.kind not in kinds]
    needed = [each.name for each in given if each.default is each.empty]
    assert needed or name.endswith((".Log", ".FitConfig")), name
    for wrong in WRONG:
        found = faults(function, dict.fromkeys(needed, wrong))
        assert not found, f"{name}({', '.join(needed)} = {wrong!r}): {found}"
        for option in given:
            if option.name not in needed:
                found = faults(
                    function, {**dict.fromkeys(needed, np.array([0.2, 0.3, 0.5])), option.name: wrong}
                )
                assert not found, f"{name}(..., {option.name}={wrong!r}): {found}"


@pytest.fixture(scope="module")
def task():
    """An environment of a small world, two agents and a log in memory."""
    env = gym.make("recgym/Content-v1", world=synthetic(1, domain="content", num_users=30, num_items=20))
    log = logs.sample_log(env, sessions=5, seed=1)
    return env, agents.make_agent("linucb", env), agents.make_agent("mf", env), log


def test_arguments_of_methods_are_refused_in_one_line(task, tmp_path):
    env, online, offline, log = task
    frame = pd.DataFrame({"user": ["a"], "item": ["x"]})
    (tmp_path / "t.csv").write_text("user,item\na,x\n")
    seen = online.env.reset(seed=0)[0]
    calls = (
        ("source", lambda wrong: logs.Log.from_pandas(frame, domain="content", source=wrong)),
        ("encoding", lambda wrong: logs.read_log(tmp_path / "t.csv", domain="content", encoding=wrong)),
        ("explore", lambda wrong: online.act(seen, explore=wrong)),
        ("report", lambda wrong: offline.prepare(log, 1, wrong)),
        ("transfer", lambda wrong: agents.judge(online, env, sessions=2, seed=0, transfer=wrong)),
        ("sessions", lambda wrong: agents.judge(online, env, sessions=wrong, seed=0)),
    )
    for name, call in calls:
        for wrong in WRONG:
            if wrong is None or isinstance(wrong, bool) or (name == "report" and callable(wrong)):
                continue
            found = faults(lambda wrong, call=call: call(wrong), {"wrong": wrong})
            assert not found, f"{name}={wrong!r}: {found}"


RAGGED = [[1.0, 2.0], [3.0]]


def test_a_world_refuses_wrong_kinds_in_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    world = synthetic(1, domain="content", num_users=30, num_items=20)
    names = ("categories", "contexts", "user_feature_names", "user_features", "card", "item_vectors")
    about = {name: getattr(world, name) for name in names}
    built = ("content", world.arrays._asdict())
    calls = {
        "members": lambda wrong: world.save(tmp_path / "w", members=wrong),
        "mood": lambda wrong: world.with_params(mood=wrong),
        "order": world.permuted,
        "item": world.item_label,
        "n_items": world.subset,
        "name": lambda wrong: World.build(wrong, *built, **about),
        "domain": lambda wrong: World.build("w", wrong, built[1], **about),
        "arrays": lambda wrong: World.build("w", "content", wrong, **about),
    }
    for name in (*names, "ids", "origin", "numbering", "posterior"):
        calls[name] = lambda wrong, name=name: World.build("w", *built, **about | {name: wrong})
    for name in ("params", "profile", "category", "user_cdf", "friend", "next_item"):
        calls[f"world array {name}"] = lambda wrong, name=name: world.with_arrays(**{name: wrong})
    for name, call in calls.items():
        for wrong in (*WRONG, RAGGED, [world, 3]):
            found = faults(lambda wrong, call=call: call(wrong), {"wrong": wrong})
            assert not found, f"{name}={wrong!r}: {found}"
        with pytest.raises((ValueError, TypeError), match=name):
            call(1 + 2j)
    with pytest.raises(TypeError, match="unexpected keyword argument 'catgories'"):
        World.build("w", *built, catgories=("a",))
    with pytest.raises(TypeError, match="categories"):
        World.build("w", *built)


def entered(context):
    with context:
        pass


def test_storage_refuses_wrong_kinds_in_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    with storage.whole_folder("whole") as work:
        storage.write_json(work / "a.json", {"a": 1})
        storage.write_arrays(work / "a.safetensors", {"a": np.zeros(2)})
    whole = storage.Stored("whole", "world")

    calls = {
        "folder": (
            lambda wrong: storage.Stored(wrong, "world"),
            lambda wrong: entered(storage.whole_folder(wrong)),
            lambda wrong: entered(storage.locked(wrong, "held")),
            storage.is_vacant, storage.outer_folder, storage.remove, storage.write_manifest,
        ),
        "path": (
            lambda wrong: storage.write_arrays(wrong, {"a": np.zeros(2)}),
            lambda wrong: storage.write_file(wrong, "text"),
            lambda wrong: storage.write_json(wrong, {}),
            lambda wrong: entered(storage.parents_made(wrong)),
            storage.read_file, storage.file_sha256,
        ),
        "what": (lambda wrong: storage.Stored("nowhere", wrong),),
        "name": (whole.read, whole.json, whole.arrays, lambda wrong: storage.sweep(tmp_path, wrong)),
        "most": (
            lambda wrong: whole.read("a.json", wrong),
            lambda wrong: whole.arrays("a.safetensors", most=wrong),
            lambda wrong: storage.read_file("whole/a.json", wrong),
        ),
        "about": (lambda wrong: storage.check_keys(wrong, {"b": int}, "place"),),
        "kinds": (lambda wrong: storage.check_keys({}, wrong, "place"),),
        "data": (
            lambda wrong: storage.parse_json(wrong, "place"),
            lambda wrong: storage.write_file("a", wrong),
            lambda wrong: storage.write_files({"a": wrong}),
        ),
        "depth": (lambda wrong: storage.parse_json(b"{}", "place", depth=wrong),),
        "message": (lambda wrong: entered(storage.locked("b", wrong)),),
        "parent": (storage.sweep,),
        "drop": (lambda wrong: entered(storage.whole_folder("c", drop=wrong)),),
        "is_part": (lambda wrong: entered(storage.whole_folder("d", is_part=wrong)),),
        "arrays": (lambda wrong: storage.write_arrays("e", wrong),),
        "array x": (lambda wrong: storage.write_arrays("e", {"array x": wrong}),),
        "files": (storage.write_files,),
        "f": (lambda wrong: storage.write_json("f", wrong),),
        "indent": (lambda wrong: storage.write_json("f", {}, indent=wrong),),
        "source": (storage.read_parquet,),
        "inside": (lambda wrong: storage.safe_name(wrong, "place"),),
    }  # fmt: skip
    for name, each in calls.items():
        for call in each:
            for wrong in (*WRONG, RAGGED):
                found = faults(lambda wrong, call=call: call(wrong), {"wrong": wrong})
                is_of_system = "Error: [Errno" in found or "Parquet" in found  # with the name of the file
                assert not found or is_of_system, f"{name}={wrong!r}: {found}"
            with pytest.raises(ValueError, match=name):
                call(1 + 2j)
