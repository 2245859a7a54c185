"""Atomic writing of folders and files, also of writers that are killed."""

import errno
import os
import signal
import subprocess
import sys
import warnings

import pytest
from stored_folders import entries, fill, texts

from recgym import storage
from recgym.sim.world import World
from recgym.storage import Stored, locked, whole_folder, write_file
from recgym.storage import write as writing


def test_a_folder_is_replaced_and_keeps_other_files(tmp_path):
    with whole_folder(tmp_path / "f") as work:
        fill(work, "old", ("a.json", "gone.json"))
    (tmp_path / "f" / "LICENSE").write_text("mine")
    (tmp_path / "f" / "notes").mkdir()
    (tmp_path / "f" / "notes" / "day").write_text("one")
    with whole_folder(tmp_path / "f", drop=("notes",)) as work:
        fill(work, "new")
    assert texts(tmp_path / "f") == ["new", "new"]
    assert entries(tmp_path / "f") == ["LICENSE", "SHA256SUMS", "a.json", "inner"]
    assert entries(tmp_path) == ["f"]
    done = subprocess.run(
        ["sha256sum", "-c", "SHA256SUMS"], cwd=tmp_path / "f", capture_output=True, text=True
    )
    assert done.stdout == "a.json: OK\ninner/b.json: OK\n"


def test_the_old_folder_is_kept_after_an_error(tmp_path):
    with whole_folder(tmp_path / "f") as work:
        fill(work, "old")

    def replace():
        with whole_folder(tmp_path / "f") as work:
            fill(work, "new")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match=r"No space left on device: .*/f'"):
        replace()
    assert texts(tmp_path / "f") == ["old", "old"]
    assert entries(tmp_path) == ["f"]
    with pytest.raises(OSError, match="File name too long"), whole_folder(tmp_path / ("f" * 250)):
        pass


SMALL_DISK = """
import resource, signal, sys
from pathlib import Path
from recgym.logs.sample import sample_log
from recgym.sim.synthetic import synthetic
from recgym.storage import write_file, write_files
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
root = Path(sys.argv[1])
world = synthetic(3, num_items=12, num_users=20)
log = sample_log(world, "random", 200, seed=3)
synthetic(4, num_items=12, num_users=20).save(root / "world")
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
for write in (
    lambda: world.save(root / "world"),
    lambda: log.write(root / "log"),
    lambda: write_file(root / "page", "x" * 1001),
    lambda: write_files({root / "page": "new", root / "picture": b"x" * 1001}),
):
    try:
        write()
    except OSError as error:
        print(f"{error.strerror}: {Path(error.filename).relative_to(root)}")
"""


