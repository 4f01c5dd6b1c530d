"""Meta-estimators' shared parts: a base class, cross-fitting, scores per group."""
