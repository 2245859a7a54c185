"""Problems of a file: every bad row is named, in the order of the file."""

import pytest
from log_files import write

from recgym.logs import LogError, read_log

AT = 1_600_000_000
FAULTS = {1: ("user", ""), 3: ("time", "yesterday"), 5: ("propensity", "1.7"), 6: ("price", "free")}


def faulty(rows=40) -> tuple[str, list[int]]:
    """A table with a fault of some kind in half of its rows, and the numbers of these."""
    lines, bad = ["user,item,time,propensity,price"], []
    for row in range(rows):
        cells = {
            "user": f"u{row % 7}",
            "item": f"i{row}",
            "time": AT + 60 * row,
            "propensity": 0.5,
            "price": 9,
        }
        key, cell = FAULTS.get(row % 8, ("item", cells["item"]))
        bad += [row + 2] if row % 8 in FAULTS else []
        lines.append(",".join(str(value) for value in (cells | {key: cell}).values()))
    return "\n".join(lines) + "\n", bad


def test_validate_lists_every_bad_row_of_every_kind_in_the_order_of_the_file(tmp_path, run):
    text, bad = faulty()
    path = write(tmp_path / "t.csv", text)
    code, out, _ = run("validate", path, "--domain", "ecommerce")
    assert code == 2
    assert [int(line.split("row ")[1].split(",")[0]) for line in out.splitlines()] == bad
    with pytest.raises(LogError, match=r"^t.csv, row 3, user: a value is needed") as error:
        read_log(path, domain="ecommerce")
    assert [problem.row for problem in error.value.problems] == bad
    assert str(error.value).endswith(f"(and {len(bad) - 1} more)")


def test_rules_of_a_log_and_several_files_are_in_their_order_too(tmp_path):
    for name in ("b10.csv", "b2.csv"):
        rows = "".join(f"{user},i{k},{k},0\n" for k, user in enumerate("zzyyxx"))
        write(tmp_path / name, "user,item,session,propensity\n" + rows.replace("0,0\n", "0,0.5\n"))
    with pytest.raises(LogError) as error:
        read_log(tmp_path, domain="social")
    found = [(problem.file, problem.row) for problem in error.value.problems]
    assert found == sorted(found, key=lambda place: (int(place[0][1:-4]), place[1]))
    assert len(found) == 10


def test_rows_of_an_unknown_word_are_named(tmp_path):
    def said(words):
        rows = "".join(f"u{k},i,{AT + k},{word}\n" for k, word in enumerate(words))
        with pytest.raises(LogError) as error:
            read_log(write(tmp_path / "t.csv", f"user,item,time,event\n{rows}"), domain="ecommerce")
        return str(error.value)

    assert said(["view", "wiev", "view", "wiev"]).endswith(
        "found 'wiev', and alike in 2 of 4 rows: rows 3, 5"
    )
    named = ", ".join(str(row) for row in range(3, 15))
    assert said(["view", *["wiev"] * 20]).endswith(f"and alike in 20 of 21 rows: rows {named}, ...")
