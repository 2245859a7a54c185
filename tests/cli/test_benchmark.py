"""The command bench: engines that it does not have."""

import sys

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
