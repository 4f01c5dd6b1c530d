"""Repair of features: transformers that free numbers, such as embeddings, of what they tell about a group."""
