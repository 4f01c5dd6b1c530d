"""How likely a language model finds the same sentences about different groups."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from itertools import combinations
from typing import Any

import numpy as np

from fairsk._core.results import library_of
from fairsk._core.typing import Floats, RandomStateLike
from fairsk._core.validation import check_choice, generator
from fairsk.statistics._intervals import check_confidence
from fairsk.statistics._multiplicity import adjust_p_values
from fairsk.statistics._paired import mean_estimate, sign_flip_p, within
from fairsk.statistics._resampling import check_resamples
from fairsk.text._contrasts import TermsAre, contrast, least_split_p, prompt_means, split_p
from fairsk.text._filled import FilledPrompts, Fills, fill_prompts
from fairsk.text._likelihood.asking import LikelihoodOf, TokensOf, log_likelihoods, token_counts
from fairsk.text._likelihood.results import GroupLikelihood, GroupPerplexity, LikelihoodPair, Measure

__all__ = ["perplexity_by_group"]


def perplexity_by_group(
    log_likelihood: LikelihoodOf,
    prompts: Any,
    groups: Fills,
    *,
    count_tokens: TokensOf = None,
    terms: TermsAre = "fixed",
    confidence: float = 0.95,
    n_resamples: int = 10_000,
    random_state: RandomStateLike = None,
) -> GroupPerplexity:
    """Compare how likely a language model finds the same sentences about different groups.

    Parameters
    ----------
    log_likelihood : callable, or scorer with a method ``log_likelihood``
        ``log_likelihood(texts)`` returns the log-probability of each whole text. Each distinct text is asked
        about once.
    prompts : array-like of shape (n_prompts,)
        Templates with a place, such as ``"{person} worked as a doctor."``; or texts, if ``groups`` swaps
        terms in them.
    groups : mapping, or TermSwapper
        What stands in the place for each group: a text, a list of them, or for several places a mapping of
        each place to its list, ``{"women": {"person": ["the woman"], "own": ["her"]}, "men": ...}``. A
        TermSwapper rewrites texts that name exactly one of its groups; others are left out, and counted.
    count_tokens : callable, optional
        ``count_tokens(texts)`` returns the number of tokens of each text; by default the method of the
        scorer, if it has one.
    terms : {"fixed", "sampled"}, default="fixed"
        Whether it is about these very terms, and prompts alone are a sample; or whether terms are a sample as
        well, as names are, of which another list would have done.
    confidence : float in (0, 1), default=0.95
        The coverage probability of each interval.
    n_resamples : int, default=10_000
        How many draws a p-value is made of where not all possibilities can be tried.
    random_state : int, Generator, RandomState or None, default=None
        Seed of the draws.

    Returns
    -------
    GroupPerplexity
        Pairs of groups compared within the prompts, and perplexities of the groups.

    Raises
    ------
    TypeError
        If something is no text, or nothing gives a likelihood.
    ValueError
        If there are fewer than two groups, a template has no place or an unknown one, or a text has no finite
        log-likelihood.

    See Also
    --------
    paired_preference : Pairs of texts of any kind.
    generation_audit : What a model writes of groups.
    starter_prompts : Sentences to begin with.

    Notes
    -----
    Of prompt i and group g, L is the mean over the group's terms of the log-likelihood of the text, or of
    that divided by its number of tokens. The difference of two groups is the mean over prompts of
    L_ig - L_ih. With fixed terms it has Student's interval, and p is that of random signs of the differences,
    exact for up to 30 prompts. With sampled terms the variance of the means of the terms of either group is
    added, the degrees of freedom are Welch-Satterthwaite's, and p deals terms out to the groups anew, exactly
    where there are few. Holm's method adjusts p for the number of pairs of groups. Perplexity is
    exp(-mean of L per token). A mean of log-likelihoods has Student's interval over prompts, which ends at 0,
    so that a perplexity is not below 1.

    A language model finds frequent words likely: that "the man" is likelier than "the widow" says nothing of
    either. What differs between prompts about work and about home does.

    A term begins a text with a capital.

    Examples
    --------
    >>> from fairsk.text import perplexity_by_group
    >>> def log_likelihood(texts):  # a stub that finds women at work less likely
    ...     return [-2.0 * len(text.split()) - ("woman worked" in text) for text in texts]
    >>> result = perplexity_by_group(
    ...     log_likelihood,
    ...     ["{person} worked.", "{person} slept.", "Then {person} worked on."],
    ...     {"women": ["the woman"], "men": ["the man"]},
    ...     count_tokens=lambda texts: [len(text.split()) for text in texts],
    ... )
    >>> pair = result.pairs[0]
    >>> pair.first, pair.second, round(pair.difference, 3), pair.first_likelier
    ('women', 'men', -0.667, 0)
    """
    check_confidence(confidence)
    check_choice("terms", terms, TermsAre)
    check_resamples(n_resamples)
    filled = fill_prompts(prompts, groups)
    if terms == "sampled":
        filled.need_several_terms()
    texts = filled.distinct()
    likelihood = log_likelihoods(log_likelihood, texts)
    tokens = token_counts(count_tokens, log_likelihood, texts)
    measures: dict[Measure, dict[str, float]] = {"text": likelihood}
    if tokens is not None:
        measures["token"] = {text: likelihood[text] / tokens[text] for text in texts}
    tables = {measure: _tables_of(filled, values) for measure, values in measures.items()}
    rng = generator(random_state)
    pairs = [
        pair
        for measure, by_group in tables.items()
        for pair in _pairs(measure, by_group, terms, confidence, n_resamples, rng)
    ]
    lengths = None if tokens is None else _tables_of(filled, tokens)
    return GroupPerplexity(
        groups=filled.groups,
        pairs=tuple(pairs),
        likelihoods=tuple(
            _of_group(
                group, {measure: by_group[group] for measure, by_group in tables.items()}, lengths, confidence
            )
            for group in filled.groups
        ),
        n_prompts=len(filled.prompts),
        left_out=filled.left_out,
        duplicates=filled.duplicates,
        terms=terms,
        confidence=confidence,
        library=library_of(prompts),
    )


def _tables_of(filled: FilledPrompts, values: Mapping[str, float]) -> dict[Hashable, Floats]:
    """Return per group a value per prompt and term."""
    return {
        group: np.array([[values[text] for text in cell[group]] for cell in filled.texts])
        for group in filled.groups
    }


def _pairs(
    measure: Measure,
    tables: Mapping[Hashable, Floats],
    terms: TermsAre,
    confidence: float,
    n_resamples: int,
    rng: np.random.Generator,
) -> list[LikelihoodPair]:
    found, p_values = [], []
    for one, other in combinations(tables, 2):
        first, second = tables[one], tables[other]
        differences = prompt_means(first) - prompt_means(second)
        if terms == "fixed":
            p = sign_flip_p(differences, n_resamples, rng)
        else:
            p = split_p(prompt_means(first.T), prompt_means(second.T), n_resamples, rng)[0]
        found.append((one, other, contrast(first, second, terms, confidence), differences))
        p_values.append(p)
    return [
        LikelihoodPair(
            measure=measure,
            first=one,
            second=other,
            difference=estimate.value,
            low=estimate.low,
            high=estimate.high,
            p_value=float(p),
            adjusted_p_value=float(adjusted),
            n_prompts=len(differences),
            first_likelier=int((differences > 0).sum()),
            least_p_value=(
                least_split_p(tables[one].shape[1], tables[other].shape[1], n_resamples)
                if terms == "sampled"
                else float("nan")
            ),
        )
        for (one, other, estimate, differences), p, adjusted in zip(
            found, p_values, adjust_p_values(p_values), strict=True
        )
    ]


def _of_group(
    group: Hashable,
    tables: Mapping[Measure, Floats],
    lengths: Mapping[Hashable, Floats] | None,
    confidence: float,
) -> GroupLikelihood:
    def estimate(measure: Measure) -> tuple[float, float, float]:
        if measure not in tables:
            return float("nan"), float("nan"), float("nan")
        means = prompt_means(tables[measure])
        estimate = mean_estimate(means, confidence, float(np.abs(means).max()))
        return within(estimate, -np.inf, 0.0)  # the logarithm of a probability

    per_text, per_token = estimate("text"), estimate("token")
    with np.errstate(over="ignore"):  # a text of no likelihood at all
        # The highest likelihood is the lowest perplexity.
        perplexity, high, low = (float(np.exp(-np.float64(value))) for value in per_token)
    return GroupLikelihood(
        group,
        tables["text"].size,
        float("nan") if lengths is None else float(lengths[group].mean()),
        *per_text,
        *per_token,
        perplexity,
        low,
        high,
    )
