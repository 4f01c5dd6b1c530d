"""counterfactual_audit: whether a model's answers change when a text names another group."""

from __future__ import annotations

from typing import Any

import numpy as np

from fairsk._core.messages import show
from fairsk._core.results import library_of
from fairsk._core.typing import RandomStateLike
from fairsk._core.validation import generator
from fairsk.statistics._intervals import check_confidence
from fairsk.statistics._resampling import check_resamples
from fairsk.text._counterfactual.comparisons import Comparisons
from fairsk.text._counterfactual.controls import Control, control_name
from fairsk.text._counterfactual.edits import edit_texts
from fairsk.text._counterfactual.language_models import abstains_inside
from fairsk.text._counterfactual.records import ChangedText
from fairsk.text._counterfactual.responses import Respondent, Responses, TextResponse, read_model
from fairsk.text._counterfactual.results import CounterfactualAudit, DecidedBy

__all__ = ["compare_versions", "counterfactual_audit"]

#: Longer texts are shown around where they first differ only.
_LONGEST = 160
#: How much of a shortened text stands before that place.
_BEFORE = 40


def counterfactual_audit(
    model: Any,
    X: Any,
    swapper: Any,
    *,
    text: str | int | None = None,
    response_method: TextResponse = "auto",
    pos_label: Any = None,
    threshold: float | None = None,
    control: Control = "auto",
    confidence: float = 0.95,
    n_resamples: int = 9999,
    most_worst: int = 5,
    keep_texts: bool = True,
    random_state: RandomStateLike = 0,
) -> CounterfactualAudit:
    """Ask a model about texts, and about the same texts with another group in them.

    Every text that names exactly one group is rewritten for each other group; the model's decisions and
    scores on both versions are compared, and beside that on a control: an edit as large that leaves the group
    as it is. A share of decisions that flip says nothing of groups by itself, for any edit flips some; the
    excess over the control does, and so does the direction of flips and gaps.

    Parameters
    ----------
    model : fitted classifier or regressor of texts, or callable
        What is asked: an estimator whose ``predict`` takes X's kind of rows, such as a pipeline that begins
        with a vectorizer or an :class:`fairsk.text.LLMClassifier`; or a function that takes a list of texts
        and returns a score for each, or a truth value, or a label. NaN or None is no answer.
    X : array-like of shape (n_samples,), frame, or 2-D array
        Texts, or a table that has a column of them. An estimator sees the other columns, too.
    swapper : TermSwapper
        Whose terms are exchanged, or another object with its ``group_names``, ``pairs`` and ``mentioned``,
        and ``control``.
    text : str or int, optional
        Which column of a table holds the texts; a table of one column needs no name.
    response_method : {"auto", "predict_proba", "decision_function", "predict"}, default="auto"
        Where a classifier's scores come from; ``"auto"`` takes the first that it has, and ``"predict"`` makes
        the score 1 for the positive label and 0 for any other.
    pos_label : label, optional
        The positive label: by default the second of a classifier's two classes. With more than two, and of
        a callable's labels, it must be named; it is compared with all others.
    threshold : float, optional
        The score from which on a decision is positive. By default a classifier's own ``predict`` decides, a
        callable's scores do at .5 if all are between 0 and 1, and there are no decisions otherwise.
    control : {"auto", "repeat"}, callable or None, default="auto"
        The control: every term replaced by another of its group and kind (``swapper.control``); the same text
        asked again, for models that sample their answers; a function that takes a text and returns its
        edit, or None where it has none; or no control.
    confidence : float in (0, 1), default=0.95
        The coverage probability of each interval.
    n_resamples : int, default=9999
        How many random signs the p-value of a gap comes from, where more than 30 texts have one.
    most_worst : int, default=5
        How many of the texts whose scores change most are kept in the result, shortened.
    keep_texts : bool, default=True
        Whether these are kept as text, or by their row alone, for a result that is to be passed on.
    random_state : int, Generator, RandomState or None, default=0
        Draws the signs.

    Returns
    -------
    CounterfactualAudit
        Its ``verdict`` in words, ``pairs`` with a record for any two groups, ``frame()`` with a line for
        each, and the ``worst`` texts.

    Raises
    ------
    ValueError
        If the positive label is not named or none of the classes, the threshold is no number or meets
        labels, scores are infinite, or an option is unknown or out of range.
    TypeError
        If ``model`` is none that can be asked, X holds no texts, or the swapper cannot rewrite them.

    See Also
    --------
    counterfactual_texts : What will be asked, so that the cost is known before.
    make_counterfactual_scorer : The same as a score, for searches.
    CounterfactualAverager : Makes a classifier invariant.
    TermSwapper : The terms.

    Notes
    -----
    The unit of analysis is the text. For two groups a and b, over the texts that name either alone:

    - flips: the share whose decision differs, with Wilson's interval;
    - direction: b texts are positive only as the one, c only as the other; McNemar's exact test takes b as
      binomial among b + c with probability 1/2. It is made for each pair of groups and never over several;
    - gap: the mean of score(as a) - score(as b), with Student's interval (of scores that are all from 0
      to 1 it ends at -1 and 1), and the p-value by turning the signs of the texts' gaps around: exact for 30
      texts or fewer;
    - excess: flips minus the flips of the control, over the texts that have one, with Newcombe's interval for
      paired shares, which unlike that by the normal law has a width where no text flips [1]_;
    - moves: the mean of the distances between the two scores, whichever way, minus that of the control, with
      Student's interval and the same test: what the gap does not show where scores move either way;
    - refusals: the texts that the model answers in one version only, and McNemar's test of them.

    p-values are adjusted by Holm's method over the pairs of groups. Over all groups each text counts once, by
    its average over the groups that it is rewritten for.

    Each distinct text is asked about once. A classifier is asked for scores and for decisions, one call each;
    with a ``threshold`` or ``response_method="predict"`` one call is enough. Of an
    :class:`fairsk.text.LLMClassifier` the language model is asked each prompt once, and what it does not
    answer is counted as such, whatever ``unanswered`` makes of it.

    This is a test by listed terms [2]_, not the causal criterion that is called counterfactual fairness [3]_:
    it misses what else hints at a group, and a model that passes it may still treat groups differently.

    References
    ----------
    .. [1] Newcombe, Improved Confidence Intervals for the Difference Between Binomial Proportions Based on
       Paired Data, Statistics in Medicine 17, 1998.
    .. [2] Garg et al., Counterfactual Fairness in Text Classification through Robustness, AIES 2019.
    .. [3] Kusner et al., Counterfactual Fairness, NeurIPS 2017.

    Examples
    --------
    >>> from fairsk.text import TermSwapper, counterfactual_audit
    >>> swapper = TermSwapper({"female": ["she", "woman", "lady"], "male": ["he", "man", "gentleman"]})
    >>> texts = ["She is kind.", "That lady sings.", "A man came.", "He left.", "It rains."]
    >>> audit = counterfactual_audit(lambda texts: ["she" in text.lower() for text in texts], texts, swapper)
    >>> audit.pairs[0].flips.rate, audit.pairs[0].only_group, audit.pairs[0].only_other
    (0.5, 2, 0)
    >>> audit.mentions
    mappingproxy({'female': 2, 'male': 2, 'none': 1, 'several': 0})
    """
    check_confidence(confidence)
    check_resamples(n_resamples)
    if isinstance(most_worst, bool) or not isinstance(most_worst, int | np.integer) or most_worst < 0:
        raise ValueError(f"most_worst must be a whole number, 0 or more; got {show(most_worst)}.")
    respondent = read_model(model, response_method, pos_label, threshold)
    comparisons = compare_versions(respondent, X, swapper, text=text, control=control)
    rng = generator(random_state)
    edits, responses = comparisons.edits, comparisons.responses
    decided_by = _decided_by(respondent, responses)
    return CounterfactualAudit(
        groups=edits.group_names,
        n_texts=sum(edits.mentions.values()),
        mentions=edits.mentions,
        n_repeated=len(edits.texts) - len(set(edits.texts)),
        n_asked=len(edits.asked),
        response=respondent.method,
        decided_by=decided_by,
        threshold=responses.threshold,
        pos_label=True if decided_by == "labels" and respondent.positive is None else respondent.positive,
        abstains_inside=abstains_inside(model),
        control_kind=control_name(control),
        has_one_kind=_has_one_kind(swapper),
        n_without_control=int((edits.control_at < 0).sum()),
        n_unchanged_controls=edits.n_unchanged,
        confidence=confidence,
        n_resamples=n_resamples,
        flips=comparisons.flip_share(confidence),
        control=comparisons.control(confidence),
        pairs=comparisons.compare(confidence, n_resamples, rng),
        moves=comparisons.moves(confidence, n_resamples, rng),
        worst=_changed_most(comparisons, most_worst, keep_texts=keep_texts),
        library=library_of(X),
    )


