"""Boosting under a bound: the folds grow in lockstep, and rows held out set the prices."""
