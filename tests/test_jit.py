"""The cache of machine code: shared by virtual environments, robust to damage, full disks and missing rights."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
KERNEL = "from recgym.rng import uniform; print(uniform(7, 0, 1, 0))"
SAID = "recgym: compiling, kept for the next time (up to half a minute)"


@pytest.fixture(scope="module")
def copies(tmp_path_factory):
    """The package installed twice, as in two virtual environments."""
    places = []
    for name in ("a", "b"):
        place = tmp_path_factory.mktemp("installed") / name
        shutil.copytree(ROOT / "recgym", place / "recgym", ignore=shutil.ignore_patterns("*.safetensors"))
        for file in place.rglob("*.py"):
            os.utime(file, (1_600_000_000, 1_600_000_000 + ord(name)))
        places.append(place)
    return places


def compiled(place, code=KERNEL, **env):
    """Stdout and stderr of a process of the installed copy."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(place), **{k: str(v) for k, v in env.items()}},
        cwd=place,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout, done.stderr


@pytest.mark.slow
def test_virtual_environments_share_the_cache_and_one_line_is_printed(copies, tmp_path):
    first, second = copies
    out, err = compiled(first, RECGYM_CACHE=tmp_path)
    assert err == SAID + "\n"
    assert compiled(first, RECGYM_CACHE=tmp_path) == (out, "")
    assert compiled(second, RECGYM_CACHE=tmp_path) == (out, "")


def test_an_edit_of_a_source_compiles_again(copies, tmp_path):
    first, _ = copies
    compiled(first, RECGYM_CACHE=tmp_path / "cache")
    shutil.copytree(first / "recgym", tmp_path / "recgym")
    with (tmp_path / "recgym" / "sim" / "session.py").open("a") as file:
        file.write("# edited\n")
    assert compiled(tmp_path, RECGYM_CACHE=tmp_path / "cache")[1] == SAID + "\n"


@pytest.mark.slow
def test_a_damaged_cache_compiles_again(copies, tmp_path):
    first, _ = copies
    out, _ = compiled(first, RECGYM_CACHE=tmp_path)
    files = [file for file in tmp_path.rglob("*.nb?") if file.is_file()]
    assert files
    for file in files:
        file.write_bytes(file.read_bytes()[:40])
    assert compiled(first, RECGYM_CACHE=tmp_path) == (out, SAID + "\n")
    assert compiled(first, RECGYM_CACHE=tmp_path) == (out, "")


@pytest.mark.slow
def test_a_cache_that_is_not_writable_falls_back_in_one_line(copies, tmp_path):
    first, _ = copies
    (tmp_path / "file").write_text("")
    (tmp_path / "tmp").mkdir()
    taken = tmp_path / "file" / "cache"
    out, err = compiled(first, RECGYM_CACHE=taken, TMPDIR=tmp_path / "tmp")
    assert err.startswith(SAID + f"; kept in {tmp_path / 'tmp'}")
    assert err.endswith(f", because {taken} is not writable\n")
    assert compiled(first, RECGYM_CACHE=taken, TMPDIR=tmp_path / "tmp") == (out, "")
    assert compiled(first, HOME=tmp_path / "file", TMPDIR=tmp_path / "tmp") == (out, "")


def test_without_a_writable_folder_there_is_no_cache(copies, tmp_path):
    code = "import recgym.jit as jit, pathlib\nassert jit._FOLDER is None, jit._FOLDER\n" + KERNEL
    (tmp_path / "file").write_text("")
    patched = f"import tempfile; tempfile.gettempdir = lambda: {str(tmp_path / 'file')!r}\n" + code
    out, err = compiled(copies[0], patched, RECGYM_CACHE=tmp_path / "file" / "cache")
    assert float(out) < 1
    assert err == SAID + f"; again at the next start, because {tmp_path / 'file' / 'cache'} is not writable\n"


def test_a_full_disk_compiles_and_warns_in_one_line(copies, tmp_path):
    full = (
        "from numba.core import caching\n"
        "def save(self, key, data): raise OSError(28, 'No space left on device')\n"
        "caching.IndexDataCacheFile.save = save\n"
    )
    out, err = compiled(copies[0], full + KERNEL, RECGYM_CACHE=tmp_path)
    assert float(out) < 1
    first, *more = err.splitlines()
    assert first == SAID
    assert len(more) == 1
    assert more[0].startswith(f"recgym: compiled code is not kept: {tmp_path}")
    assert more[0].endswith(": No space left on device")
