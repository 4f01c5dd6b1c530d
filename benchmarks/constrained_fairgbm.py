"""Fit FairGBM on the rows that constrained.py wrote to a file, and write what it decides on unseen rows.

constrained.py runs this with the interpreter of an environment of its own, made from
benchmarks/requirements-fairgbm.txt: FairGBM needs an old NumPy. It needs no fairsk.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from fairgbm import FairGBMClassifier

#: What FairGBM calls them: equal opportunity bounds the gap of false negative rates, which is the same.
CONSTRAINTS = {"equal_opportunity": "FNR", "equalized_odds": "FPR,FNR"}


def main() -> None:
    source, target = sys.argv[1:]
    given = np.load(source)
    bound = float(given["bound"])
    model = FairGBMClassifier(
        constraint_type=CONSTRAINTS[str(given["constraint"])],
        constraint_fpr_tolerance=bound,
        constraint_fnr_tolerance=bound,
        n_estimators=int(given["n_estimators"]),
        num_leaves=int(given["num_leaves"]),
        random_state=0,
        n_jobs=1,
        verbose=-1,
    )
    start = time.process_time()
    model.fit(given["X"], given["y"], constraint_group=given["codes"])
    seconds = time.process_time() - start
    np.savez(target, predicted=model.predict(given["unseen"]), seconds=seconds)


if __name__ == "__main__":
    main()
