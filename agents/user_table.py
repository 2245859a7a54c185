"""Public features of the users, from a log's table of users."""

from typing import Any

import numpy as np
import pyarrow as pa

from recgym.arrays import Doubles


def user_features(log: Any, num_users: int) -> Doubles:
    """The numbers in the log's table of users, 0 where they are unknown, (U, F); F may be 0.

    Args:
        log: on the task's indices.
        num_users: U.
    """
    table, columns = log.users, []
    for name in table.column_names:
        kind = table.schema.field(name).type
        if name != "id" and (pa.types.is_floating(kind) or pa.types.is_integer(kind)):
            values = table[name].to_numpy(zero_copy_only=False).astype(np.float64)
            columns.append(np.nan_to_num(values[:num_users], posinf=0.0, neginf=0.0))
    features = np.zeros((num_users, len(columns)))
    for number, values in enumerate(columns):
        features[: len(values), number] = values
    return features
