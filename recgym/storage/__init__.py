"""Stored files and folders: written atomically, and read with their checksums.

Writing: `whole_folder`, `write_file`, `write_files`, `remove`, `sweep`, `locked`. Reading: `Stored`, `read_file`,
`read_parquet`, `parse_json`.
"""

from recgym.storage.locks import is_vacant, locked, parents_made, sweep
from recgym.storage.parquet import read_parquet
from recgym.storage.read import MANIFEST, Stored, check_keys, parse_json, read_file, refusing, safe_name
from recgym.storage.write import (
    file_sha256,
    outer_folder,
    remove,
    whole_folder,
    write_arrays,
    write_file,
    write_files,
    write_json,
    write_manifest,
)

__all__ = [
    "MANIFEST",
    "Stored",
    "check_keys",
    "file_sha256",
    "is_vacant",
    "locked",
    "outer_folder",
    "parents_made",
    "parse_json",
    "read_file",
    "read_parquet",
    "refusing",
    "remove",
    "safe_name",
    "sweep",
    "whole_folder",
    "write_arrays",
    "write_file",
    "write_files",
    "write_json",
    "write_manifest",
]
