"""Scorers for scikit-learn's searches and cross-validation, and rules that choose among candidates.

:func:`make_fair_scorer` makes a scorer of a constraint, :func:`make_group_scorer` one of any metric, in the
worst group or as a difference between groups, and :func:`make_tradeoff_scorer` one of a metric minus a
weighted disparity. :class:`GroupScoring` gives several scores with each group's counts, or moments of
predicted amounts, of which :func:`cv_disparities` sums up the folds. Of the candidates of a search,
:func:`best_under` chooses the best one within bounds, and :func:`pareto_front` returns those that no other
candidate beats on every score.
"""

from fairsk.scoring._cv_disparities import CVDisparities as CVDisparities
from fairsk.scoring._cv_disparities import cv_disparities
from fairsk.scoring._group_scoring import GroupScoring
from fairsk.scoring._pareto import pareto_front
from fairsk.scoring._refit import BestUnder as BestUnder
from fairsk.scoring._refit import BestUnderPooled as BestUnderPooled
from fairsk.scoring._refit import best_under
from fairsk.scoring._scorers import make_fair_scorer, make_group_scorer, make_tradeoff_scorer
from fairsk.scoring._sensitive_scorer import SensitiveScorer as SensitiveScorer

__all__ = [
    "GroupScoring",
    "best_under",
    "cv_disparities",
    "make_fair_scorer",
    "make_group_scorer",
    "make_tradeoff_scorer",
    "pareto_front",
]
