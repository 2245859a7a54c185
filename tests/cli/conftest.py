"""A synthetic world and a table with one bad row, for tests of the commands."""

import pytest

from recgym.sim.synthetic import synthetic


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return str(synthetic(4, domain="ecommerce").save(tmp_path_factory.mktemp("worlds") / "shop"))


@pytest.fixture
def table(tmp_path):
    """A log of three rows; the last has a propensity that cannot be."""
    path = tmp_path / "events.csv"
    path.write_text("visitor,product,when,p\na,x,1600000000,0.5\na,y,1600000060,0.5\nb,x,1600000000,1.5\n")
    return path
