"""Numbers between 0 and 1 that depend on nothing but a row: they stand in for random draws.

What is decided by them comes out the same way for the same row every time, whatever other rows are present
(Cotter, Narasimhan & Gupta, On Making Stochastic Classifiers Deterministic, NeurIPS 2019).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairsk._core.typing import Floats

__all__ = ["entry_uniforms", "row_uniforms"]

_Bits = NDArray[np.uint64]


def row_uniforms(scores: Floats) -> Floats:
    """Return a number in [0, 1) per row that depends on nothing but its scores, in single precision.

    Parameters
    ----------
    scores : array of shape (n_samples,) or (n_samples, n_classes)
        The scores.

    Returns
    -------
    array of shape (n_samples,)
        The numbers.
    """
    return _as_uniforms(_mixed(_bits(scores)) if np.ndim(scores) == 1 else _of_rows(scores))


def entry_uniforms(features: NDArray[Any]) -> Floats:
    """Return a number in [0, 1) per row and feature that depends on nothing but the row, in single precision.

    Parameters
    ----------
    features : array of shape (n_samples, n_features)
        The features.

    Returns
    -------
    array of shape (n_samples, n_features)
        The numbers, as if independent of each other unless rows have the same values in all features.
    """
    of_row = _of_rows(features)
    uniforms = np.empty(features.shape)
    for place in range(features.shape[1]):
        uniforms[:, place] = _as_uniforms(_mixed(of_row ^ np.uint64(place)))
    return uniforms


def _of_rows(columns: NDArray[Any]) -> _Bits:
    """Mix the bits of all numbers of each row."""
    of_row = np.zeros(len(columns), dtype=np.uint64)
    for column in columns.T:
        of_row = _mixed(of_row ^ _bits(column))
    return of_row


def _bits(numbers: NDArray[Any]) -> _Bits:
    """Return the bits of numbers in single precision; 0 and -0 have the same.

    Scores come out of sums of products, whose last digits depend on how many rows are scored at a time: a row
    alone and the same row among others would have other bits in double precision, and not the same answer.
    """
    with np.errstate(over="ignore"):  # all numbers beyond those of single precision are alike
        single = np.asarray(numbers).astype(np.float32) + np.float32(0)  # tiny numbers become -0, too
    return np.ascontiguousarray(single).view(np.uint32).astype(np.uint64)


def _mixed(bits: _Bits) -> _Bits:
    """Mix bits by the step and the finalizer of SplitMix64 (Steele, Lea & Flood, OOPSLA 2014)."""
    bits = bits + np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def _as_uniforms(bits: _Bits) -> Floats:
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53  # the 53 bits that a float holds
