"""How often a ratio of rates in a window passes .8 within a year although the tolerance is kept.

Every day 70 decisions about one group and 30 about another, 2,000 years of 365 days, whole windows only.
This is what an alert on a ratio in PromQL does. Takes a second.
"""

from __future__ import annotations

import numpy as np

RUNS, DAYS, TOLERANCE = 2000, 365, 0.8


def in_windows(selected: np.ndarray, size: int, days: int) -> np.ndarray:
    """Return the rates in all whole windows of so many days."""
    total = np.cumsum(np.pad(selected, [(0, 0), (1, 0)]), axis=1)
    return (total[:, days:] - total[:, :-days]) / (size * days)


def main() -> None:
    rng = np.random.default_rng(0)
    print("rates          ratio   1 day  7 days  28 days")
    for first, second in [(0.5, 0.5), (0.5, 0.45), (0.5, 0.425), (0.1, 0.1), (0.1, 0.09)]:
        a, b = rng.binomial(70, first, (RUNS, DAYS)), rng.binomial(30, second, (RUNS, DAYS))
        alarmed = []
        for days in (1, 7, 28):
            one, other = in_windows(a, 70, days), in_windows(b, 30, days)
            alarmed.append((np.minimum(one, other) < TOLERANCE * np.maximum(one, other)).any(1).mean())
        shares = "".join(f"{share:8.0%}" for share in alarmed)
        print(f"{first:.3f} {second:.3f} {second / first:8.2f}{shares}")


if __name__ == "__main__":
    main()
