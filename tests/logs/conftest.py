import pytest
from log_files import LISTENS, tiny, write


@pytest.fixture
def stored(tmp_path):
    tiny().write(tmp_path / "log")
    return tmp_path / "log"


@pytest.fixture
def listens(tmp_path):
    return write(tmp_path / "listens.csv", LISTENS)
