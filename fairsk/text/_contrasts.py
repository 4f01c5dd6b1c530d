"""Differences between groups of what was measured on the same prompts: their intervals and p-values.

What is measured is a table of prompts by terms per group, such as a log-likelihood, or the mean score of what
was written. Terms are either fixed, and the prompts alone are a sample: the interval is over prompts. Or they
are a sample themselves, as names are: then another list of names would have given other means, and the
interval and the p-value say so.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from math import comb
from typing import Literal, TypeAlias

import numpy as np
from scipy.special import stdtrit

from fairsk._core.results import p_value
from fairsk._core.typing import Floats
from fairsk.statistics._paired import mean_estimate
from fairsk.statistics._pairs import Estimate

__all__ = [
    "MOST_SPLITS",
    "TermsAre",
    "contrast",
    "least_split_p",
    "not_counted",
    "prompt_means",
    "split_p",
    "too_few_terms",
    "why_no_interval",
]

TermsAre: TypeAlias = Literal["fixed", "sampled"]

#: Up to so many ways to deal terms out to two groups, all of them are tried.
MOST_SPLITS = 50_000
#: A least p-value above this, or above 1 - confidence, is told.
_SMALL_P = 0.05
#: Sums that differ by less than this part of all that is summed are equal up to rounding.
_ROUNDING = 1e-12


def prompt_means(table: Floats) -> Floats:
    """Return the mean over terms of each prompt (row); NaN where no term was measured."""
    measured = ~np.isnan(table)
    n = measured.sum(1)
    total = np.where(measured, table, 0.0).sum(1)
    return np.divide(total, n, out=np.full(len(n), np.nan), where=n > 0)


def contrast(first: Floats, second: Floats, terms: TermsAre, confidence: float) -> Estimate[float]:
    """Return the mean over prompts of the first group's values minus the second's, with its interval.

    Parameters
    ----------
    first, second : array of shape (n_prompts, n_terms)
        What was measured; NaN where nothing was. Groups may have different numbers of terms.
    terms : {"fixed", "sampled"}
        Whether the interval is over prompts alone, or over terms as well.
    confidence : float in (0, 1)
        The coverage probability.
    """
    differences = prompt_means(first) - prompt_means(second)
    differences = differences[~np.isnan(differences)]
    scale = float(max(np.nanmax(np.abs(first), initial=0.0), np.nanmax(np.abs(second), initial=0.0)))
    over_prompts = mean_estimate(differences, confidence, scale)
    if terms == "fixed":
        return over_prompts
    by_term = [prompt_means(table.T) for table in (first, second)]
    by_term = [means[~np.isnan(means)] for means in by_term]
    samples = [differences, *by_term]
    if min(map(len, samples)) < 2:
        return Estimate(over_prompts.value, np.nan, np.nan)
    # Prompts and terms are crossed: a prompt moves all its terms, a term all its prompts, and the variances
    # of both add up. What a cell has of its own is in both, and is taken off once.
    parts = np.array([values.var(ddof=1) / len(values) for values in samples])
    crossed = parts.sum() - _of_cells(first) - _of_cells(second)
    variance = max(crossed, parts[0], parts[1:].sum())
    if variance <= (_ROUNDING * scale) ** 2:
        return Estimate(over_prompts.value, np.nan, np.nan)
    # Welch-Satterthwaite: the degrees of freedom of a sum of estimated variances.
    freedom = parts.sum() ** 2 / sum(part**2 / (len(s) - 1) for part, s in zip(parts, samples, strict=True))
    half = float(stdtrit(freedom, 0.5 + confidence / 2) * np.sqrt(variance))
    return Estimate(over_prompts.value, over_prompts.value - half, over_prompts.value + half)


def _of_cells(table: Floats) -> float:
    """Return what the variance of the mean of a table owes to its cells, beyond its rows and columns."""
    n, m = table.shape
    if np.isnan(table).any():
        return 0.0  # an unbalanced table has no such simple parts: the variance stays too large
    residuals = table - table.mean(1, keepdims=True) - table.mean(0) + table.mean()
    return float((residuals**2).sum()) / ((n - 1) * (m - 1)) / table.size


def why_no_interval(what: str, estimates: Iterable[tuple[float, float]]) -> list[str]:
    """Return a note why values have no interval, if one has none.

    Parameters
    ----------
    what : str
        What intervals are over, such as "prompts or terms".
    estimates : iterable of (value, low)
        The values, and the lower ends of their intervals.
    """
    if not any(np.isnan(low) and not np.isnan(value) for value, low in estimates):
        return []
    return [
        f"Without an interval: there are fewer than two {what}, or all give the same number, which says "
        "nothing of how far those of others would lie apart."
    ]


def not_counted(left_out: int, duplicates: int, what: str = "prompt") -> list[str]:
    """Return notes on prompts (or texts) that name no group or several, and on those that stand twice."""
    notes = []
    if left_out:
        notes.append(
            f"1 {what} names no group, or several, and is left out."
            if left_out == 1
            else f"{left_out:,} {what}s name no group, or several, and are left out."
        )
    if duplicates:
        notes.append(
            "1 prompt reads like an earlier one, and counts once."
            if duplicates == 1
            else f"{duplicates:,} prompts read like an earlier one, and count once."
        )
    return notes


def split_p(first: Floats, second: Floats, n_resamples: int, rng: np.random.Generator) -> tuple[float, bool]:
    """Return the two-sided p-value of the test that terms belong to either group alike, and if it is exact.

    Each term, with all that was measured on it, is dealt out to the groups anew. The difference of the means
    over terms is compared with all, or with random, ways to do so.

    Parameters
    ----------
    first, second : array of shape (n_terms,)
        The mean over prompts of each term.
    n_resamples : int
        How many ways are drawn if there are more than can be tried.
    rng : Generator
        Draws them.
    """
    values = np.concatenate([first, second])
    n, m = len(values), len(first)
    if m == 0 or m == n:
        return float("nan"), True
    values = values - values.mean()
    # With the total at zero, the difference of the means is a multiple of the first group's sum.
    observed = abs(values[:m].sum()) - _ROUNDING * float(np.abs(values).sum())
    if observed <= 0:
        return 1.0, True
    if comb(n, m) <= MOST_SPLITS:
        chosen = np.array(list(combinations(range(n), m)))
        return float((np.abs(values[chosen].sum(1)) >= observed).mean()), True
    order = rng.permuted(np.tile(values, (n_resamples, 1)), axis=1)
    beyond = int((np.abs(order[:, :m].sum(1)) >= observed).sum())
    return (beyond + 1) / (n_resamples + 1), False


def least_split_p(n_first: int, n_second: int, n_resamples: int) -> float:
    """Return the least p-value that :func:`split_p` can give for so many terms.

    Of all ways to deal them out, the observed one is always as extreme as itself; if the groups have as many
    terms, so is the one that exchanges the groups.
    """
    if not n_first or not n_second:
        return float("nan")
    n_ways = comb(n_first + n_second, n_first)
    if n_ways > MOST_SPLITS:
        return 1 / (n_resamples + 1)
    return (2 if n_first == n_second else 1) / n_ways


def too_few_terms(least: Iterable[float], confidence: float) -> list[str]:
    """Return a note on the least p-values that so few terms can have, if one is not small."""
    large = sorted({p for p in least if p > min(_SMALL_P, 1 - confidence)})
    if not large:
        return []
    return [
        f"The least p that so few terms can have is {' or '.join(map(p_value, large))}, however far the "
        "groups lie apart: with more terms it can be less."
    ]