def compare_versions(
    respondent: Respondent,
    X: Any,
    swapper: Any,
    *,
    text: str | int | None,
    control: Control,
    scores: bool = True,
    decisions: bool = True,
) -> Comparisons:
    """Rewrite the texts of X and ask a model about all versions; of scores and decisions, what is needed."""
    by_row = text is not None and not respondent.is_callable
    edits = edit_texts(X, swapper, text=text, control=control, by_row=by_row)
    asked, again = edits.rows_to_ask(X, text)
    responses = respondent.respond(asked, text, scores=scores, decisions=decisions)
    if edits.n_first < len(edits.asked):
        responses = responses.followed_by(respondent.respond(again, text, scores=scores, decisions=decisions))
    return Comparisons(edits, responses)


def _has_one_kind(swapper: Any) -> bool:
    """Whether all rows of a swapper are of one kind, as they are where it was given none."""
    kinds = set(getattr(swapper, "kinds", ()))
    return len(kinds) == 1 and None not in kinds


def _decided_by(respondent: Respondent, responses: Responses) -> DecidedBy | None:
    """Return where decisions come from."""
    if responses.decisions is None:
        return None
    if responses.threshold is not None:
        return "threshold"
    return "labels" if respondent.is_callable else "predict"


def _changed_most(comparisons: Comparisons, most: int, *, keep_texts: bool) -> tuple[ChangedText, ...]:
    """Return the texts whose scores change most, each distinct one once."""
    edits, changes = comparisons.edits, comparisons.changes
    sizes = np.where(np.isnan(changes), 0.0, np.abs(changes))
    found: dict[str, ChangedText] = {}
    for i in np.argsort(-sizes, kind="stable").tolist():
        if len(found) >= most or sizes[i] == 0:
            break
        at = int(edits.of_text[i])
        source, target = edits.texts[at], edits.asked[edits.pair_at[i]]
        if source in found:
            continue
        flip = comparisons.pair_flips[i]
        shown = _around_the_difference(source, target) if keep_texts else (None, None)
        place = int(edits.control_at[at])
        edited = edits.asked[place] if keep_texts and place >= 0 else None
        found[source] = ChangedText(
            row=int(edits.rows[at]),
            source=edits.group_names[edits.sources[at]],
            target=edits.group_names[edits.targets[i]],
            score=float(comparisons.scores[edits.source_at[at]]),
            counterfactual_score=float(comparisons.scores[edits.pair_at[i]]),
            change=float(changes[i]),
            flipped=None if np.isnan(flip) else bool(flip),
            text=shown[0],
            counterfactual=shown[1],
            control=None if edited is None else _around_the_difference(edited, source)[0],
            control_score=float(comparisons.scores[place]) if place >= 0 else np.nan,
        )
    return tuple(found.values())


def _around_the_difference(text: str, other: str) -> tuple[str, str]:
    """Shorten two texts to where they begin to differ, if they are long."""
    if max(len(text), len(other)) <= _LONGEST:
        return text, other
    first = next((i for i, (a, b) in enumerate(zip(text, other, strict=False)) if a != b), 0)
    start = max(0, first - _BEFORE)

    def cut(words: str) -> str:
        part = words[start : start + _LONGEST]
        return f"{'...' if start else ''}{part}{'...' if start + _LONGEST < len(words) else ''}"

    return cut(text), cut(other)
