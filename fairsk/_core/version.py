"""The version of fairsk."""

__all__ = ["__version__"]

__version__ = "0.1.0"
