"""Random damage to the files of a stored folder."""

import json
import os

import numpy as np
from safetensors.numpy import load, save

from recgym.storage import MANIFEST, write_manifest

JUNK = (None, -1, 2**63, 1e308, float("nan"), "x", "../../x", [], {}, [[[]]], True, 10**12)


def flip(rng, file, root):
    data = bytearray(file.read_bytes())
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    file.write_bytes(data)


def cut(rng, file, root):
    data = file.read_bytes()
    file.write_bytes(data[: rng.randrange(len(data) + 1)])


def lengthen(rng, file, root):
    with file.open("r+b") as open_file:
        open_file.truncate(file.stat().st_size + rng.choice((1, 1000, 1 << 31, 1 << 41)))


def lose(rng, file, root):
    file.unlink()


def swap(rng, file, root):
    other = rng.choice([path for path in root.rglob("*") if path.is_file()])
    data = file.read_bytes()
    file.write_bytes(other.read_bytes())
    other.write_bytes(data)


def rename(rng, file, root):
    file.rename(file.with_name("x" + file.name))


def odd_file(rng, file, root):
    file.unlink()
    how = rng.randrange(4)
    if how == 0:
        os.mkfifo(file)
    elif how == 1:
        file.mkdir()
    else:
        file.symlink_to(("/dev/zero", "/etc/passwd")[how - 2])


def rename_folder(rng, file, root):
    if file.parent != root:
        file.parent.rename(file.parent.with_name("x" + file.parent.name))
    else:
        lose(rng, file, root)


def edit_json(rng, file, root):
    files = [path for path in root.rglob("*.json") if path.name != "curve.json"]
    file = rng.choice(files)
    about = json.loads(file.read_text())
    place = about
    while True:
        key = rng.choice(list(place) if isinstance(place, dict) else range(len(place)))
        if not isinstance(place[key], dict | list) or not place[key] or rng.random() < 0.3:
            break
        place = place[key]
    junk = rng.choice(JUNK)
    if rng.random() < 0.1:
        junk = json.loads("[" * 200 + "]" * 200)
    place[key] = junk
    if rng.random() < 0.1:
        del place[key]
    file.write_text(rng.choice((json.dumps(about), json.dumps([about]), "null", "{" * 5000)) if rng.random() < 0.2
                    else json.dumps(about))  # fmt: skip


def edit_array(rng, file, root):
    files = list(root.rglob("*.safetensors"))
    if not files:
        return edit_json(rng, file, root)
    file = rng.choice(files)
    arrays = {name: array.copy() for name, array in load(file.read_bytes()).items()}
    name = rng.choice(sorted(arrays))
    array, how = arrays[name], rng.randrange(6)
    if how == 0:
        del arrays[name]
    elif how == 1:
        arrays[name] = np.concatenate([array.ravel(), array.ravel()])
    elif how == 2:
        arrays[name] = array.astype(rng.choice((np.float64, np.int8, np.bool_)))
    elif array.size and array.dtype.kind in "iu":
        info = np.iinfo(array.dtype)
        values = [
            value for value in (info.min, info.max, -1, 20, 12, 1000, -5) if info.min <= value <= info.max
        ]
        array.flat[rng.randrange(array.size)] = rng.choice(values)
    elif array.size and array.dtype.kind == "f":
        array.flat[rng.randrange(array.size)] = rng.choice((np.nan, np.inf, -np.inf, 60000.0, -60000.0))
    elif array.size:
        array.flat[rng.randrange(array.size)] ^= True
    file.write_bytes(save({name: np.asarray(array, order="C") for name, array in arrays.items()}))
    return None


PLAIN = (flip, flip, flip, cut, lengthen, lose, swap, rename, odd_file, rename_folder, edit_json, edit_array)
DEEP = (edit_json, edit_array, edit_array)  # and the checksums are recomputed


def harm(rng, folder):
    """Damages a folder; returns the change, and whether the checksums were recomputed."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")
    is_deep = rng.random() < 0.4
    how = rng.choice(DEEP if is_deep else PLAIN)
    how(rng, rng.choice(files), folder)
    if is_deep:
        for manifest in sorted(folder.rglob(MANIFEST), key=lambda path: -len(path.parts)):
            write_manifest(manifest.parent)
    return how.__name__, is_deep
