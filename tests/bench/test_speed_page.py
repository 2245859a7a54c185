"""The page of measured speed."""

import json

from recgym.bench.speed import Speed
from recgym.bench.speed_page import PeerSpeed, speed_record, write_speed

ROWS = [
    Speed("recgym/Content-v1", 500, 32, 32, 20, 123, 1, 200_000.0, 3e6, 5e6, 8e7),
    Speed("Gymnasium CartPole-v1", 2, 0, 0, 0, 4, 1, 100_000.0, 12e6, None),
]
PEERS = [
    PeerSpeed("other", "1.2", 100, 2, 5_000.0),
    PeerSpeed("broken", None, 5, 1, None, "does not install: x"),
]


def test_a_record_has_ratios_of_one_run(tmp_path):
    write_speed(tmp_path / "speed", speed_record(ROWS, 0.5, "cuda:0", PEERS))
    record = json.loads((tmp_path / "speed" / "speed.json").read_text())
    assert record["rows"][0]["of_cartpole"] == 2.0
    assert record["rows"][0]["of_vector"] == 0.25
    assert {"machine", "versions", "git", "seconds", "device"} <= record.keys()
    page = (tmp_path / "speed" / "README.md").read_text()
    assert (
        "| recgym/Content-v1 | 500 | 1 | 200,000 | 2.00 | 3,000,000 | 0.25 | 5,000,000 | 80,000,000 |" in page
    )
    assert "| other 1.2 | 100 | 2 | 5,000 |" in page
    assert "| broken | 5 | 1 | does not install: x |" in page


def test_without_a_device_there_is_no_column_of_it(tmp_path):
    write_speed(tmp_path, speed_record(ROWS, 0.5, "cpu"))
    page = (tmp_path / "README.md").read_text()
    assert "| 5,000,000 |\n" in page
    assert "Other libraries" not in page
