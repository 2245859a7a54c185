"""Reader of Steam reviews: Python dicts, repeated lines, and errors."""

from log_layouts import changed, named, refused, write
from public_layouts import LAYOUTS

from recgym.logs import read_log, validate

FILES = LAYOUTS["steam"]


def test_steam(tmp_path):
    log = read_log(write(tmp_path, FILES))
    rows = named(log)
    assert (rows["user"], rows["item"]) == (["Ari", "Chaos"], ["328100", "725280"])
    assert rows["time"] == [1501632000000, 1513468800000]
    assert log.duplicates == 1
    assert validate(log) == []


def test_steam_errors_name_the_row(tmp_path):
    folder = write(
        tmp_path, changed(FILES, "steam_reviews.json", "u'date': u'2017-12-17'", "u'day': u'2017-12-17'")
    )
    assert refused(folder) == "steam_reviews.json, row 1, date: a value is needed; found nothing"
    folder = write(tmp_path, changed(FILES, "steam_reviews.json", "u'hours': 0.1", "u'hours': exit()"))
    assert refused(folder).startswith("steam_reviews.json, row 1: a line must be one JSON object")
