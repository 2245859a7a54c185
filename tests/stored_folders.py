"""Folders of small JSON files, and writers that are killed."""

import json

from recgym.storage import Stored


def fill(folder, text, names=("a.json", "inner/b.json")):
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps({"text": text}))


def texts(folder):
    stored = Stored(folder, "thing")
    return [stored.json(name)["text"] for name in stored.digests]


def entries(folder):
    return sorted(path.name for path in folder.iterdir())
