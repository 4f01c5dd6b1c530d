"""Any classifier under a bound, without the attribute at prediction: prices on decisions, from held-out rows.

The estimator is :class:`fairsk.ConstrainedClassifier`; its results stand here.
"""
