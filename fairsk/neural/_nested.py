"""Nested parameters, such as ``module__width``: names of parameters of the net, kept among ``net_params``."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from fairsk._core.messages import list_texts

__all__ = ["check_prefixes", "is_nested", "nested_params", "with_nested"]

#: What a skorch net hands parameters on to.
_PREFIXES = (
    "module",
    "optimizer",
    "criterion",
    "callbacks",
    "iterator_train",
    "iterator_valid",
    "dataset",
    "compile",
)


def is_nested(name: str) -> bool:
    """Whether a name is that of a parameter of the net."""
    prefix, separator, rest = name.partition("__")
    return bool(separator and rest) and prefix in _PREFIXES


def nested_params(net_params: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the entries of ``net_params`` that can be set by their own names."""
    if not isinstance(net_params, Mapping):  # nor anything that fit accepts
        return {}
    return {name: value for name, value in net_params.items() if is_nested(name)}


def with_nested(net_params: Mapping[str, Any] | None, changed: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return ``net_params`` with other nested parameters; the mapping that is given stays as it is."""
    if not changed:
        return net_params
    before = net_params or {}
    if all(name in before and before[name] is value for name, value in changed.items()):
        return net_params
    return {**before, **changed}


def check_prefixes(names: list[str], own: list[str]) -> None:
    """Refuse names with ``__`` whose prefix is neither a parameter's nor one that a net has parameters for.

    Parameters
    ----------
    names : list of str
        Names that are not nested parameters of the net.
    own : list of str
        Parameters of the estimator.

    Raises
    ------
    ValueError
        If a prefix is unknown.
    """
    for name in names:
        prefix, separator, rest = name.partition("__")
        if not separator and name not in own:
            close = difflib.get_close_matches(name, own, n=1)
            hint = f"Did you mean {close[0]!r}? " if close else ""
            raise ValueError(
                f"Invalid parameter {name!r} for FairClassifier. {hint}There are: {list_texts(own, 50)}; "
                "other parameters of the skorch net go into net_params, a dict."
            )
        if separator and (prefix not in own or not rest or prefix == "net_params"):
            close = difflib.get_close_matches(prefix, _PREFIXES, n=1)
            hint = f"Did you mean {f'{close[0]}__{rest}'!r}? " if close and rest else ""
            raise ValueError(
                f"Invalid parameter {name!r} for FairClassifier. {hint}Nested parameters begin with "
                f"{', '.join(f'{each}__' for each in _PREFIXES)} and are kept in net_params; parts of a net "
                "of your own get theirs there."
            )
