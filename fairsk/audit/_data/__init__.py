"""The audit of a data set, before a model learns from it.

``dataset`` has the function and its result; ``group_shares``, ``labels``, ``missing`` and ``proxies`` each
hold one part of it, ``findings`` the severities, ``lines`` what is printed of them, ``chi_square`` the tests,
and ``columns`` looks at values.
"""
