"""Thresholds per group: the best ones under bounds on disparities, from rows or from counts alone.

The data flow: the scores of each group are sorted once (``_core.curves``, gathered as ``_group_curves``).
What is asked for stands in ``_spec``: bounds, an objective (``_held_out.objective``) and requirements.
``_search`` says which groups can be measured and which thresholds are admissible; each of these becomes an
operating point of a problem (``_solvers.problem``) that a solver answers exactly: ``_solvers.single_rate``
for one rate (under its concave ``envelope``), ``_solvers.linear_program`` for several (mixtures; and
``branch_and_bound`` with ``knapsack`` for single thresholds). The ``Solution`` is a rule per group
(``_rules``), and ``_report`` measures what the rules achieve.

Around that: ``_optimizer`` is the estimator, ``_blind`` decides without the attribute, ``_path`` follows the
trade-off, and ``_histograms`` works from counts alone and says what that may lose. The estimator has its door
in ``fairsk``, and ``ScoreHistograms`` in ``fairsk.metrics``.
"""

from fairsk.thresholds._histograms import thresholds_from_histograms

__all__ = ["thresholds_from_histograms"]
