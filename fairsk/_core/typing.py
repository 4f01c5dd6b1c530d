"""Types of arrays: floats, indices and masks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Bools", "Floats", "Ints"]

Floats = NDArray[np.float64]
#: Indices, codes and counts of rows.
Ints = NDArray[np.intp]
Bools = NDArray[np.bool_]
