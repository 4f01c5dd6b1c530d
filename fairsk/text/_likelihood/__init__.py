"""What a language model finds likely: which text of a pair, and the same sentence about different groups."""
