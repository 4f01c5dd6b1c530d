"""How sure a number is: functions of group counts, known to no estimator."""

from fairsk.statistics.intervals import (
    difference_interval,
    rate_intervals,
    rate_standard_errors,
    ratio_interval,
)

__all__ = ["difference_interval", "rate_intervals", "rate_standard_errors", "ratio_interval"]
