"""Scorers for scikit-learn's searches and cross-validation, and rules that choose among candidates.

``_scorers`` makes them of the measures in ``_measures``; ``_refit`` chooses the best candidate under a bound.
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
