"""Counterfactual averaging: a classifier whose answer is the mean over the groups that a text could name."""

from __future__ import annotations

from typing import Any, Literal, Self, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils import Tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from fairsk._core.columns import refuse_shuffled, sensitive_columns
from fairsk._core.texts import naming_the_table, per_column, read_texts, replace_texts
from fairsk._core.typing import Bools, Floats
from fairsk._core.validation import check_weights
from fairsk._meta.base import MetaClassifier
from fairsk._sklearn.compat import HasMethods, StrOptions, fit_context, num_samples
from fairsk._sklearn.routing import asks_for, call, check_frozen, fit_weighted, response_of
from fairsk._sklearn.rows import check_rows, take_rows
from fairsk.text._counterfactual.orbits import Orbits
from fairsk.text._terms.swapper import TermSwapper

__all__ = ["CounterfactualAverager"]

Averaged: TypeAlias = Literal["predict_proba", "decision_function"]


def _tells_its_cost(averager: Any) -> bool:
    return hasattr(averager._estimator_to_ask, "cost")


def _tells_what_is_unanswered(averager: Any) -> bool:
    return hasattr(averager._estimator_to_ask, "is_unanswered")


class CounterfactualAverager(MetaClassifier):
    r"""Average a text classifier over the groups: a text and its swaps get the same answer, to the last bit.

    A text that names listed terms is written for every group, whichever it names, and its probabilities are
    the mean of what the classifier says of these texts. So exchanging the terms of one group for those of
    another cannot change a prediction. This needs nothing of the classifier but its answers: it may be a
    pipeline, a fitted black box (in a :class:`~sklearn.frozen.FrozenEstimator`) or a language model.

    Parameters
    ----------
    estimator : classifier
        A classifier or pipeline of texts; it is cloned.
    swapper : TermSwapper
        The terms of the groups.
    response_method : {"predict_proba", "decision_function"}, default="predict_proba"
        What is averaged: probabilities, or decision scores, which of a logistic regression are log-odds. The
        averager has this response, ``predict`` after it, and of probabilities their logarithms.
    text : str or int, optional
        The column of the texts, where X is a table of several. Other columns stay as they are.

    Attributes
    ----------
    estimator_ : classifier
        The fitted classifier.
    classes_ : array of shape (n_classes,)
        The labels.

    Raises
    ------
    ValueError
        If a row has no text, the column of texts is not named, or the classifier gives no answer where one
        is needed.

    Warns
    -----
    UserWarning
        If texts have swaps that are read otherwise than the texts themselves: they are counted, and the
        promise does not cover them.

    See Also
    --------
    counterfactual_audit : How often swaps change an answer, beside a control.
    CounterfactualAugmenter : Train on swapped texts instead: approximate, at no cost when predicting.
    TermSwapper : The terms, and how texts are rewritten.
    GroupThresholdOptimizer : Thresholds per group, around an averager.

    Notes
    -----
    With :math:`T_x` the text :math:`x` with a slot in the place of each term, :math:`T_x(g)` that template
    with the terms of group :math:`g` in all slots, and :math:`f` the classifier, of :math:`k` groups,

    .. math:: \bar f(x) = \frac{1}{k} \sum_g f(T_x(g)).

    It depends on :math:`x` through :math:`T_x` alone. So all texts with this template have one answer: those
    that name one group, and those that name several, in any mixture ("the man and the woman" is averaged over
    "the man and the man" and "the woman and the woman"). A text without a term is asked about as it is.

    Which row a term belongs to may depend on the words around it (``resolve``). Where a swap is read
    otherwise than the text was, its template is another one, and so may be its answer. A warning counts such
    texts; by the bundled rule for English pronouns there are none.

    Each call asks the classifier once, about every distinct text that is needed: k for a template, one for a
    text without terms. With further columns in X, or metadata that the classifier asks for, rows with equal
    texts are asked about apart. The swaps of some texts make the same call as the texts. Between calls with
    other texts beside them answers are equal to the last bit if what the classifier says of a text does not
    depend on these; of matrix products over dense numbers the last digit may.

    The classifier is fitted to the texts as they are. Where the terms help to predict the labels, an average
    cannot use them: on comments that name one group, TF-IDF with a logistic regression lost .010 (gender),
    .006 (religion) and .007 (race) of its accuracy, and .008, none and .006 when it was fitted to rows of a
    :class:`CounterfactualAugmenter` (``benchmarks/text_averager.py``).

    It is averaged over what the classifier says, not over what it decides: thresholds inside do not count, so
    tune them around the averager. Thresholds per group, by ``swapper.mentioned``, tell swapped texts apart
    again, and that is what they are for.

    Invariance to listed terms is no group parity, and words that are not listed may give a group away.

    Examples
    --------
    >>> from fairsk.text import CounterfactualAverager, english_gender
    >>> from sklearn.feature_extraction.text import TfidfVectorizer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> texts = ["She is rude.", "She was late.", "He is kind.", "He was early.", "She is kind."]
    >>> y = [1, 1, 0, 0, 0]
    >>> pipeline = make_pipeline(TfidfVectorizer(), LogisticRegression())
    >>> pipeline.fit(texts, y).predict_proba(["She is here.", "He is here."])[:, 1].round(2)
    array([0.44, 0.33])
    >>> model = CounterfactualAverager(pipeline, english_gender()).fit(texts, y)
    >>> model.predict_proba(["She is here.", "He is here."])[:, 1].round(2)
    array([0.38, 0.38])
    """

    #: Not a parameter: which groups there are says the swapper.
    sensitive_features = None

    _parameter_constraints = {
        "estimator": [HasMethods(["fit", "predict_proba"]), HasMethods(["fit", "decision_function"])],
        "swapper": [HasMethods(["parse"])],
        "response_method": [StrOptions(set(get_args(Averaged)))],
        "text": "no_validation",  # by read_texts, which knows the columns
    }

    def __init__(
        self,
        estimator: Any,
        swapper: TermSwapper,
        *,
        response_method: Averaged = "predict_proba",
        text: str | int | None = None,
    ) -> None:
        self.estimator = estimator
        self.swapper = swapper
        self.response_method = response_method
        self.text = text

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: Any,
        y: ArrayLike | None = None,
        sensitive_features: Any = None,
        sample_weight: ArrayLike | None = None,
        **fit_params: Any,
    ) -> Self:
        """Fit the classifier to the texts as they are.

        Parameters
        ----------
        X : array-like of shape (n_samples,) of str, or frame of shape (n_samples, n_columns)
            Texts, or a table with a column of them; passed on as it is.
        y : array-like of shape (n_samples,), optional
            Labels; any number of classes. May be left out where the classifier needs none: it is frozen, or
            a language model without examples.
        sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns), optional
            The group of each row, for inner steps that ask for it.
        sample_weight : array-like of shape (n_samples,), optional
            Weights, delivered to the last step of nested pipelines.
        **fit_params
            Passed on to the classifier's ``fit``.

        Returns
        -------
        CounterfactualAverager
            The fitted meta-estimator.
        """
        read_texts(X, self.text)  # a column that is not there, or a row without a text, is told now
        if y is None:
            self.estimator_ = self._fitted_without_labels(X, sample_weight, fit_params)
        else:
            X, labels = check_rows(
                X, y, sensitive_features=sensitive_features, sample_weight=sample_weight, **fit_params
            )
            n_samples = num_samples(X)
            if sensitive_features is not None:
                refuse_shuffled(X=X, sensitive_features=sensitive_features)
                columns = sensitive_columns(X, None, sensitive_features, n_samples=n_samples)
                fit_params["sensitive_features"] = columns.to_metadata()
            estimator, weights = clone(self.estimator), check_weights(sample_weight, n_samples)
            with naming_the_table(type(estimator).__name__, X, self.text):
                self.estimator_ = fit_weighted(estimator, X, labels, weights, **fit_params)
        self._refuse_without_response()
        self._copy_feature_record()
        return self

    @property
    def _estimator_to_ask(self) -> Any:
        return getattr(self, "estimator_", self.estimator)

    @available_if(_tells_its_cost)
    def cost(self, X: Any) -> Any:
        """Return what it costs to predict these rows: the inner classifier's ``cost`` of all it is asked.

        Only where the inner classifier has this method, as :class:`LLMClassifier` has; before ``fit``, too.

        Parameters
        ----------
        X : array-like of shape (n_samples,) of str, or frame of shape (n_samples, n_columns)
            Texts, or a table with a column of them.

        Returns
        -------
        RunCost
            The cost of every distinct text that is needed, of all groups. Nothing is asked.
        """
        orbits = Orbits.of(read_texts(X, self.text), self.swapper, apart=_has_other_columns(X))
        return self._estimator_to_ask.cost(replace_texts(X, self.text, orbits.rows, orbits.texts))

    @available_if(_tells_what_is_unanswered)
    def is_unanswered(self, X: Any) -> Bools:
        """Tell which rows the inner classifier does not answer, in one version at least.

        Only where the inner classifier has this method, as :class:`LLMClassifier` has.

        Parameters
        ----------
        X : array-like of shape (n_samples,) of str, or frame of shape (n_samples, n_columns)
            Texts, or a table with a column of them.

        Returns
        -------
        bool array of shape (n_samples,)
            True where the text, or one of its swaps, has no answer.
        """
        check_is_fitted(self)
        orbits = Orbits.of(read_texts(X, self.text), self.swapper, apart=_has_other_columns(X))
        asked = replace_texts(X, self.text, orbits.rows, orbits.texts)
        silent = np.asarray(self.estimator_.is_unanswered(asked), dtype=bool)
        return np.asarray(silent[orbits.places].any(axis=1))

    def _refuse_without_response(self) -> None:
        """Refuse a classifier that lacks what is to be averaged."""
        if not hasattr(self.estimator_, self.response_method):
            other = response_of(self.estimator_, "auto")
            hint = f": response_method={other!r} averages what it has" if other else ""
            raise ValueError(f"{type(self.estimator_).__name__} has no {self.response_method}{hint}.")

    def _fitted_without_labels(self, X: Any, sample_weight: Any, fit_params: dict[str, Any]) -> Any:
        """Fit a classifier that needs no labels; any other says that it does."""
        if sample_weight is not None:
            raise ValueError("requires y to be passed, but the target y is None: sample_weight weighs rows.")
        estimator = clone(self.estimator)
        if isinstance(estimator, FrozenEstimator):
            check_frozen(estimator)
        fitted = estimator.fit(X, None, **fit_params)
        if not hasattr(fitted, "classes_"):
            raise ValueError(
                f"requires y to be passed, but the target y is None: {type(estimator).__name__} knows no "
                "classes without it."
            )
        return fitted

    def _has_response(self, method: str) -> bool:
        made = {"predict", self.response_method}
        if self.response_method == "predict_proba":
            made.add("predict_log_proba")
        if method in made:
            # Its AttributeError says what the inner estimator lacks.
            getattr(self._estimator_to_ask, self.response_method)
        return method in made

    def _asked_for(self, method: str) -> str:
        return self.response_method if self.response_method in get_args(Averaged) else method

    def _respond(self, method: str, X: Any, values: Any) -> NDArray[Any]:
        """Average what the inner estimator says, and make the response of it."""
        check_is_fitted(self)
        mean = self._averaged(X, values)
        if method == "predict_log_proba":
            with np.errstate(divide="ignore"):  # the logarithm of 0 is minus infinity
                return np.log(mean)
        return self._labels(mean) if method == "predict" else mean

    def _averaged(self, X: Any, values: Any) -> Floats:
        """Return the mean answer over the orbit of each row."""
        texts = read_texts(X, self.text)
        if values is not None:
            refuse_shuffled(X=X, sensitive_features=values)
            is_asked_for = asks_for(self.estimator_, self.response_method, "sensitive_features")
            columns = sensitive_columns(X, None, values, n_samples=len(texts))
            values = columns.to_metadata() if is_asked_for else None
        apart = values is not None or _has_other_columns(X)
        orbits = Orbits.of(texts, self.swapper, apart=apart)
        orbits.warn_if_open()
        asked = replace_texts(X, self.text, orbits.rows, orbits.texts)
        with naming_the_table(type(self.estimator_).__name__, X, self.text):
            answers = call(
                self.estimator_,
                self.response_method,
                asked,
                sensitive_features=take_rows(values, orbits.rows),
            )
        return orbits.mean(self._checked(answers, X, len(orbits.texts)))

    def _checked(self, answers: Any, X: Any, n_texts: int) -> Floats:
        """Return the answers as an array, in a form that has a class for each place."""
        array = np.asarray(answers, dtype=float)
        n_classes = len(self.classes_)
        binary = self.response_method == "decision_function" and n_classes == 2
        if binary and array.shape == (n_texts, 1):
            array = array[:, 0]
        if array.shape != ((n_texts,) if binary else (n_texts, n_classes)):
            raise ValueError(
                f"{type(self.estimator_).__name__}.{self.response_method} returned an array of shape "
                f"{array.shape} for {n_texts} texts and {n_classes} classes."
                f"{per_column(X, self.text, array.shape, n_texts)}"
            )
        return array

    def _labels(self, mean: Floats) -> NDArray[Any]:
        """Return the class with the highest mean answer, of two with equal ones the first."""
        lacking = np.asarray(np.isnan(mean.reshape(len(mean), -1)).any(axis=1))
        if lacking.any():
            raise ValueError(
                f"{lacking.sum():,} of {len(lacking):,} rows have no class: of the text, or of one of its "
                f"swaps, {type(self.estimator_).__name__}.{self.response_method} is NaN. Predict the others."
            )
        places = (mean > 0).astype(np.intp) if mean.ndim == 1 else mean.argmax(axis=1)
        return self.classes_[places]

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.sparse = tags.input_tags.allow_nan = tags.input_tags.positive_only = False
        # Texts alone have one dimension; which of the two it takes is up to the inner estimator.
        tags.input_tags.one_d_array = True
        return tags


def _has_other_columns(X: Any) -> bool:
    """Whether rows differ in more than their texts."""
    shape = getattr(X, "shape", None)
    if shape is not None:
        return len(shape) == 2 and shape[1] > 1
    if isinstance(X, dict):
        return len(X) > 1
    return bool(len(X)) and isinstance(X[0], list | tuple | np.ndarray) and len(X[0]) > 1
