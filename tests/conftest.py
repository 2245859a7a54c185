import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Folder of the real logs; the test skips where it is absent."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("RECGYM_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"the real logs are not at {folder}; RECGYM_DATA names their folder")
    return folder
