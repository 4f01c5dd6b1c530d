"""Group rates and fairness constraints: ratios of sums of confusion cells, and which of them should agree.

This is the one place where a rate's formula stands. Four engines read it: hard counts
(:mod:`fairsk._core.counts`), cumulative counts along sorted scores (:mod:`fairsk.thresholds`), soft counts in
torch (:mod:`fairsk.neural`) and interval estimates (:mod:`fairsk.statistics`). The arithmetic therefore
uses nothing but ``+ - * /``, comparisons and a ``where``, and runs unchanged on NumPy arrays and torch
tensors. Neither torch nor scikit-learn is imported here.

Arrays have the groups on their first axis; any further axes (strata, candidate thresholds, bootstrap
replicates) are carried along.
"""

from __future__ import annotations

from fairsk.rates._arrays import Cells as Cells
from fairsk.rates._comparisons import Comparison as Comparison
from fairsk.rates._comparisons import Method as Method
from fairsk.rates._comparisons import Norm as Norm
from fairsk.rates._constraint import Constraint as Constraint
from fairsk.rates._expressions import CELLS as CELLS
from fairsk.rates._expressions import MOMENTS as MOMENTS
from fairsk.rates._mean_rate import MeanRate
from fairsk.rates._mean_rate import row_moments as row_moments
from fairsk.rates._messages import check_choice as check_choice
from fairsk.rates._named_constraints import (
    AMOUNT_CONSTRAINTS,
    CONSTRAINTS,
    get_amount_constraint,
    get_constraint,
)
from fairsk.rates._named_rates import AMOUNT_RATES, RATES, f_beta, get_rate
from fairsk.rates._rate import Rate as Rate
from fairsk.rates._rate import soft_cells as soft_cells

__all__ = [
    "AMOUNT_CONSTRAINTS",
    "AMOUNT_RATES",
    "CONSTRAINTS",
    "RATES",
    "MeanRate",
    "f_beta",
    "get_amount_constraint",
    "get_constraint",
    "get_rate",
]
