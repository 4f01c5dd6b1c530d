"""Group tables and what they are counted from; no estimator, no torch, no matplotlib."""
