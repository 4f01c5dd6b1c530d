"""Statistics: intervals, contrasts, tests, verdicts and the bootstrap, all functions of group counts.

``_proportions`` says which proportion stands behind a rate, and ``_pairs`` compares two groups. On these
stand ``_intervals`` (of rates, disparities and means), ``_contrasts`` (each group against a baseline),
``_tests``, ``_paired`` (two answers of the same units), ``_multiplicity`` (p-values of many tests),
``_resampling`` (the bootstrap), ``_verdicts`` (against a tolerance), ``_detectable`` (power) and
``_shrinkage`` (rates of small groups). None of them knows an estimator.
"""

from fairsk.statistics._contrasts import contrasts
from fairsk.statistics._detectable import smallest_detectable
from fairsk.statistics._intervals import (
    difference_interval,
    rate_intervals,
    rate_standard_errors,
    ratio_interval,
)
from fairsk.statistics._multiplicity import adjust_p_values
from fairsk.statistics._resampling import bootstrap, noise_floor
from fairsk.statistics._shrinkage import shrunken_rates
from fairsk.statistics._tests import max_z_test, omnibus_test, two_group_test
from fairsk.statistics._verdicts import verdict

__all__ = [
    "adjust_p_values",
    "bootstrap",
    "contrasts",
    "difference_interval",
    "max_z_test",
    "noise_floor",
    "omnibus_test",
    "rate_intervals",
    "rate_standard_errors",
    "ratio_interval",
    "shrunken_rates",
    "smallest_detectable",
    "two_group_test",
    "verdict",
]
