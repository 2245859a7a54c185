"""What a fit takes over from the log beside the session model."""

import numpy as np
import pyarrow as pa
from small_logs import tiny

from recgym.fit.api import with_vectors
from recgym.logs.fingerprint import identity
from recgym.sim.public_vectors import reduced
from recgym.sim.synthetic import synthetic

VECTORS = np.array([[1.0, 0.0], [0.0, 2.0], [-3.0, 0.5]])


def test_items_of_the_world_have_the_vectors_of_their_rows_in_the_log():
    log = tiny(domain="content")
    rows = np.array([2, 0])
    world = synthetic(domain="content", num_items=2, num_users=2)
    world = world.with_card(identity=identity(log, np.arange(2), rows))
    assert with_vectors(world, log) is world
    object.__setattr__(log, "items", log.items.append_column("vector", pa.array(VECTORS.tolist())))
    found = with_vectors(world, log).item_vectors
    np.testing.assert_allclose(found, reduced(VECTORS[rows]), atol=1e-3)
