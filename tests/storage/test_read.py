"""Stored files: checks of size, place, form and checksum."""

import os

import numpy as np
import pytest
from stored_folders import fill

from recgym import storage
from recgym.storage import Stored, whole_folder


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
        (b'{"a": true}', "x.json: a is True, expected int"),
        (b'{"a": 9223372036854775808}', "x.json: a is 9223372036854775808, expected int of 64 bits"),
    ],
)
def test_invalid_json_is_refused(tmp_path, data, message):
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
    for place, why in (
        ("/dev/zero", "it is not a folder"),
        (tmp_path / "nowhere", "there is no such folder"),
    ):
        with pytest.raises(ValueError, match=f"holds no thing: {why}"):
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
