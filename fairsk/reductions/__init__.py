"""Any learner under a bound, without the attribute at prediction: prices on decisions, from held-out rows.

``fairsk.ConstrainedClassifier`` fits models to prices on their decisions, which are raised until the rates of
rows that the models did not see lie within the bound. Boosted trees have the prices in their gradient, and
all other learners are fitted again to weighted rows. What comes out is a ``ConstrainedReport``.
``fairsk.ConstrainedRegressor`` does so with predicted amounts, and has an ``AmountReport``.
"""

__all__: list[str] = []
