"""LLMClassifier: a language model as a classifier of scikit-learn."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from numbers import Real
from typing import Any, Literal, Self, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from fairsk._core.columns import refuse_shuffled
from fairsk._core.messages import list_labels
from fairsk._core.typing import Bools, Floats
from fairsk._core.validation import check_weights
from fairsk._sklearn.accuracy import accuracy
from fairsk._sklearn.compat import Interval, StrOptions, fit_context
from fairsk._sklearn.rows import check_rows
from fairsk.rates import check_choice
from fairsk.text._llm.answers import answer_classes, answer_texts, check_answers
from fairsk.text._llm.asking import Scorer, answer_scores, is_silent
from fairsk.text._llm.calibration import (
    CONTENT_FREE,
    WIDEST,
    AnswerOffsets,
    LogisticMap,
    content_free_offsets,
)
from fairsk.text._llm.cost import RunCost, run_cost
from fairsk.text._llm.prompts import Prompt, parse_prompt

__all__ = ["LLMClassifier"]

Calibrate: TypeAlias = Literal["none", "content_free", "fit"]
Unanswered: TypeAlias = Literal["error", "abstain", "nan"]


class LLMClassifier(ClassifierMixin, BaseEstimator):
    r"""Classify texts by what a language model answers.

    Each row is put into a prompt, and the probability of each answer that the model gives becomes the
    probability of a class: a classifier like any other, to be calibrated, thresholded per group,
    cross-validated and monitored. The model itself is never trained.

    Parameters
    ----------
    scorer : callable
        ``scorer(prompts, answers)`` returns an array of shape (n_prompts, n_answers) of log-probabilities; a
        prompt to which none of the answers was given has a row of -inf. An
        :class:`~fairsk.text.OpenAIScorer`, a :class:`~fairsk.text.LocalScorer`, or a function of your own,
        which :class:`~fairsk.text.CachedScorer` saves from being asked the same twice. Clones share it.
    prompt : str, default="{text}"
        What is asked of each row. ``{text}`` stands for the text where X is texts (or a table of one
        column); otherwise a field is the name of a column, ``"{age}, {job}: {comment}"``. Braces of the
        prompt itself are written twice.
    answers : dict from label to str, optional
        The text of the answer that stands for each class; by default the label after a blank, ``" 1"``.
        Most models see a word with a blank before it, ``" yes"``, as one token.
    calibrate : {"none", "content_free", "fit"}, default="none"
        How log-probabilities of answers become probabilities of classes: by their shares; by their shares
        after those in the answers to inputs without content are divided out; or by a logistic map that is
        learned from the labels in ``fit``, of which tens suffice.
    unanswered : {"error", "abstain", "nan"}, default="error"
        What becomes of a row to which none of the answers was given, such as one that the model refuses; it
        is never a class of its own. ``"error"`` says how many there are. ``"abstain"`` returns what is known
        without the row: the shares of the classes in ``fit``, the same for every such row. ``"nan"`` returns
        NaN, and ``predict``, which has no label for that, refuses. :meth:`is_unanswered` tells which rows
        they are. With ``calibrate="fit"`` the map is learned from the other rows.
    C : float in (0, inf], default=1.0
        Inverse of the strength of the penalty on the slopes of the logistic map, as in
        :class:`sklearn.linear_model.LogisticRegression`.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
        The labels: those of y; without y, those of ``answers``.
    answers_ : tuple of str
        The answer of each class.
    class_shares_ : array of shape (n_classes,)
        The share of each class in ``fit``, by weight; equal shares without y.
    map_ : AnswerOffsets or LogisticMap
        What makes probabilities of log-probabilities: with the attribute ``offsets``, or with ``mean``,
        ``scale``, ``coef`` and ``intercept``.

    Raises
    ------
    ValueError
        If a field of the prompt is no column, answers are for other labels than those of y or cannot be told
        apart, the scorer breaks its contract, or rows are not answered.

    Warns
    -----
    UserWarning
        If the letters of one answer begin with those of another, and the scorer does not know the model's
        tokens.

    See Also
    --------
    fairsk.GroupThresholdOptimizer : Decide by a threshold per group, around this classifier.
    fairsk.text.OpenAIScorer : Ask a model behind an OpenAI-compatible endpoint.
    fairsk.text.CachedScorer : Ask any callable each prompt once.

    Notes
    -----
    With :math:`\ell_c(x)` the log-probability of the answer for class :math:`c`, at least 30 below the
    largest of its row, the probability of the class is proportional to

    .. math:: e^{\ell_c(x)}, \qquad e^{\ell_c(x)} / \bar p_c, \qquad
        \exp\Bigl(b_c + \sum_j W_{cj}\, u_j(x)\Bigr)

    for the three kinds of calibration. :math:`\bar p_c` is the mean share of the answer over the inputs
    "N/A", "" and "[MASK]", put in place of every field [1]_. :math:`u_j` are the log-shares
    :math:`\ell_j - \log\sum_c e^{\ell_c}` and the log-probability of all answers together, standardised with
    the training rows' means and deviations; without the last one that is Dirichlet calibration [2]_. In a
    simulation with 30 and 100 labels these inputs lose at most .04 nats to the best of five choices, the raw
    log-probabilities up to .18 and shares alone up to .34 (``benchmarks/text_llm.py``).

    Answers are compared by their first token, or by all, as the scorer does. They must differ in the first:
    answers one of which begins with the other are refused where they are words or numbers ("good", "good
    enough"), and warned of where they share letters, unless the scorer has a method ``check_answers`` that
    knows better.

    ``fit`` without y makes a zero-shot classifier of the labels in ``answers``; X may be left out, too. It
    asks the scorer nothing, with ``"content_free"`` three prompts, and with ``"fit"`` those of the rows that
    have a weight. Every distinct prompt is asked once per call, and once in all by a scorer that remembers
    answers.

    References
    ----------
    .. [1] Zhao, Wallace, Feng, Klein & Singh, Calibrate Before Use: Improving Few-Shot Performance of
       Language Models, ICML 2021.
    .. [2] Kull, Perello-Nieto, Kängsepp, Silva Filho, Song & Flach, Beyond Temperature Scaling: Obtaining
       Well-Calibrated Multiclass Probabilities with Dirichlet Calibration, NeurIPS 2019.

    Examples
    --------
    A stand-in for a language model, which leans towards "good" whatever it reads:

    >>> import numpy as np
    >>> from fairsk.text import LLMClassifier
    >>> def scorer(prompts, answers):
    ...     log_odds = np.array([1.0 - 0.8 * ("late" in p) + 0.8 * ("early" in p) for p in prompts])
    ...     good = -np.log1p(np.exp(-log_odds))
    ...     return np.column_stack([good - log_odds, good])
    >>> texts = ["It came late.", "It came early.", "Much too late!", "Early, as ever."] * 10
    >>> X, y = [text.lower() for text in texts], [0, 1] * 20
    >>> answers = {0: " bad", 1: " good"}
    >>> model = LLMClassifier(scorer, prompt="Review: {text}\nVerdict:", answers=answers)
    >>> model.cost(X)
    4 distinct prompts: 4 calls, about 32 tokens in (4 characters each), at most 4 out.
    >>> model.fit(X, y).score(X, y)
    0.5
    >>> model.set_params(calibrate="fit").fit(X, y).score(X, y)
    1.0
    """

    _parameter_constraints = {
        "scorer": [callable],
        "prompt": [str],
        "answers": "no_validation",  # by answer_texts
        "calibrate": [StrOptions(set(get_args(Calibrate)))],
        "unanswered": [StrOptions(set(get_args(Unanswered)))],
        "C": [Interval(Real, 0, None, closed="right")],
    }

    map_: AnswerOffsets | LogisticMap

    def __init__(
        self,
        scorer: Scorer,
        *,
        prompt: str = "{text}",
        answers: Mapping[Any, str] | None = None,
        calibrate: Calibrate = "none",
        unanswered: Unanswered = "error",
        C: float = 1.0,
    ) -> None:
        self.scorer = scorer
        self.prompt = prompt
        self.answers = answers
        self.calibrate = calibrate
        self.unanswered = unanswered
        self.C = C

    def __sklearn_clone__(self) -> Self:
        """Return an unfitted copy that shares the scorer: a copy would have none of its cache."""
        params = self.get_params(deep=False)
        scorer = params.pop("scorer")
        other = type(self)(scorer, **{name: clone(value, safe=False) for name, value in params.items()})
        for name in ("_metadata_request", "_sklearn_output_config"):  # as scikit-learn's own clone does
            if name in vars(self):  # requests know whose they are: the clone's
                setattr(other, name, copy.deepcopy(vars(self)[name], {id(self): other}))
        return other

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return a copy that shares the scorer: scikit-learn copies the owners of metadata requests."""
        other = type(self).__new__(type(self))
        memo[id(self)] = other
        for name, value in vars(self).items():
            other.__dict__[name] = value if name == "scorer" else copy.deepcopy(value, memo)
        return other

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any = None, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None) -> Self:
        """Learn which classes there are, and how answers become probabilities of them.

        Parameters
        ----------
        X : array-like of shape (n_samples,) of str, or frame of shape (n_samples, n_columns), optional
            Texts, or a table with the columns that the prompt names.
        y : array-like of shape (n_samples,), optional
            Labels; may be left out where ``answers`` says which there are, unless ``calibrate="fit"``.
        sample_weight : array-like of shape (n_samples,), optional
            Weight of each row, for the logistic map and the shares of classes.

        Returns
        -------
        LLMClassifier
            The fitted classifier.
        """
        prompt = parse_prompt(self.prompt)
        if y is None:
            self._fit_without_labels(prompt, X, sample_weight)
        else:
            self._fit_to_labels(prompt, X, y, sample_weight)
        self._prompt = prompt
        return self

    def _fit_without_labels(self, prompt: Prompt, X: Any, sample_weight: Any) -> None:
        """Take the classes from the answers."""
        classes = answer_classes(self.answers)
        if self.calibrate == "fit" or sample_weight is not None:
            what = "calibrate='fit' learns" if self.calibrate == "fit" else "sample_weight weighs rows"
            raise ValueError(
                f"requires y to be passed, but the target y is None: {what} from labels. Without labels "
                "there are calibrate='none' and 'content_free'."
            )
        if X is not None:
            prompt.render(X)  # so that a column which is not there is told now
        answers = answer_texts(self.answers, classes)
        check_answers(self.scorer, answers)
        self.map_ = self._offsets(prompt, answers)
        self.classes_, self.answers_ = classes, answers
        self.class_shares_ = np.full(len(classes), 1 / len(classes))

    def _fit_to_labels(self, prompt: Prompt, X: Any, y: Any, sample_weight: Any) -> None:
        """Take the classes from the labels; learn the map, if there is one to learn."""
        if X is None:
            raise ValueError("X is None, and y is not: give the texts, one per label.")
        refuse_shuffled(X=X, y=y, sample_weight=sample_weight)
        prompts, labels = check_rows(prompt.render(X), y)
        weights = check_weights(sample_weight, len(labels))
        classes, codes = np.unique(labels, return_inverse=True)
        answers = answer_texts(self.answers, classes)
        check_answers(self.scorer, answers)
        if self.calibrate == "fit":
            # A row of weight 0 is as good as absent, and its answer costs as much as any other.
            rows = np.arange(len(codes)) if weights is None else np.flatnonzero(weights)
            scores = answer_scores(self.scorer, [prompts[row] for row in rows], answers)
            silent = is_silent(scores)
            if self.unanswered == "error":
                _refuse_silent(silent, [prompts[row] for row in rows])
            rows, scores = rows[~silent], scores[~silent]
            lacking = np.setdiff1d(np.arange(len(classes)), codes[rows])
            if len(lacking):
                raise ValueError(
                    f"No row of y with the label {list_labels(classes[lacking].tolist())} has a weight and "
                    "an answer: calibrate='fit' cannot learn of that class. Give more rows, or change "
                    "the prompt."
                )
            kept = None if weights is None else weights[rows]
            self.map_ = LogisticMap.fit(scores, codes[rows], kept, float(self.C))
        else:
            self.map_ = self._offsets(prompt, answers)
        shares = np.bincount(codes, weights, len(classes))
        self.classes_, self.answers_ = classes, answers
        self.class_shares_ = shares / shares.sum()

    def _offsets(self, prompt: Prompt, answers: tuple[str, ...]) -> AnswerOffsets:
        """Return the offset of each answer: none, or what inputs without content are answered."""
        if self.calibrate == "none":
            return AnswerOffsets(np.zeros(len(answers)))
        scores = answer_scores(self.scorer, list(map(prompt.fill, CONTENT_FREE)), answers)
        answered = ~is_silent(scores)
        if not answered.any():
            raise ValueError(
                "None of the inputs without content ('N/A', '' and '[MASK]') is answered by one of the "
                "answers: calibrate='content_free' has nothing to go by. Ask for an answer in the prompt, or "
                "take calibrate='fit'."
            )
        return AnswerOffsets(content_free_offsets(scores[answered]))

    def _raw_scores(self, X: Any) -> tuple[Floats, list[str]]:
        """Return what the scorer says of each row, and the prompts."""
        check_is_fitted(self)
        prompts = self._prompt.render(X)
        return answer_scores(self.scorer, prompts, self.answers_), prompts

    def _log_probabilities(self, X: Any) -> tuple[Floats, Bools]:
        """Return log-probabilities of classes, and which rows were not answered."""
        check_choice("unanswered", self.unanswered, Unanswered)  # it may have been set since fit
        scores, prompts = self._raw_scores(X)
        silent = is_silent(scores)
        if self.unanswered == "error":
            _refuse_silent(silent, prompts)
        result = np.full(scores.shape, np.nan)
        result[~silent] = self.map_.log_proba(scores[~silent])
        if self.unanswered == "abstain":
            result[silent] = np.log(np.maximum(self.class_shares_, np.exp(-WIDEST)))
        return result, silent

    def predict_proba(self, X: Any) -> Floats:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples,) of str, or frame of shape (n_samples, n_columns)
            Texts, or a table with the columns that the prompt names.

        Returns
        -------
        array of shape (n_samples, n_classes)
            Probabilities, in the order of ``classes_``.
        """
        return np.exp(self._log_probabilities(X)[0])

    def predict_log_proba(self, X: Any) -> Floats:
        """Return the logarithm of the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples,) of str, or frame of shape (n_samples, n_columns)
            Texts, or a table with the columns that the prompt names.

        Returns
        -------
        array of shape (n_samples, n_classes)
            Logarithms, in the order of ``classes_``.
        """
        return self._log_probabilities(X)[0]

    def decision_function(self, X: Any) -> Floats:
        """Return the log-odds of the second of two classes; of more, the logarithm of each probability.

        Parameters
        ----------
        X : array-like of shape (n_samples,) of str, or frame of shape (n_samples, n_columns)
            Texts, or a table with the columns that the prompt names.

        Returns
        -------
        array of shape (n_samples,) or (n_samples, n_classes)
            Scores, which tell rows apart that have a probability of 1 as floats.
        """
        logs = self._log_probabilities(X)[0]
        return logs[:, 1] - logs[:, 0] if logs.shape[1] == 2 else logs

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict the class of each row: the most probable one.

        Parameters
        ----------
        X : array-like of shape (n_samples,) of str, or frame of shape (n_samples, n_columns)
            Texts, or a table with the columns that the prompt names.

        Returns
        -------
        array of shape (n_samples,)
            Class labels.

        Raises
        ------
        ValueError
            If rows are not answered, unless ``unanswered="abstain"``.
        """
        logs, silent = self._log_probabilities(X)
        if self.unanswered == "nan" and silent.any():
            raise ValueError(
                f"{np.count_nonzero(silent):,} of {len(silent):,} rows were not answered, and with "
                "unanswered='nan' they have no class: predict the others, X[~is_unanswered(X)], or take "
                "unanswered='abstain', which predicts the most frequent class of fit."
            )
        return self.classes_[np.argmax(logs, axis=1)]

    def is_unanswered(self, X: Any) -> Bools:
        """Tell which rows the model gives none of the answers to: those it refuses, or answers otherwise.

        As predictions these are rates of refusal per group:
        ``group_metrics(None, model.is_unanswered(X), sensitive_features=...)``.

        Parameters
        ----------
        X : array-like of shape (n_samples,) of str, or frame of shape (n_samples, n_columns)
            Texts, or a table with the columns that the prompt names.

        Returns
        -------
        bool array of shape (n_samples,)
            True where there is no answer, whatever ``unanswered`` makes of it.
        """
        return is_silent(self._raw_scores(X)[0])

    def score(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Return the accuracy of ``predict`` on X and y.

        Parameters
        ----------
        X : array-like of shape (n_samples,) of str, or frame of shape (n_samples, n_columns)
            Texts, or a table with the columns that the prompt names.
        y : array-like of shape (n_samples,)
            Their labels.
        sample_weight : array-like of shape (n_samples,), optional
            Weight of each row.

        Returns
        -------
        float
            The share of rows, by weight, whose label is predicted.
        """
        refuse_shuffled(X=X, y=y, sample_weight=sample_weight)
        return accuracy(y, self.predict(X), self.classes_, sample_weight)

    def cost(self, X: Any) -> RunCost:
        """Return what it costs to predict these rows, without asking the model.

        Before ``fit`` with ``calibrate="content_free"``, the inputs without content are counted, too.

        Parameters
        ----------
        X : array-like of shape (n_samples,) of str, or frame of shape (n_samples, n_columns)
            Texts, or a table with the columns that the prompt names.

        Returns
        -------
        RunCost
            Distinct prompts, how many of them the scorer remembers, and calls and tokens of the others.
        """
        is_fitted = hasattr(self, "classes_")
        prompt = self._prompt if is_fitted else parse_prompt(self.prompt)
        prompts = list(dict.fromkeys(prompt.render(X)))
        if is_fitted:
            answers = list(self.answers_)
        else:
            answers = list(self.answers.values()) if isinstance(self.answers, Mapping) else []
            if self.calibrate == "content_free":
                prompts = list(dict.fromkeys([*map(prompt.fill, CONTENT_FREE), *prompts]))
        if hasattr(self.scorer, "cost"):
            return self.scorer.cost(prompts, answers)
        return run_cost(prompts, count_tokens=getattr(self.scorer, "count_tokens", None))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True  # texts, or frames with columns of them
        tags.input_tags.two_d_array = False  # of numbers, that is
        tags.target_tags.required = self.answers is None or self.calibrate == "fit"
        return tags


def _refuse_silent(silent: Bools, prompts: list[str]) -> None:
    """Refuse rows that were not answered.

    Raises
    ------
    ValueError
        If there are any.
    """
    rows = np.flatnonzero(silent)
    if not len(rows):
        return
    n_prompts = len({prompts[row] for row in rows})
    raise ValueError(
        f"{len(rows):,} of {len(silent):,} rows ({n_prompts:,} distinct prompts) got none of the answers; "
        f"the first is row {rows[0]}. The model refuses them, or answers in other words, which is no class: "
        "say in the prompt which answers there are; see which rows and groups they are by is_unanswered(X); "
        "and say what becomes of them by unanswered='abstain' (the shares of classes in fit) or 'nan'."
    )
