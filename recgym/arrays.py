"""Types of arrays, by what they hold."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Arrays = dict[str, Array]  # by name
Bools = NDArray[np.bool_]
Codes = NDArray[np.integer[Any]]  # integers of any width
Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]
Indices = NDArray[np.int32]
Ints = NDArray[np.int64]
