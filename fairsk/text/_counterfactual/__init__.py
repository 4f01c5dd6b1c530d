"""Counterfactual texts: the same text about another group, and what models say of it."""
