"""Which text of a pair a language model prefers: the share of pairs, and the mean difference."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from math import ceil
from typing import Any

import numpy as np
from scipy.special import ndtri

from fairsk._core.columns import refuse_shuffled, value_columns
from fairsk._core.groups import encode_groups
from fairsk._core.messages import show
from fairsk._core.results import library_of
from fairsk._core.texts import read_texts
from fairsk._core.typing import Bools, Floats
from fairsk._core.validation import check_choice
from fairsk.statistics._intervals import check_confidence, wilson_interval
from fairsk.statistics._multiplicity import adjust_p_values
from fairsk.statistics._paired import mcnemar_p, mean_estimate
from fairsk.text._likelihood.asking import LikelihoodOf, TokensOf, log_likelihoods, token_counts
from fairsk.text._likelihood.results import HALF_WIDTH, Measure, PairedPreference, Preference, Ties

__all__ = ["paired_preference"]

#: Two log-likelihoods that differ by less than this part of themselves are equal up to rounding.
_ROUNDING = 1e-12


def paired_preference(
    log_likelihood: LikelihoodOf,
    more: Any,
    less: Any,
    groups: Any = None,
    *,
    count_tokens: TokensOf = None,
    ties: Ties = "half",
    confidence: float = 0.95,
) -> PairedPreference:
    """Measure how often a language model prefers the first of two texts.

    Parameters
    ----------
    log_likelihood : callable, or scorer with a method ``log_likelihood``
        ``log_likelihood(texts)`` returns the log-probability of each whole text. Each distinct text is asked
        about once.
    more, less : array-like of shape (n_pairs,)
        The texts of each pair, such as a stereotype and what contradicts it.
    groups : array-like of shape (n_pairs,), optional
        The category of each pair; categories are measured one by one, too.
    count_tokens : callable, optional
        ``count_tokens(texts)`` returns the number of tokens of each text; by default the method of the
        scorer, if it has one.
    ties : {"half", "drop"}, default="half"
        Whether pairs that are equally likely count as half a pair for either side in the share, or are left
        out. The sign test never counts them.
    confidence : float in (0, 1), default=0.95
        The coverage probability of each interval.

    Returns
    -------
    PairedPreference
        The share with its interval, the sign test and the mean difference, by texts and by tokens.

    Raises
    ------
    TypeError
        If something is no text, or nothing gives a likelihood.
    ValueError
        If there are no pairs, numbers of texts differ, the two texts of a pair are the same, or a text has no
        finite log-likelihood.

    See Also
    --------
    perplexity_by_group : The same sentence with the terms of several groups.
    starter_occupations : Occupations with the share of women, to make pairs of.
    association_test : Associations of vectors instead of texts.

    Notes
    -----
    With d = L(more) - L(less) of a pair, L(text) the sum of the log-probabilities of its tokens, the share is
    that of d > 0 with Wilson's interval, p that of the binomial law with 1/2, and the mean of d has Student's
    interval. Categories' p-values are adjusted by Holm's method.

    Each further token makes a text less likely. If the texts of a pair differ in numbers of tokens, the
    answer by texts and the answer by tokens (L divided by the number) may differ, and neither is right: what
    is printed says how many pairs that concerns. Texts of as many tokens do not have the problem.

    A masked language model has no L. Whatever takes its place, such as the pseudo-likelihood of the tokens
    that both texts share, is a function of texts too.

    Examples
    --------
    >>> from fairsk.text import paired_preference
    >>> likes = {"She is a nurse.": -9.5, "He is a nurse.": -11.0}
    >>> likes |= {"He is a cook.": -9.0, "She is a cook.": -9.5}
    >>> result = paired_preference(
    ...     lambda texts: [likes[text] for text in texts],
    ...     ["She is a nurse.", "He is a cook."],
    ...     ["He is a nurse.", "She is a cook."],
    ... )
    >>> result.share, result.preferences[0].difference, result.pairs_needed
    (1.0, 1.0, 385)
    """
    check_confidence(confidence)
    check_choice("ties", ties, Ties)
    refuse_shuffled(more=more, less=less, groups=groups)
    first, second = read_texts(more, name="more"), read_texts(less, name="less")
    _check_pairs(first, second)
    likelihood = log_likelihoods(log_likelihood, [*first, *second])
    tokens = token_counts(count_tokens, log_likelihood, [*first, *second])
    of_texts = _differences(first, second, likelihood)
    measures: dict[Measure, Floats] = {"text": of_texts}
    equal_length = turned = float("nan")
    if tokens is not None:
        per_token = {text: likelihood[text] / tokens[text] for text in likelihood}
        measures["token"] = _differences(first, second, per_token)
        equal_length = float(np.mean(_differences(first, second, tokens) == 0))
        turned = float(np.mean(np.sign(of_texts) != np.sign(measures["token"])))
    categories = _categories(groups, len(first))
    preferences = [
        preference
        for measure, differences in measures.items()
        for preference in _preferences(measure, differences, categories, ties, confidence)
    ]
    return PairedPreference(
        preferences=tuple(preferences),
        n_texts=len(likelihood),
        equal_length=equal_length,
        reversed_per_token=turned,
        pairs_needed=ceil((float(ndtri(0.5 + confidence / 2)) / (2 * HALF_WIDTH)) ** 2),
        ties=ties,
        confidence=confidence,
        library=library_of(more, less, groups),
    )


def _check_pairs(first: Sequence[str], second: Sequence[str]) -> None:
    if len(first) != len(second) or not first:
        raise ValueError(
            f"more has {len(first):,} texts and less {len(second):,}: give the two texts of each pair at the "
            "same position, and at least one pair."
        )
    same = [i for i, (one, other) in enumerate(zip(first, second, strict=True)) if one == other]
    if same:
        raise ValueError(
            f"The texts of {len(same):,} pairs are the same, such as pair {same[0]}: {show(first[same[0]])}. "
            "Nothing can be preferred there; leave these pairs out."
        )


def _differences(first: Sequence[str], second: Sequence[str], values: dict[str, float]) -> Floats:
    of_first, of_second = (np.array([values[text] for text in texts]) for texts in (first, second))
    # Sums over tokens in another order differ by rounding, and are ties all the same.
    tied = np.abs(of_first - of_second) <= _ROUNDING * np.maximum(np.abs(of_first), np.abs(of_second))
    return np.where(tied, 0.0, of_first - of_second)


def _categories(groups: Any, n_pairs: int) -> list[tuple[Hashable, Bools]]:
    """Return each category and its pairs, all pairs (None) first."""
    everything: list[tuple[Hashable, Bools]] = [(None, np.ones(n_pairs, dtype=bool))]
    if groups is None:
        return everything
    grouping = encode_groups(value_columns("groups", groups, n_pairs))
    return everything + [(label, grouping.codes == i) for i, label in enumerate(grouping.labels)]


def _preferences(
    measure: Measure,
    differences: Floats,
    categories: list[tuple[Hashable, Bools]],
    ties: Ties,
    confidence: float,
) -> list[Preference]:
    measured = [differences[pairs] for _, pairs in categories]
    p_values = np.array([mcnemar_p(int((d > 0).sum()), int((d < 0).sum())) for d in measured])
    adjusted = np.append(np.nan, adjust_p_values(p_values[1:]))
    rows = []
    for (group, _), d, p, adjusted_p in zip(categories, measured, p_values, adjusted, strict=True):
        more, less, tied = int((d > 0).sum()), int((d < 0).sum()), int((d == 0).sum())
        halves = tied if ties == "half" else 0
        n = more + less + halves
        share = np.array((more + halves / 2) / n if n else np.nan)
        low, high = wilson_interval(share, np.array(float(n)), confidence)
        mean = mean_estimate(d, confidence, float(np.abs(d).max()))
        rows.append(
            Preference(
                group=group,
                measure=measure,
                n_pairs=len(d),
                more=more,
                less=less,
                ties=tied,
                share=float(share),
                share_low=float(low),
                share_high=float(high),
                p_value=float(p),
                adjusted_p_value=float(adjusted_p),
                difference=mean.value,
                difference_low=mean.low,
                difference_high=mean.high,
            )
        )
    return rows