def test_a_failed_write_names_the_place_and_the_systems_reason(tmp_path):
    """A limit on the size of files imitates a full disk."""
    (tmp_path / "page").write_text("old")
    words = [sys.executable, "-c", SMALL_DISK, str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    places = ["world/world.safetensors", "log", "page", "picture"]
    assert done.stdout.splitlines() == [f"File too large: {place}" for place in places], done.stderr
    assert entries(tmp_path) == ["page", "world"]
    assert (tmp_path / "page").read_text() == "old"
    assert World.load(tmp_path / "world").name == "synthetic-4"


def test_parent_folders_are_removed_after_an_error(tmp_path):
    (tmp_path / "mine").mkdir()
    with pytest.raises(KeyError), whole_folder(tmp_path / "mine" / "a" / "b" / "f"):
        raise KeyError
    with pytest.raises(KeyError), locked(tmp_path / "x" / "f", ""), whole_folder(tmp_path / "x" / "f" / "g"):
        raise KeyError
    assert list(tmp_path.rglob("*")) == [tmp_path / "mine"]


@pytest.mark.parametrize(
    "write", [lambda place: write_file(place, "x"), lambda place: World.save(None, place)]
)
def test_errors_show_no_hidden_name(tmp_path, write):
    place = tmp_path / ("f" * 250)
    with pytest.raises(OSError, match="File name too long") as caught:
        write(place)
    assert caught.value.filename == str(place)


def kill_at(count, work):
    """Run `work` in a process that dies before its step number `count`; whether it died."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads, which the child does not touch
        child = os.fork()
    if child == 0:
        left = [count]

        def steps_of(name, of):
            there = getattr(of, name)

            def stepped(*args, **kwargs):
                left[0] -= 1
                if left[0] < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return there(*args, **kwargs)

            setattr(of, name, stepped)

        for name in ("mkdir", "open", "fsync", "rename", "replace", "link", "unlink", "rmdir"):
            steps_of(name, os)
        steps_of("_exchange", writing)
        work()
        os._exit(0)
    return os.waitpid(child, 0)[1] == signal.SIGKILL


@pytest.mark.parametrize("can_exchange", [True, False])
def test_a_writer_killed_at_any_step_leaves_the_old_or_the_new_folder(tmp_path, monkeypatch, can_exchange):
    if not can_exchange:
        monkeypatch.setattr(writing, "_exchange", lambda one, other: False)
    place, seen = tmp_path / "f", set()

    def replace(text):
        with whole_folder(place) as work:
            fill(work, text)

    replace("old")
    (place / "LICENSE").write_text("mine")
    died, count = True, 0
    while died:
        died = kill_at(count, lambda: replace("new"))
        storage.sweep(tmp_path)
        assert (place / "LICENSE").read_text() == "mine"
        assert entries(tmp_path) == ["f"], count
        assert entries(place) == ["LICENSE", "SHA256SUMS", "a.json", "inner"]
        seen.add(tuple(texts(place)))
        replace("old")
        count += 1
    assert count > 20
    assert seen == {("old", "old"), ("new", "new")}


def test_a_file_is_written_atomically(tmp_path):
    place = tmp_path / "x.txt"
    write_file(place, "old")
    place.chmod(0o640)
    (tmp_path / "link").symlink_to(place)
    died, count = True, 0
    while died:
        died = kill_at(count, lambda: write_file(place, b"new"))
        assert place.read_text() in ("old", "new")
        write_file(tmp_path / "link", "old")
        assert entries(tmp_path) == ["link", "x.txt"]
        count += 1
    assert count > 3
    assert (tmp_path / "link").is_symlink()
    assert place.stat().st_mode & 0o777 == 0o640
    with pytest.raises(ValueError, match="/dev/null is not a regular file"):
        write_file("/dev/null", "x")


def test_a_folder_is_removed_atomically(tmp_path):
    with whole_folder(tmp_path / "f") as work:
        fill(work, "x")
    died, count = True, 0
    while died:
        died = kill_at(count, lambda: storage.remove(tmp_path / "f"))
        if (tmp_path / "f").exists():
            assert texts(tmp_path / "f") == ["x", "x"]
        storage.sweep(tmp_path)
        count += 1
    assert entries(tmp_path) == []


@pytest.mark.parametrize("folder", ["", " ", None, 3])
def test_a_folder_must_be_named(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"folder is .*, expected the path"), whole_folder(folder):
        pass
    with pytest.raises(ValueError, match=r"folder is .*, expected the path"):
        Stored(folder, "world")


def test_no_folder_is_written_inside_a_stored_one(tmp_path):
    with whole_folder(tmp_path / "world") as work:
        (work / "world.json").write_text("{}")
    for inner in ("sub", "sub/more"):
        with (
            pytest.raises(ValueError, match=r"is inside .*world, a stored folder, expected one beside it"),
            whole_folder(tmp_path / "world" / inner),
        ):
            pass
    assert entries(tmp_path / "world") == ["SHA256SUMS", "world.json"]
    with whole_folder(tmp_path / "world" / "checkpoint", is_part=True) as work:
        (work / "state.json").write_text("{}")
    (tmp_path / "SHA256SUMS").write_text("")  # of another program
    with whole_folder(tmp_path / "other") as work:
        (work / "world.json").write_text("{}")
