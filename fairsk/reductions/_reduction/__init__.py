"""The reduction: a sequence of weighted fits to prices on decisions, for any classifier.

``engine`` runs it, ``oracle`` makes labels and weights of prices, ``master`` is the linear program whose dual
values are the prices.
"""
