"""Scorers for scikit-learn's searches and cross-validation, and rules that choose among candidates.

``scorers`` makes them, of the ``measures`` of predictions; ``refit`` chooses the best candidate under a
bound.
"""

from fairsk.scoring._refit import BestUnder, best_under, pareto_front
from fairsk.scoring._scorers import FairScorer, make_fair_scorer, make_group_scorer, make_tradeoff_scorer

__all__ = [
    "BestUnder",
    "FairScorer",
    "best_under",
    "make_fair_scorer",
    "make_group_scorer",
    "make_tradeoff_scorer",
    "pareto_front",
]
