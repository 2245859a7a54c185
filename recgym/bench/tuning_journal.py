"""The journal of a search, for Optuna: one line for each operation, with a digest of it and of all lines before it.

Optuna's own file has no digest, so that a changed digit would be another result, and a line that was cut off by a kill
would spoil the next one. Only one process writes here: the folder of a search is locked.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recgym.storage.read import read_file

DIGEST_DIGITS = 32
MAX_BYTES = 256 << 20


class CheckedJournal:
    """Backend of `optuna.storages.JournalStorage`.

    Raises:
        ValueError: a line was changed or removed; the last one may be incomplete, and is dropped.
    """

    def __init__(self, path: Path, place: str) -> None:
        self._path, self._digest, self._logs = path, "", list[dict[str, Any]]()
        data = read_file(path, MAX_BYTES) if path.exists() else b""
        whole, _, rest = data.rpartition(b"\n")
        for number, line in enumerate(whole.split(b"\n") if whole else [], 1):
            digest, _, text = line.decode("utf-8", "replace").partition(" ")
            if digest != self._next(text):
                raise ValueError(f"{place}: line {number} of {path.name} is damaged; name another folder")
            self._digest = digest
            self._logs.append(json.loads(text))
        if rest:
            os.truncate(path, len(data) - len(rest))

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """Operations from a number on."""
        yield from self._logs[log_number_from:]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Add operations."""
        lines = []
        for log in logs:
            text = json.dumps(log, separators=(",", ":"))
            self._digest = self._next(text)
            lines.append(f"{self._digest} {text}\n")
        with self._path.open("ab") as file:
            file.write("".join(lines).encode())
            file.flush()
            os.fsync(file.fileno())
        self._logs += logs

    def _next(self, text: str) -> str:
        return hashlib.sha256(f"{self._digest}\n{text}".encode()).hexdigest()[:DIGEST_DIGITS]
