"""How sure a number is: functions of group counts, known to no estimator.

``shares`` says which proportion stands behind a rate; ``pairs`` compares two groups. On these stand
``intervals``, ``contrasts`` (each group against a baseline), ``tests``, ``multiplicity``, ``resampling`` (the
bootstrap), ``verdicts`` (against a tolerance) and ``shrinkage`` (rates of small groups). ``means`` has the
limits of means, for scores and amounts.
"""

from fairsk.statistics._contrasts import Contrasts, contrasts
from fairsk.statistics._detectable import smallest_detectable
from fairsk.statistics._intervals import (
    difference_interval,
    rate_intervals,
    rate_standard_errors,
    ratio_interval,
)
from fairsk.statistics._multiplicity import adjust_p_values
from fairsk.statistics._resampling import BootstrapResult, bootstrap, noise_floor
from fairsk.statistics._shrinkage import ShrunkenRates, shrunken_rates
from fairsk.statistics._tests import (
    MaxZTest,
    OmnibusTest,
    TwoGroupTest,
    max_z_test,
    omnibus_test,
    two_group_test,
)
from fairsk.statistics._verdicts import PairVerdicts, Verdict, verdict

__all__ = [
    "BootstrapResult",
    "Contrasts",
    "MaxZTest",
    "OmnibusTest",
    "PairVerdicts",
    "ShrunkenRates",
    "TwoGroupTest",
    "Verdict",
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
