"""Types of arrays (floats, indices and masks), and of random states."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Bools", "Floats", "Ints", "RandomStateLike"]

Floats = NDArray[np.float64]
#: Indices, codes and counts of rows.
Ints = NDArray[np.intp]
Bools = NDArray[np.bool_]

#: A seed, or what draws; None draws anew every time.
RandomStateLike: TypeAlias = int | np.random.Generator | np.random.RandomState | None
