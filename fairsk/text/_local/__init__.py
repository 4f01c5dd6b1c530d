"""Causal language models on this machine, read with transformers: the only module of text that knows torch.

``scorer`` is what users see, over ``model``, which keeps what was asked; ``loading`` opens a folder or checks
what was loaded; ``encoding`` turns texts into tokens and says where an answer begins; ``forward`` adds up the
log-probabilities of tokens; ``sampling`` writes.
"""
