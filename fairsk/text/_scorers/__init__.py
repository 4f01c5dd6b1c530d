"""Scorers: what gives log-probabilities of answers to prompts, and what keeps them."""
