"""The address auto of a Ray cluster that has died: Ray would wait there for ever."""

import socket

import pytest

from recgym.bench.ray_pool import require_cluster


@pytest.mark.parametrize("known_by", ["environment", "file"])
def test_auto_of_a_dead_cluster_is_refused(known_by, monkeypatch, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = f"127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.delenv("RAY_ADDRESS", raising=False)
        monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
        require_cluster("auto")  # none is known: Ray says so
        if known_by == "environment":
            monkeypatch.setenv("RAY_ADDRESS", place)
        else:
            (tmp_path / "ray").mkdir()
            (tmp_path / "ray" / "ray_current_cluster").write_text(place)
        require_cluster("auto")
    with pytest.raises(ValueError, match=f"^--address auto: no Ray cluster at {place}: "):
        require_cluster("auto")
