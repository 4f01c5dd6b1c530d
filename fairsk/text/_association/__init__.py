"""The association test of words or sentences (WEAT, SEAT).

``association`` has the function and its result, ``vectors`` reads the words, and ``splits`` counts the ways
to split the targets.
"""
