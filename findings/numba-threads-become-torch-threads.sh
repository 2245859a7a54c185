#!/usr/bin/env bash
# numba 0.68.1 asked for its number of threads starts its pool, which sets OpenMP's number for PyTorch 2.13.0, too.
# Expected: in a process with OMP_NUM_THREADS=1, torch keeps one thread, however many numba's kernels use.
# Seen: torch.get_num_threads() goes from 1 to NUMBA_NUM_THREADS. Where there is a process a core, each then trains on
# all cores and waits for the others. Mend: start numba's pool early, then set the number of torch's threads again.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0
"$folder/venv/bin/pip" install --quiet numba==0.68.1 numpy==2.4.6
OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=2 NUMBA_THREADING_LAYER=omp "$folder/venv/bin/python" - <<'PY'
import numba
import torch

before = torch.get_num_threads()
own = numba.get_num_threads()
after = torch.get_num_threads()
torch.set_num_threads(before)
mended = torch.get_num_threads(), numba.get_num_threads()
print("numba", numba.__version__, "torch", torch.__version__)
print(f"expected: torch has {before} thread before and after; seen: {before}, then {after} (numba {own})")
raise SystemExit(0 if (before, own, after) == (1, 2, 2) and mended == (1, 2) else 1)
PY
