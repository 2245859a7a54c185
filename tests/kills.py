"""kill -9 at random times of bench, train and fit; the same command resumes until it ends.

`python tests/kills.py --count 25` kills each of them 25 times, in chains: a command is started, killed after a random
time, and started again, the third time to its end. Its output must be that of the undisturbed command. For each command
it prints the kills, the chains, how many were refused on restart, and how many ended with another output.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from safetensors.numpy import load_file

import agents.deep.dcf_dqn  # noqa: F401 - imported once, before the forks
from recgym.bench import suite
from recgym.bench.experiment import Experiment, Preset
from recgym.cli.main import main
from recgym.logs.sample import sample_log
from recgym.sim.synthetic import synthetic

DCF = {"epochs": 1, "width": 8, "hidden": 8, "warmup": 100, "replay": 500, "batch_size": 32}


def commands(root):
    """Command line, and function that reads its output, by name."""
    train = [
        "--world",
        str(root / "world"),
        "--offline",
        "60",
        "--sessions",
        "20",
        "--checkpoint-every",
        "400",
    ]
    return {
        "train ucb1": (["train", "ucb1", "recgym/Ecommerce-v1", "--steps", "40000", *train], trained),
        "train q-learning": (
            ["train", "q-learning", "recgym/Ecommerce-v1", "--steps", "40000", *train],
            trained,
        ),
        "train dcf-dqn": (
            [
                "train",
                "dcf-dqn",
                "recgym/Ecommerce-v1",
                "--steps",
                "5000",
                "--params",
                json.dumps(DCF),
                *train,
            ],
            trained,
        ),
        "fit": (["fit", str(root / "log"), "--ensemble", "2", "--planning", "20"], fitted),
        "bench": (["bench", "--preset", "quick", "--workers", "1"], benched),
    }


def trained(out):
    """Arrays, figures and curve of the agent, without seconds."""
    about = json.loads((out / "training.json").read_text())
    curve = [row[:2] + row[3:] for row in json.loads((out / "curve.json").read_text())]
    arrays = {name: array.tolist() for name, array in load_file(out / "agent.safetensors").items()}
    return about["final"], about["budget"], curve, arrays


def fitted(out):
    """Contents of all files."""
    return {
        str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()
    }


def benched(out):
    """Judged sessions and figures of all runs."""
    found = {}
    for place in sorted((out / "quick").glob("[!.]*/run.json")):
        record, folder = json.loads(place.read_text()), place.parent
        found[folder.name] = record["final"], pq.read_table(folder / "sessions.parquet").to_pydict()
    return found


def start(words, errors):
    """Starts the command in a fork of this process, which has imported everything; returns its id."""
    errors.write_text("")
    child = os.fork()
    if child == 0:
        os.setsid()
        handle = os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        code = 1
        try:
            main(words)
        except SystemExit as end:
            code = end.code or 0
        except BaseException:  # must not unwind into this harness, whose folder it would remove
            traceback.print_exc()
        finally:
            os._exit(code)
    return child


def chain(words, out, kills, longest, rng, errors):
    """Kills the command some times, then lets it end; returns wrong exit codes, and the number of kills."""
    odd, hit = [], 0
    for number in range(kills + 1):
        child = start([*words, "--out", str(out)], errors)
        if number < kills:
            time.sleep(rng.uniform(0.0, longest))
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            hit += 1
            continue
        if os.WEXITSTATUS(status) != 0:
            odd.append(errors.read_text().strip().splitlines()[-1:])
        else:
            break
    return odd, hit


def run(count, seed, names):
    """Counts by command."""
    table = {}
    with tempfile.TemporaryDirectory() as place:
        root = Path(place).resolve()
        synthetic(3, num_items=12, num_users=20).save(root / "world")
        sample_log(synthetic(2, domain="content", num_users=30, num_items=12, num_factors=2),
                   "random", 300, seed=3, horizon=5).write(root / "log")  # fmt: skip
        row = Experiment(name="ecommerce", env_id="recgym/Ecommerce-v1", kwargs={"world": str(root / "world")},
                         env_steps=3_000, eval_sessions=30)  # fmt: skip
        suite.PRESETS["quick"] = Preset(name="quick", about="", experiments=(row,), seeds=3,
                                        agents=("random", "q-learning"))  # fmt: skip
        for name in names:
            words, what = commands(root)[name]
            whole = root / "whole" / "it"
            chain(words, whole, 0, 0.0, None, root / "errors")  # compiles
            shutil.rmtree(whole)
            begun = time.monotonic()
            odd, _ = chain(words, whole, 0, 0.0, None, root / "errors")
            longest, expected = time.monotonic() - begun, what(whole)
            shutil.rmtree(root / "whole")
            counts = {
                "kills": 0,
                "chains": 0,
                "ended": 0,  # killed when the command had written all: it says so when it is started again
                "stuck": [str(each) for each in odd],
                "other end": 0,
                "left": [],
            }
            rng = np.random.default_rng([seed, len(name)])
            while counts["kills"] < count:
                folder = root / f"chain {counts['chains']}"
                odd, hit = chain(words, folder / "it", 2, longest, rng, root / "errors")
                counts["kills"] += hit
                counts["chains"] += 1
                had_ended = [each for each in odd if each and "holds a trained agent" in each[0]]
                counts["ended"] += len(had_ended)
                counts["stuck"] += [each for each in odd if each not in had_ended]
                if not (folder / "it").exists() or what(folder / "it") != expected:
                    counts["other end"] += 1
                counts["left"] += [entry.name for entry in folder.iterdir() if entry.name != "it"]
                shutil.rmtree(folder)
            table[name] = counts
            print(json.dumps({name: counts, "seconds undisturbed": round(longest, 1)}), flush=True)
    return table


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=25)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--commands", default="train ucb1,train q-learning,train dcf-dqn,fit,bench")
    given = parser.parse_args()
    table = run(given.count, given.seed, given.commands.split(","))
    sys.exit(any(each["stuck"] or each["other end"] or each["left"] for each in table.values()))
