#!/usr/bin/env bash
# pyarrow 26.0.1: a filter loses rows with NaN when it reads a Parquet file that pyarrow itself wrote.
# Expected: read_table(file, filters=f) has the rows of read_table(file).filter(f); the format says that readers which
# look for NaN must ignore min and max (parquet.thrift, ColumnOrder).
# Seen: min and max of a row group leave NaN out, and the reader takes them for a bound on all rows. Where the column is
# otherwise constant (the weight of a click), is_nan finds nothing and "not 1" finds nothing; where it is not, "not at
# most 5" finds nothing. So a check of a log for missing weights passes.
# Mend for users: read first and filter the table, or write with write_statistics=False.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pyarrow==26.0.1
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

NAN = float("nan")
log = pa.table({"weight": [1.0, NAN, 1.0, NAN], "rating": [1.0, NAN, 2.0, 3.0]})
pq.write_table(log, "log.parquet")
pq.write_table(log, "plain.parquet", write_statistics=False)
weight, rating = pc.field("weight"), pc.field("rating")
filters = {
    "is_nan(weight)": pc.is_nan(weight),
    "weight != 1": weight != 1.0,
    "not (rating <= 5)": ~(rating <= 5.0),
}
print("pyarrow", pa.__version__)
wrong = 0
for name, condition in filters.items():
    expected = pq.read_table("log.parquet").filter(condition).num_rows
    seen = pq.read_table("log.parquet", filters=condition).num_rows
    plain = pq.read_table("plain.parquet", filters=condition).num_rows
    print(f"{name}: expected {expected} rows; seen {seen}; without statistics {plain}")
    wrong += seen == 0 and expected > 0 and plain == expected
raise SystemExit(0 if wrong == len(filters) else 1)
PY
