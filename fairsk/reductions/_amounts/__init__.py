"""Amounts under a bound: prices on predictions, for any regressor, from held-out rows.

``rows`` says what is bounded and what it costs to raise a prediction, ``problem`` what engines are given and
return.
"""
