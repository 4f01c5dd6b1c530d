"""Sums of confusion cells, or of moments of amounts, written as text: ``"2*tp+fp"``."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping

from fairsk.rates._arrays import Array, Cells

__all__ = ["CELLS", "MOMENTS", "cell_coefficients", "linear", "moment_coefficients"]

#: The four cells of a confusion table, in the order in which coefficient vectors list them.
CELLS = ("tp", "fp", "fn", "tn")

#: What is summed up of predicted amounts, in the order in which coefficient vectors list them: rows, the two
#: amounts, by how much the prediction lies over and under the target, and the square of the difference.
MOMENTS = ("n", "prediction", "target", "over", "under", "squared_error")

_TERM = re.compile(r"(?:(?P<factor>\d+(?:\.\d*)?|\.\d+)\*)?(?P<cell>[a-z_]+)")


@functools.cache
def cell_coefficients(expression: str) -> tuple[float, ...]:
    """Read ``"2*tp+fp"`` as one coefficient per cell, in the order of ``CELLS``."""
    return _read(
        expression,
        CELLS,
        {"n": CELLS},
        "a sum of the confusion cells tp, fp, fn, tn (or n for all four), each with an optional factor, such "
        "as '2*tp+fp+fn'",
    )


@functools.cache
def moment_coefficients(expression: str) -> tuple[float, ...]:
    """Read ``"prediction-target"`` as one coefficient per moment, in the order of ``MOMENTS``."""
    return _read(
        expression,
        MOMENTS,
        {},
        f"a sum of the moments {', '.join(MOMENTS)}, each with an optional factor, such as "
        "'0.9*under+0.1*over'",
    )


def _read(
    expression: str, names: tuple[str, ...], several: Mapping[str, tuple[str, ...]], wanted: str
) -> tuple[float, ...]:
    """Read a sum of names as one coefficient each; some words stand for several names."""
    terms = re.sub(r"\s", "", expression).replace("-", "+-").removeprefix("+").split("+")
    total = dict.fromkeys(names, 0.0)
    for term in terms:
        match = _TERM.fullmatch(term.removeprefix("-"))
        meant = several.get(match["cell"], (match["cell"],)) if match else ()
        if not meant or not set(meant) <= set(names):
            raise ValueError(f"Cannot read {term!r} in the expression {expression!r}: write {wanted}.")
        factor = float((match and match["factor"]) or 1)
        for name in meant:
            total[name] += -factor if term.startswith("-") else factor
    return tuple(total.values())


def linear(coefficients: tuple[float, ...], cells: Cells, names: tuple[str, ...] = CELLS) -> Array:
    """Sum the cells by their coefficients, skipping the cells that do not take part."""
    terms = [
        cells[cell] if factor == 1 else factor * cells[cell]
        for cell, factor in zip(names, coefficients, strict=True)
        if factor
    ]
    return sum(terms[1:], start=terms[0]) if terms else 0.0 * cells[names[0]]
