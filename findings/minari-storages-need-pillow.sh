#!/usr/bin/env bash
# Minari 0.5.4 cannot store or load any data set in an environment that its own extras made.
# Expected: `pip install "minari[hdf5,arrow,create]"` is enough to record with either storage.
# Seen: both storages import PIL, which no extra but the testing ones brings: "No module named 'PIL'".
# Mend for users: install pillow beside it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "minari[hdf5,arrow,create]==0.5.4"
"$folder/venv/bin/python" - <<'PY'
import importlib.metadata
import os
import tempfile

import gymnasium
import minari

print("minari", importlib.metadata.version("minari"), "gymnasium", gymnasium.__version__)
os.environ["MINARI_DATASETS_PATH"] = tempfile.mkdtemp()
seen = {}
for storage in ("hdf5", "arrow"):
    try:
        minari.DataCollector(gymnasium.make("CartPole-v1"), data_format=storage)
        seen[storage] = "works"
    except ModuleNotFoundError as error:
        seen[storage] = str(error)
print("expected: both work; seen:", seen)
raise SystemExit(0 if all("PIL" in text for text in seen.values()) else 1)
PY
