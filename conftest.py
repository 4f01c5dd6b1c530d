"""Import the package before the doctests of its modules, so that all share one copy of every class."""

import fairsk  # noqa: F401
