"""Reader of FINN.no slates: items, positions, clicks or none, groups, parts of the set, and errors."""

import numpy as np
from log_layouts import named, refused, write
from public_layouts import FINN, LAYOUTS, npz

from recgym.logs import finn, read_log, validate

FILES = LAYOUTS["finn"]


def test_finn(tmp_path, monkeypatch):
    log = read_log(write(tmp_path, FILES))
    rows = named(log)
    assert rows["user"] == ["7", "7", "7", "5", "5"]
    assert rows["item"] == ["3", "4", "5", "3", "4"]
    assert rows["click"] == [False, True, False, True, False]
    assert (rows["step"], rows["position"]) == ([0, 0, 1, 1, 1], [0, 1, 0, 0, 1])
    assert rows["context_interaction_type"] == [1, 1, 2, 2, 2]
    assert log.items["category"].to_pylist() == ["JOB,Rogaland", "BAP,Oslo", "group 300"]
    assert log.remarks[0] == "data.npz: 1 slates without their clicked item left out"
    assert validate(log) == []
    monkeypatch.setattr(finn, "CHUNK_USERS", 1)
    assert read_log(tmp_path).rows.equals(log.rows)
    assert named(read_log(tmp_path, users=1))["item"] == ["3", "4", "5"]


def test_finn_errors_name_the_array(tmp_path):
    assert refused(write(tmp_path, FILES), users=0) == "users must be a number above 0; it is 0"
    for change, message in (
        (
            {"click": np.array([[4, 1]])},
            "data.npz: arrays of the same users and steps are needed; found userId",
        ),
        (
            {"slate": FINN["slate"][0]},
            "data.npz, slate: whole numbers of 3 dimensions are needed; found (3, 3) int32",
        ),
        ({"click": np.array(["a"])}, "data.npz, click: whole numbers of 2 dimensions are needed"),
    ):
        assert refused(write(tmp_path, FILES | {"data.npz": npz(**(FINN | change))})).startswith(message)
    lacking = {name: array for name, array in FINN.items() if name != "slate"}
    assert refused(write(tmp_path, FILES | {"data.npz": npz(**lacking)})).startswith(
        "data.npz: there is no array slate"
    )
    assert refused(write(tmp_path, FILES | {"data.npz": FILES["data.npz"][:300]})).startswith(
        "data.npz: not a readable file of numpy arrays"
    )


def test_finn_has_one_group_of_each_item(tmp_path):
    message = "itemattr.npz: a group of each item is needed; it has {0}, and there is an item 5"
    for count in (0, 2, 5):
        folder = write(tmp_path, FILES | {"itemattr.npz": npz(category=np.zeros(count, np.int64))})
        assert refused(folder) == message.format(count)
    twice = '{"category": {"1": "a", "1": "b"}}'
    assert refused(write(tmp_path, FILES | {"ind2val.json": twice})).startswith(
        "ind2val.json: JSON with the names"
    )


def test_groups_are_the_array_of_that_name_and_missing_files_are_told(tmp_path):
    groups = np.array([0, 0, 0, 287, 12, 300])
    two = npz(aid=np.arange(6), category=groups)
    assert read_log(write(tmp_path, FILES | {"itemattr.npz": two})).items["category"].to_pylist() == [
        "JOB,Rogaland",
        "BAP,Oslo",
        "group 300",
    ]
    assert refused(write(tmp_path, FILES | {"itemattr.npz": npz(aid=groups)})) == (
        "itemattr.npz: there is no array category; it has aid.npy"
    )
    write(tmp_path, FILES)
    (tmp_path / "ind2val.json").unlink()
    log = read_log(tmp_path)
    assert log.items["category"].to_pylist() == ["group 287", "group 12", "group 300"]
    assert "there is no file ind2val.json: categories are the numbers of groups" in log.remarks
    write(tmp_path, FILES)
    (tmp_path / "itemattr.npz").unlink()
    log = read_log(tmp_path)
    assert "category" not in log.items.column_names
    assert "there is no file itemattr.npz: items have no category" in log.remarks


def test_numbers_below_0_and_no_users_are_refused(tmp_path):
    for field, at in (("click", (1, 1)), ("slate", (1, 1, 2))):
        array = FINN[field].copy()
        array[at] = -1
        folder = write(tmp_path, FILES | {"data.npz": npz(**(FINN | {field: array}))})
        assert refused(folder) == f"data.npz, row 2, {field}: a number of 0 or above is needed; found -1"
    none = {name: array[:0] for name, array in FINN.items()}
    assert refused(write(tmp_path, FILES | {"data.npz": npz(**none)})) == "data.npz: there are no users"


def test_a_clicked_item_at_two_places_is_told(tmp_path):
    slate = FINN["slate"].copy()
    slate[0, 0] = [1, 4, 4]
    log = read_log(write(tmp_path, FILES | {"data.npz": npz(**(FINN | {"slate": slate}))}))
    assert (
        "data.npz: 1 slates show a chosen item more than once: each of its places has the response"
        in log.remarks
    )
