"""Runs the study of off-policy estimators, cell by cell: `python -m recgym.bench.estimator_accuracy DIR`.

A cell is a world, a logging policy and a number of rounds. Each completed cell is kept in DIR/rows.csv, so that the
same command goes on where it was stopped; when all are there it writes README.md and accuracy.png. The random seed is
drawn at the first call, after the code that DIR/study.json names, unless --seed gives it.
"""

import argparse
import csv
import io
import json
import secrets
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

from recgym.bench.estimator_page import page_text, picture
from recgym.bench.estimator_study import ESTIMATORS, LOGGING, AccuracyRow, bandit_of, cell_rows
from recgym.bench.one_table import own_code
from recgym.storage import check_keys, parse_json, read_file, refusing, write_file, write_files

WORLDS = ("recgym/Ecommerce-v1", "recgym/Content-v1", "recgym/Social-v2")
SIZES = (300, 3_000, 30_000)  # rounds of a log
ROWS, ABOUT, PAGE, PICTURE = "rows.csv", "study.json", "README.md", "accuracy.png"
_KEYS: dict[str, Any] = {"seed": int, "repetitions": int, "code": str}


def run_study(folder: Path, repetitions: int, seed: int | None = None) -> None:
    """Makes the cells that a folder lacks, then page and picture.

    Args:
        folder: of the study; rows.csv, study.json, README.md and accuracy.png are written there.
        repetitions: logs of each cell.
        seed: of a new study. None: drawn.

    Raises:
        ValueError: the folder holds a study of another code, seed or number of repetitions, or its rows are damaged.
    """
    about = _about(folder, repetitions, seed)
    rows = read_rows(folder / ROWS)
    done = {(row.world, row.logging, row.rounds) for row in rows}
    for world in WORLDS:
        waiting = [cell for cell in product(LOGGING, SIZES) if (world, *cell) not in done]
        bandit = bandit_of(world) if waiting else None
        for policy, rounds in waiting:
            assert bandit is not None
            rows += cell_rows(bandit, policy, rounds, repetitions, about["seed"])
            write_file(folder / ROWS, _csv_text(rows))
            print(f"{world}, logged by {policy}, {rounds:,} rounds", flush=True)
    write_page(folder)


def write_page(folder: Path) -> None:
    """Writes page and picture of the pairs of world and logging policy that are complete, and says how many are not.

    ValueError where none is, or the files are damaged.
    """
    rows, about = read_rows(folder / ROWS), _read_about(folder / ABOUT)
    there = {(row.world, row.logging, row.rounds) for row in rows}
    pairs = {(*pair,) for pair in product(WORLDS, LOGGING) if all((*pair, size) in there for size in SIZES)}
    if not pairs:
        raise ValueError(f"{folder}: no pair of world and logging policy has all sizes yet")
    kept = [row for row in rows if (row.world, row.logging) in pairs]
    most = len(WORLDS) * len(LOGGING)
    progress = (
        "" if len(pairs) == most else f"Preliminary: {len(pairs)} of {most} pairs of world and policy. "
    )
    provenance = f"{progress}Random seed {about['seed']}, drawn after the code: {about['code']}."
    text = page_text(kept, about["repetitions"], provenance)
    write_files({folder / PAGE: text, folder / PICTURE: picture(kept)})


def _about(folder: Path, repetitions: int, seed: int | None) -> dict[str, Any]:
    """Seed, repetitions and code of the study of a folder, which is begun where there is none."""
    code = own_code()
    path = folder / ABOUT
    if not path.exists():
        about = {
            "seed": secrets.randbits(31) if seed is None else seed,
            "repetitions": repetitions,
            "code": code,
        }
        folder.mkdir(parents=True, exist_ok=True)
        write_file(path, json.dumps(about, indent=1) + "\n")
        return about
    about = _read_about(path)
    asked = {"seed": about["seed"] if seed is None else seed, "repetitions": repetitions, "code": code}
    for name, value in asked.items():
        if about[name] != value:
            raise ValueError(f"{path}: the study has {name} {about[name]}, not {value}; take another folder")
    return about


def _read_about(path: Path) -> dict[str, Any]:
    with refusing(path):
        about: dict[str, Any] = parse_json(read_file(path, 1 << 16), "it")
        check_keys(about, _KEYS, "it")
    return about


def read_rows(path: Path) -> list[AccuracyRow]:
    """Rows of completed cells, none where there is no file; ValueError where a row is damaged."""
    if not path.exists():
        return []
    with refusing(path):
        lines = list(csv.DictReader(io.StringIO(read_file(path, 16 << 20).decode())))
        rows = []
        for number, line in enumerate(lines, 1):
            if list(line) != list(AccuracyRow._fields) or None in line.values():
                raise ValueError(f"row {number} lacks a column of {', '.join(AccuracyRow._fields)}")
            kinds = (str, str, int, str, *[float] * (len(AccuracyRow._fields) - 4))
            with refusing(f"row {number}"):
                rows.append(
                    AccuracyRow(*(kind(value) for kind, value in zip(kinds, line.values(), strict=True)))
                )
    if len(rows) % (len(ESTIMATORS) + 1):
        raise ValueError(f"{path}: {len(rows)} rows are no whole number of cells")
    return rows


def _csv_text(rows: Sequence[AccuracyRow]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(AccuracyRow._fields)
    table.writerows([f"{cell:.6g}" if isinstance(cell, float) else cell for cell in row] for row in rows)
    return text.getvalue()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--repetitions", type=int, default=200, help="logs of each cell")
    parser.add_argument("--seed", type=int, help="of a new study; drawn otherwise")
    parser.add_argument("--page", action="store_true", help="only write the page of the cells that are there")
    given = parser.parse_args()
    if given.page:
        write_page(given.folder)
    else:
        run_study(given.folder, given.repetitions, given.seed)
