"""The audit of predictions: a report whose every number follows from the tables inside.

``criteria`` says what is asked, ``results`` computes the answers from evidence, ``report`` holds both,
``predictions`` makes one of rows or fitted models, and ``sections`` lays it out for pages. ``verification``
reads a report and repeats it; ``comparison`` says what changed between two, as ``changes``.
"""
