import os
from pathlib import Path

import pytest
from turns import slow_first

# One thread a process, of NumPy, PyTorch and those that tests start: where pytest-xdist has a process for each core,
# several wait for one another much longer than one works. A test of more threads sets their number.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Give each process a contiguous part of the tests; one that has ended takes tests of another.

    Tests of a file then share its fixtures, and no process waits for a late long test of another.
    """
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log) if config.getoption("dist") == "load" else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    """Slow tests first in the part of each process: at the end the short ones are left to share."""
    count = getattr(config, "workerinput", {}).get("workercount", 1)
    if count > 1:
        items[:] = slow_first(
            items,
            count,
            lambda item: item.path.parent,
            lambda item: item.path,
            lambda item: item.get_closest_marker("slow"),
        )


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Folder of the real logs; the test skips where it is absent."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("RECGYM_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"the real logs are not at {folder}; RECGYM_DATA names their folder")
    return folder


@pytest.fixture(scope="session")
def world():
    """A world whose ids are in another order than its indices."""
    from own_logs import own_world

    return own_world()


@pytest.fixture(scope="session")
def drawn(world):
    """A log of the world under uniformly random slates."""
    from recgym.logs import sample_log

    return sample_log(world, "random", 300, 5)


@pytest.fixture
def run(capsys, monkeypatch):
    """Run a command in this process: exit code, stdout, stderr without the line of a first compilation."""
    monkeypatch.setattr("recgym.jit._Notice.is_said", True)

    from recgym.cli.main import main

    def call(*arguments):
        with pytest.raises(SystemExit) as stopped:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return stopped.value.code, out, err

    return call
