"""Moments of features per group and label: mergeable tables, all that an eraser needs of its training rows.

A table holds sums over rows of deviations from the mean of all features: per cell (``groups``) or times the
deviations of a continuous attribute (``measurements``), and one scatter matrix. Tables of disjoint rows add
up in any order (``moments``). A batch is a table, so that streams, sites and weights are the same code;
``sums`` has the pass over rows.
"""
