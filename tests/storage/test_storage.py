"""Folders and files: whole or not at all, also where the writer is killed; read with their checksums."""

import errno
import json
import os
import signal
import subprocess
import sys
import warnings

import numpy as np
import pytest

from recgym import storage
from recgym.sim.world import World
from recgym.storage import Stored, locked, whole_folder, write_file
from recgym.storage import write as writing


def fill(folder, text, names=("a.json", "inner/b.json")):
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps({"text": text}))


def texts(folder):
    stored = Stored(folder, "thing")
    return [stored.json(name)["text"] for name in stored.digests]


def entries(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_is_replaced_whole_and_keeps_what_others_put_there(tmp_path):
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


def test_where_filling_fails_the_old_folder_stays(tmp_path):
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
    """A limit on the size of files stands for a full disk."""
    (tmp_path / "page").write_text("old")
    words = [sys.executable, "-c", SMALL_DISK, str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    places = ["world/world.safetensors", "log", "page", "picture"]
    assert done.stdout.splitlines() == [f"File too large: {place}" for place in places], done.stderr
    assert entries(tmp_path) == ["page", "world"]
    assert (tmp_path / "page").read_text() == "old"
    assert World.load(tmp_path / "world").name == "synthetic-4"


def test_folders_made_for_one_that_fails_go_again(tmp_path):
    (tmp_path / "mine").mkdir()
    with pytest.raises(KeyError), whole_folder(tmp_path / "mine" / "a" / "b" / "f"):
        raise KeyError
    with pytest.raises(KeyError), locked(tmp_path / "x" / "f", ""), whole_folder(tmp_path / "x" / "f" / "g"):
        raise KeyError
    assert list(tmp_path.rglob("*")) == [tmp_path / "mine"]


@pytest.mark.parametrize(
    "write", [lambda place: write_file(place, "x"), lambda place: World.save(None, place)]
)
def test_where_nothing_can_be_made_no_hidden_name_is_shown(tmp_path, write):
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
def test_killed_at_any_step_it_leaves_the_old_or_the_new_folder(tmp_path, monkeypatch, can_exchange):
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


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
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


def test_a_living_writers_folder_is_not_swept(tmp_path):
    with whole_folder(tmp_path / "f") as work:
        fill(work, "first")
        assert storage.sweep(tmp_path) == 0
        with whole_folder(tmp_path / "f") as second:
            fill(second, "second")
    assert texts(tmp_path / "f") == ["first", "first"]
    (tmp_path / ".f.tmp-of-mine").mkdir()
    assert storage.sweep(tmp_path) == 0


def test_one_holder_of_a_folder(tmp_path):
    def second():
        with locked(tmp_path / "f", "f is being written"):
            pass

    with locked(tmp_path / "f", "held"), pytest.raises(ValueError, match="f is being written"):
        second()
    second()
    assert entries(tmp_path) == []
    (tmp_path / ".f.lock").touch()  # of a holder who was killed
    second()
    assert entries(tmp_path) == []


def test_a_removed_folder_is_gone_at_once(tmp_path):
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


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"[1]", "holds a JSON list, expected an object"),
        (b"{" + b'"a": {' * 100_000, "is not valid JSON"),
        (b'{"a": ' * 70 + b"1" + b"}" * 70, "is nested deeper than 64"),
        (b"{", "is not valid JSON: Expecting"),
        (b"\xff\xfe{", "is not valid JSON"),
        (b'{"a": 1' + b"0" * 5000 + b"}", "is not valid JSON"),
        (b'{"other": 1}', "x.json: a is missing"),
        (b'{"a": "1"}', "x.json: a is '1', expected int"),
    ],
)
def test_json_that_is_not_what_it_should_be(tmp_path, data, message):
    (tmp_path / "x.json").write_bytes(data)
    with pytest.raises(ValueError, match=message) as found:
        Stored(tmp_path, "thing").json("x.json", {"a": int})
    assert "\n" not in str(found.value)


