"""The command bench: engines and clusters that are not there."""

import socket
import sys
import types

import pytest
from refusals import refused


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--engine", "dask"], "--engine is 'dask', expected processes or ray"),
        (["--address", "auto"], "--address is of a Ray cluster: say --engine ray"),
        (["--engine", "ray"], "this needs ray: pip install 'recgym[ray]'"),
    ],
)
def test_an_engine_that_is_not_there_is_one_line(run, tmp_path, monkeypatch, words, message):
    monkeypatch.setitem(sys.modules, "ray", None)
    refused(run("bench", "--agents", "random", "--out", tmp_path / "out", *words), message)
    assert not (tmp_path / "out").exists()


def test_an_address_without_a_cluster_is_one_line(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", types.ModuleType("ray"))
    words = "bench", "--agents", "random", "--out", tmp_path / "out", "--engine", "ray", "--address"
    for address in ("nowhere", "here:port", "here:70000", ":6379"):
        refused(run(*words, address), f"--address is {address!r}, expected HOST:PORT or auto")
    with socket.socket() as taken:  # bound, and not listening
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        refused(run(*words, address), f"--address {address}: no Ray cluster: ")
    assert not (tmp_path / "out").exists()
