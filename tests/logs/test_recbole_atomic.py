"""Reader of RecBole's atomic files: fields by name and type, a map, parts, and errors."""

from log_layouts import changed, named, refused, write
from public_layouts import LAYOUTS

from recgym.logs import read_log, validate

FILES = LAYOUTS["recbole"]
INTER = "ml-100k/ml-100k.inter"


def test_atomic_files(tmp_path):
    log = read_log(write(tmp_path, FILES), domain="content")
    rows = named(log)
    assert (rows["user"], rows["item"]) == (["196", "196", "186"], ["242", "302", "302"])
    assert (rows["rating"], rows["click"]) == ([3.0, 5.0, 4.0], [False, True, True])
    assert rows["time"] == [881250949000, 881250950000, 891717742000]
    assert log.items["category"].to_pylist() == ["Comedy", "Crime"]
    assert validate(log) == []


def test_atomic_files_of_other_fields_and_in_parts(tmp_path):
    head = "session_id:token\tproduct:token\tlabel:float\n"
    texts = {"x.train.inter": f"{head}1\ta\t1\n1\tb\t0\n", "x.valid.inter": f"{head}2\ta\t1\n"}
    log = read_log(write(tmp_path, texts), domain="ecommerce", source="recbole")
    assert (named(log)["user"], named(log)["item"]) == (["1", "1", "2"], ["a", "b", "a"])
    assert named(log)["click"] == [True, False, True]  # all rows were responses
    mapping = "user=session_id:token,item=product:token,click=label:float"
    log = read_log(tmp_path, domain="ecommerce", source="recbole", mapping=mapping)
    assert named(log)["click"] == [True, False, True]


def test_two_sets_in_a_folder_are_not_one(tmp_path):
    head = "user_id:token\titem_id:token\n"
    folder = write(tmp_path, {"a/a.inter": head + "1\tx\n", "b/b.inter": head + "1\ty\n"})
    assert refused(folder, domain="content").endswith(
        "holds several data sets, a/a.inter, b/b.inter; name the files of one"
    )
    log = read_log([folder / "a/a.inter", folder / "b/b.inter"], domain="content", source="recbole")
    assert named(log)["item"] == ["x", "y"]  # named one by one


def test_a_label_is_the_response_whatever_the_rating(tmp_path):
    text = "user_id:token\titem_id:token\trating:float\tlabel:float\n1\ta\t5\t0.0\n1\tb\t1\t1.0\n"
    log = read_log(write(tmp_path, {"x.inter": text}), domain="social")
    assert named(log)["listen"] == [False, True]
    assert any("columns not read: rating:float" in remark for remark in log.remarks)


def test_atomic_files_errors_name_the_row(tmp_path):
    folder = write(tmp_path, FILES)
    assert refused(folder).endswith("atomic files need a domain, ecommerce, content, social; it is None")
    folder = write(tmp_path, changed(FILES, INTER, "302\t4\t", "302\tfour\t"))
    assert (
        refused(folder, domain="content") == f"{INTER}, row 3, rating:float: a number is needed; found 'four'"
    )
    folder = write(tmp_path, changed(FILES, INTER, "user_id:token", "user_id"))
    assert refused(folder, domain="content").startswith(
        f"{INTER}, row 1: two fields as user_id:token, item_id:token"
    )