def damaged_arrays():
    from safetensors.numpy import save

    whole = save({"a": np.arange(6, dtype=np.float32), "b": np.zeros(2, np.int32)})
    header = int.from_bytes(whole[:8], "little")
    yield "cut", whole[:-1], "is truncated or damaged: 15"
    yield "short", whole[:5], "is truncated or damaged"
    yield "longer", whole + b"\0", "is truncated or damaged"
    yield "header", (1 << 40).to_bytes(8, "little") + whole[8:], "its header does not fit"
    yield "names", whole[:8] + b"x" * header + whole[8 + header :], "is damaged"
    yield "shape", whole.replace(b'"shape":[6]', b'"shape":[7]'), "is damaged"
    yield "kind", whole.replace(b'"F32"', b'"F99"'), "is damaged"
    yield "nan", save({"a": np.array([1.0, np.nan])}), "a holds a number that is not finite"
    yield "inf", save({"a": np.array([1.0, -np.inf], np.float16)}), "a holds a number that is not finite"


@pytest.mark.parametrize(
    ("data", "message"), [pytest.param(*rest, id=name) for name, *rest in damaged_arrays()]
)
def test_damaged_arrays_are_refused(tmp_path, data, message):
    (tmp_path / "x.safetensors").write_bytes(data)
    with pytest.raises(ValueError, match=message) as found:
        Stored(tmp_path, "thing").arrays("x.safetensors")
    assert "x.safetensors" in str(found.value)
    assert "\n" not in str(found.value)


def test_sizes_are_checked_before_reading(tmp_path):
    with (tmp_path / "x.safetensors").open("wb") as file:
        file.truncate(1 << 40)  # a terabyte of nothing
    (tmp_path / "x.json").symlink_to("x.safetensors")
    for read in (Stored(tmp_path, "thing").arrays, Stored(tmp_path, "thing").json):
        with pytest.raises(ValueError, match=r"has 1,099,511,627,776 bytes, expected at most"):
            read("x.json")
    with (tmp_path / "x.safetensors").open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(ValueError, match="is damaged: it has no safetensors header"):
        Stored(tmp_path, "thing").arrays("x.safetensors")


def test_only_regular_files_inside_the_folder_are_read(tmp_path):
    (tmp_path / "outside.json").write_text("{}")
    folder = tmp_path / "f"
    folder.mkdir()
    os.mkfifo(folder / "pipe")
    (folder / "device").symlink_to("/dev/zero")
    (folder / "out").symlink_to("../outside.json")
    (folder / "loop").symlink_to("loop")
    (folder / "inner").mkdir()
    stored = Stored(folder, "thing")
    for name, message in {
        "pipe": "is not a regular file",
        "device": "is a link to a file outside the folder",
        "out": "is a link to a file outside the folder",
        "loop": "loop",
        "inner": "inner: Is a directory",
        "none": "f holds no thing: none is missing",
    }.items():
        with pytest.raises(ValueError, match=message):
            stored.read(name)
    for place in ("/dev/zero", tmp_path / "nowhere"):
        with pytest.raises(ValueError, match="holds no thing: it is not a folder"):
            Stored(place, "thing")


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", "", "a\\b", "c:x", "a\nb", 3, None])
def test_names_stay_inside_the_folder(tmp_path, name):
    with pytest.raises(ValueError, match="is not the name of a file inside the folder"):
        storage.safe_name(name, "run.json")


def test_checksums_find_every_change(tmp_path):
    with whole_folder(tmp_path / "f") as work:
        fill(work, "x")
    (tmp_path / "f" / "c.json").write_text("{}")
    with pytest.raises(ValueError, match=r"SHA256SUMS does not list c\.json"):
        Stored(tmp_path / "f", "thing").json("c.json")
    (tmp_path / "f" / "a.json").write_text('{"text": "y"}')
    with pytest.raises(ValueError, match=r"f/a\.json differs from its checksum"):
        Stored(tmp_path / "f", "thing").json("a.json")
    (tmp_path / "f" / "SHA256SUMS").write_text("nonsense\n")
    with pytest.raises(ValueError, match="SHA256SUMS: a line is not"):
        Stored(tmp_path / "f", "thing")
    (tmp_path / "f" / "SHA256SUMS").write_text(f"{'0' * 64}  ../x\n")
    with pytest.raises(ValueError, match=r"'\.\./x' is not the name of a file inside the folder"):
        Stored(tmp_path / "f", "thing")
