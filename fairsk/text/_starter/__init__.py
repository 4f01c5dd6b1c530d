"""A starter set of our own making: prompts, names, people and occupations, each with its source.

It is made so that a first audit of a language model takes minutes, not so that it covers a use: what a model
is used for is known to its users alone, and their own prompts say more.
"""
