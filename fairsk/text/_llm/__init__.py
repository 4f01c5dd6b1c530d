"""A language model as a classifier: LLMClassifier over scorers, its prompts, its calibration, its cost."""
