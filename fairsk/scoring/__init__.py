"""Scorers for scikit-learn's searches and cross-validation, and rules that choose among candidates.

:func:`make_fair_scorer` makes a scorer of a constraint, :func:`make_group_scorer` one of any metric, in the
worst group or as a difference between groups, and :func:`make_tradeoff_scorer` one of a metric minus a
weighted disparity. Of the candidates of a search, :func:`best_under` chooses the best one within bounds, and
:func:`pareto_front` returns those that no other candidate beats on every score.
"""

from fairsk.scoring._refit import BestUnder as BestUnder
from fairsk.scoring._refit import best_under, pareto_front
from fairsk.scoring._scorers import make_fair_scorer, make_group_scorer, make_tradeoff_scorer
from fairsk.scoring._sensitive_scorer import SensitiveScorer as SensitiveScorer

__all__ = [
    "best_under",
    "make_fair_scorer",
    "make_group_scorer",
    "make_tradeoff_scorer",
    "pareto_front",
]
