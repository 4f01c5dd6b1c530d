"""Bounds held on counted rows: the report of the decisions, the safety margin, and the single threshold.

``report`` is the ``report_`` of all of them, and ``summary`` puts it into sentences; ``safety_margin``
tightens their bounds by standard errors, and ``single_threshold`` finds the best threshold for all rows alike
under an ``objective``.
"""
