"""Calls of functions that users give, with all texts at once; an error says so where they take one."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["call_with_all"]

#: What Python says of a list where a function wanted a text.
_OF_A_LIST = re.compile(r"[\"']list[\"']|not list\b|\blist (?!of)")


def call_with_all(name: str, function: Callable[..., Any], parameters: str, *arguments: Any) -> Any:
    """Return what a function returns for a list of texts.

    Parameters
    ----------
    name : str
        How the function is called in messages.
    function : callable
        The function.
    parameters : str
        What it must take, such as ``"prompts, answers"``.
    *arguments : value
        What it gets, by position; the first one is the list.

    Raises
    ------
    TypeError
        If it does not take these arguments, or fails because it takes the list for a single text.
    """
    _refuse_other_arguments(name, function, parameters, arguments)
    try:
        return function(*arguments)
    except (AttributeError, TypeError) as error:
        if not _OF_A_LIST.search(str(error)):
            raise
        texts: Sequence[Any] = arguments[0]
        many = parameters.split(",")[0]
        raise TypeError(
            f"{name} gets the list of all {len(texts):,} {many} at once, and not one at a time; of the list "
            f"it says: {error!s:.200}. A function of one becomes one of all by going through them: "
            f"lambda {parameters}: [... for {many[:-1]} in {many}]."
        ) from error


def _refuse_other_arguments(
    name: str, function: Callable[..., Any], parameters: str, arguments: tuple[Any, ...]
) -> None:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some functions in C do not say what they take
        return
    try:
        signature.bind(*arguments)
    except TypeError as error:
        names = (str(one.replace(annotation=one.empty)) for one in signature.parameters.values())
        raise TypeError(
            f"{name} must be a function of ({parameters}), which it gets by position; this one takes "
            f"({', '.join(names):.200}): {error!s:.200}."
        ) from None
