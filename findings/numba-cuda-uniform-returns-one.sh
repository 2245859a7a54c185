#!/usr/bin/env bash
# numba 0.68.1: xoroshiro128p_uniform_float32, for random draws in CUDA kernels, returns exactly 1.
# Expected: a number in [0, 1), as its docstring says.
# Seen: 1.0 in one draw of 2^25 (33.6 million): 53 bits are rounded to the nearest float32. A kernel that draws an item
# by int(u * num_items) then reads past the table; one that takes log(1 - u) gets -inf. The function is plain numba and
# runs on the CPU here; no GPU is needed. (numba issue 10810; numba-cuda has the same.)
# Mend for users: xoroshiro128p_uniform_float64, or min(index, num_items - 1).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numba==0.68.1
"$folder/venv/bin/python" - <<'PY'
import numba
import numpy as np
from numba.cuda.random import (
    init_xoroshiro128p_states_cpu,
    xoroshiro128p_dtype,
    xoroshiro128p_uniform_float32,
    xoroshiro128p_uniform_float64,
)

DRAWS = 500_000_000


@numba.njit
def ones(states, draws):
    """How often each function returns 1."""
    single = double = 0
    for _ in range(draws):
        single += xoroshiro128p_uniform_float32(states, 0) >= 1.0
    for _ in range(draws // 10):
        double += xoroshiro128p_uniform_float64(states, 0) >= 1.0
    return single, double


states = np.zeros(1, xoroshiro128p_dtype)
init_xoroshiro128p_states_cpu(states, np.uint64(7), np.uint64(0))
single, double = ones(states, DRAWS)
print("numba", numba.__version__)
print(f"expected: 0 times 1.0 in {DRAWS:,} draws; seen: {single} (rounding makes {DRAWS / 2**25:.1f} on average)")
print(f"float64: {double} in {DRAWS // 10:,}")
raise SystemExit(0 if 0 < single < 40 and double == 0 else 1)
PY
