"""What estimators that hold a bound share about rows they did not learn from: report, margin, threshold.

``report`` is the ``report_`` of all of them, ``safety_margin`` tightens their bounds by standard errors, and
``single_threshold`` finds the best threshold for all rows alike under an ``objective``.
"""
