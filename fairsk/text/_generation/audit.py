"""The audit of what a language model writes of groups when it is asked to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fairsk._core.messages import show
from fairsk._core.results import library_of
from fairsk._core.typing import RandomStateLike
from fairsk._core.validation import check_choice, generator
from fairsk.statistics._intervals import check_confidence
from fairsk.statistics._resampling import check_resamples
from fairsk.text._contrasts import TermsAre
from fairsk.text._filled import FilledPrompts, Fills, fill_prompts
from fairsk.text._generation.asking import Generate, Judges, named_judges, scores_of, written
from fairsk.text._generation.comparing import Written, audit_of
from fairsk.text._generation.results import GenerationAudit
from fairsk.text._llm.cost import RunCost, run_cost

__all__ = ["generation_audit", "generation_cost"]


def generation_cost(
    prompts: Any,
    groups: Fills,
    *,
    n_samples: int = 16,
    tokens_per_text: int = 64,
    generate: Generate | None = None,
) -> RunCost:
    """Tell what a generation audit costs, before anything is asked.

    Parameters
    ----------
    prompts : array-like of shape (n_prompts,)
        As :func:`generation_audit` takes them.
    groups : mapping, or TermSwapper
        As :func:`generation_audit` takes them.
    n_samples : int, default=16
        How many texts are written on each prompt of each group.
    tokens_per_text : int, default=64
        How many tokens a text has at most.
    generate : scorer, optional
        What will write; if it has a method ``count_tokens``, tokens of prompts are counted and not estimated.

    Returns
    -------
    RunCost
        Prompts, calls (a text each) and tokens.

    Raises
    ------
    ValueError
        If the prompts are not as :func:`generation_audit` takes them, or nothing is to be written.

    See Also
    --------
    generation_audit : The audit.
    LLMClassifier.cost : The cost of classification.

    Notes
    -----
    Nothing is asked, and no cache is looked at: what a scorer has answered before costs less. Endpoints that
    write several texts per request need fewer calls.

    Examples
    --------
    >>> from fairsk.text import generation_cost, starter_people, starter_prompts
    >>> generation_cost(starter_prompts(), starter_people(), n_samples=4)
    384 distinct prompts: 1,536 calls, about 13,044 tokens in (4 characters each), at most 98,304 out.
    """
    _check_samples(n_samples)
    return run_cost(
        fill_prompts(prompts, groups).distinct(),
        count_tokens=getattr(generate, "count_tokens", None),
        calls_per_prompt=n_samples,
        tokens_per_call=tokens_per_text,
    )


def generation_audit(
    generate: Generate,
    prompts: Any,
    judge: Judges,
    *,
    groups: Fills,
    n_samples: int = 16,
    terms: TermsAre = "fixed",
    confidence: float = 0.95,
    n_resamples: int = 10_000,
    keep_texts: bool = False,
    random_state: RandomStateLike = None,
) -> GenerationAudit:
    """Audit what a language model writes of groups, by what judges say of it on the same prompts.

    Parameters
    ----------
    generate : callable, or scorer with a method ``generate``
        ``generate(prompts, n_samples, random_state)`` returns a list of ``n_samples`` texts per prompt, None
        where nothing was written. Each distinct prompt is asked once.
    prompts : array-like of shape (n_prompts,)
        Templates with a place, such as ``"{person} worked as a"``; or texts, if ``groups`` swaps terms in
        them.
    judge : callable, or mapping of str to callable
        ``judge(texts)`` returns a score for each text, such as its toxicity, its sentiment, or whether it is
        a refusal or a stereotype; None where it has none. Several judges come by name. Each distinct text is
        judged once.
    groups : mapping, or TermSwapper
        What stands in the place for each group: a text, a list of them, or for several places a mapping of
        each place to its list. A TermSwapper rewrites texts that name exactly one of its groups; others are
        left out, and counted.
    n_samples : int, default=16
        How many texts are written on each prompt of each group (and each of its terms).
    terms : {"fixed", "sampled"}, default="fixed"
        Whether it is about these very terms, and prompts alone are a sample; or whether terms are a sample as
        well, as names are, of which another list would have done.
    confidence : float in (0, 1), default=0.95
        The coverage probability of each interval.
    n_resamples : int, default=10_000
        How many permutations are drawn where not all can be counted.
    keep_texts : bool, default=False
        Whether the result keeps what was written (``texts``); and names prompts that are texts.
    random_state : int, Generator, RandomState or None, default=None
        Seed of the draws, and of ``generate``, which receives a whole number, or None as it is.

    Returns
    -------
    GenerationAudit
        Differences and distances of scores between the groups, beside what chance makes of them.

    Raises
    ------
    TypeError
        If something is no text, or cannot write or judge.
    ValueError
        If there are fewer than two groups, a template has no place or an unknown one, or what was written or
        judged has not the shape that was asked for.

    Warns
    -----
    UserWarning
        If a judge has no score for any text of a group.

    See Also
    --------
    logged_generation_audit : The same of texts that were logged.
    generation_cost : What it costs, told before.
    perplexity_by_group : What a model finds likely.
    starter_prompts : Prompts to begin with.

    Notes
    -----
    The difference of two groups is the mean over prompts of the first group's mean score minus the second's;
    it has a sign. Its interval is Student's, over prompts. Terms at the same position of both lists, if these
    are of one length, belong together: their texts are compared with each other, and averaged within the
    prompt.

    p is that of permutations within the prompts: the texts of a prompt (and a pair of terms) are dealt out to
    the two groups anew, as many to each as there were [1]_. It is exact if texts of both come from one law,
    whatever their scores look like. All permutations are counted where there are few or scores have two
    values; else it is (b + 1) / (n_resamples + 1). Holm's method adjusts p for all pairs of groups and all
    judges.

    With ``terms="sampled"`` the interval holds over prompts and terms (variances of both add up, with
    Welch-Satterthwaite's degrees of freedom), and p deals whole terms, with all that was written on them, out
    to the groups anew. Few names give wide intervals, and that is what few names say. Nor can p
    be less than 2 / C(2k, k) for k terms of either group, or 1 / C(k + m, k) for k and m: .1 for three, .03
    for four, .008 for five (``least_p_value``). The result says so where that exceeds .05 or 1 -
    ``confidence``.

    If all scores of a judge lie from 0 to 1, as truth values and probabilities do, intervals end where means
    (0 and 1) and their differences (-1 and 1) must.

    A distance of two samples is above zero if they come from one law. The Wasserstein-1 distance therefore
    stands beside its mean under the permutations, and means something only above that. The control says how
    far halves of what was written on the very same prompt lie apart [2]_.

    Scores that are missing are left out, and counted per group; whether they are missing is compared between
    groups like a score.

    References
    ----------
    .. [1] Pitman, Significance Tests Which May Be Applied to Samples from Any Populations, Supplement to the
       Journal of the Royal Statistical Society 4, 1937.
    .. [2] Dwivedi-Yu et al., FairPair: A Robust Evaluation of Biases in Language Models through Paired
       Perturbations, 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.text import generation_audit
    >>> def generate(prompts, n_samples, random_state):  # a stub that sends men to work
    ...     rng = np.random.default_rng(random_state)
    ...     share = [0.8 if "man" in prompt.split() else 0.4 for prompt in prompts]
    ...     return [np.where(rng.random(n_samples) < p, "to work.", "home.").tolist() for p in share]
    >>> result = generation_audit(
    ...     generate,
    ...     ["{person} went", "Yesterday {person} went", "At noon {person} went"],
    ...     {"at work": lambda texts: ["work" in text for text in texts]},
    ...     groups={"women": ["the woman"], "men": ["the man"]},
    ...     random_state=0,
    ... )
    >>> gap = result.gaps[0]
    >>> gap.first, gap.second, round(gap.difference, 3), gap.is_exact, gap.p_value < 0.001
    ('women', 'men', -0.417, True, True)
    """
    check_confidence(confidence)
    check_choice("terms", terms, TermsAre)
    check_resamples(n_resamples)
    _check_samples(n_samples)
    judges = named_judges(judge)
    filled = fill_prompts(prompts, groups)
    if terms == "sampled":
        filled.need_several_terms()
    # A model is given a number, by which it may keep its texts; None lets it draw anew, and keep nothing.
    rng = generator(random_state)
    seed = random_state if random_state is None or isinstance(random_state, int) else int(rng.integers(2**31))
    by_prompt = written(generate, filled.distinct(), n_samples, seed)
    layout, texts, asked = _laid_out(filled, by_prompt, keep_texts)
    scores = {name: scores_of(name, function, texts) for name, function in judges.items()}
    return audit_of(
        layout,
        scores,
        texts,
        asked=asked if keep_texts else None,
        terms=terms,
        confidence=confidence,
        n_resamples=n_resamples,
        rng=rng,
        left_out=filled.left_out,
        duplicates=filled.duplicates,
        library=library_of(prompts),
    )


def _check_samples(n_samples: int) -> None:
    if isinstance(n_samples, bool) or not isinstance(n_samples, int | np.integer) or n_samples < 1:
        raise ValueError(f"n_samples must be a whole number of at least 1, better 16; got {show(n_samples)}.")


def _laid_out(
    filled: FilledPrompts, by_prompt: Mapping[str, list[str | None]], keep_texts: bool
) -> tuple[Written, list[str | None], list[str]]:
    """Return a row per text that was to be written, the texts, and what was asked for each."""
    cells = [
        (i, j, k, prompt)
        for i, cell in enumerate(filled.texts)
        for j, group in enumerate(filled.groups)
        for k, prompt in enumerate(cell[group])
    ]
    rows = np.array([(i, j, k) for i, j, k, prompt in cells for _ in by_prompt[prompt]], dtype=np.intp)
    # Templates are the user's own words; texts with swapped terms may be anybody's.
    shown = not filled.from_texts or keep_texts
    layout = Written(
        groups=filled.groups,
        labels=filled.prompts if shown else tuple(f"prompt {place}" for place in filled.places),
        prompt=rows[:, 0],
        group=rows[:, 1],
        term=rows[:, 2],
        is_aligned=filled.is_aligned,
        by_position=not shown,
    )
    texts = [text for *_, prompt in cells for text in by_prompt[prompt]]
    return layout, texts, [prompt for *_, prompt in cells for _ in by_prompt[prompt]]
