"""Reweighing: a weight per (group, label) cell that makes label and group independent.

A scikit-learn ``Pipeline`` cannot carry weights from a transformer to the step after it. So there are
three forms of one idea: :class:`Reweigher` learns the weights, :class:`ReweightedClassifier` learns them
and delivers them to the estimator that it wraps, and :class:`FairResampler` turns them into rows for
imbalanced-learn's pipelines.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils import Tags, check_random_state, indexable
from sklearn.utils.validation import check_is_fitted

from fairsk._core.columns import SensitiveColumns, refuse_shuffled, sensitive_columns
from fairsk._core.groups import Grouping, encode_groups, encode_known_groups, format_group, list_groups
from fairsk._core.labels import target_column
from fairsk._core.messages import list_labels, list_texts
from fairsk._core.typing import Floats, Ints
from fairsk._core.validation import check_weights
from fairsk._core.warnings import warn_user
from fairsk._meta.base import MetaClassifier
from fairsk._meta.inner import refuse_regressor
from fairsk._sklearn.compat import HasMethods, fit_context, num_samples
from fairsk._sklearn.routing import fit_weighted
from fairsk._sklearn.rows import check_rows, check_same_features, take_rows

__all__ = ["FairResampler", "Reweigher", "ReweightedClassifier"]


class Reweigher(TransformerMixin, BaseEstimator):
    r"""Learn one weight per (group, label) cell that makes label and group independent.

    With the weights of Kamiran and Calders [1]_ the weighted rate of every label is the same in all
    groups, exactly, and each group and each label keeps its total weight.

    ``transform`` returns X unchanged: a scikit-learn pipeline cannot carry weights from one step to the
    next. Take them with :meth:`sample_weight`, or let :class:`ReweightedClassifier` deliver them.

    Parameters
    ----------
    sensitive_features : str, int, list of these, or callable, optional
        The sensitive column of X; a list makes an intersection; a callable of X returns the values.
        Values passed to a method override it.

    Attributes
    ----------
    groups_ : tuple
        The groups, sorted; tuples of values for an intersection.
    classes_ : array of shape (n_classes,)
        The labels.
    weights_ : array of shape (n_groups, n_classes)
        The weight of each cell; NaN for a cell without rows.
    n_features_in_ : int
        Number of columns seen in ``fit``, if X has columns.
    feature_names_in_ : array of shape (n_features_in_,)
        Their names, if X has text names.

    Raises
    ------
    ValueError
        If the sensitive column is missing, has missing values, or y is no classification target.

    Warns
    -----
    UserWarning
        If a group lacks a label altogether: no weight can then make the rates equal.

    See Also
    --------
    ReweightedClassifier : Deliver the weights to a classifier, through nested pipelines.
    FairResampler : Draw rows instead of weighing them.

    Notes
    -----
    For a row of group :math:`s` with label :math:`y` the weight is

    .. math:: W(s, y) = \frac{P(s)\,P(y)}{P(s, y)},

    with probabilities weighted by ``sample_weight`` if there is one.

    References
    ----------
    .. [1] Kamiran & Calders, Data Preprocessing Techniques for Classification without Discrimination,
       Knowledge and Information Systems 33, 2012.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk import Reweigher
    >>> sex = ["f", "f", "f", "f", "m", "m", "m", "m"]
    >>> y = [1, 0, 0, 0, 1, 1, 1, 0]
    >>> X = np.zeros((8, 1))
    >>> reweigher = Reweigher().fit(X, y, sensitive_features=sex)
    >>> reweigher.sample_weight(y, sensitive_features=sex).round(2)
    array([2.  , 0.67, 0.67, 0.67, 0.67, 0.67, 0.67, 2.  ])
    """

    __metadata_request__fit = {"sensitive_features": True}

    def __init__(self, *, sensitive_features: Any = None) -> None:
        self.sensitive_features = sensitive_features

    def fit(
        self, X: Any, y: ArrayLike, sensitive_features: Any = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Learn the weights.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Looked at for the sensitive column only.
        y : array-like of shape (n_samples,)
            Labels; any number of classes.
        sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns), optional
            The group of each row; overrides the column.
        sample_weight : array-like of shape (n_samples,), optional
            Weights that the rows come with.

        Returns
        -------
        Reweigher
            The fitted transformer.
        """
        X, labels = check_rows(X, y, sensitive_features=sensitive_features, sample_weight=sample_weight)
        check_same_features(self, X, reset=True)
        sensitive = sensitive_columns(
            X, self.sensitive_features, sensitive_features, n_samples=num_samples(X)
        )
        return self._fit(labels, sensitive, check_weights(sample_weight, num_samples(X)))

    def _fit(self, y: NDArray[Any], sensitive: SensitiveColumns, weights: Floats | None) -> Self:
        self.classes_, labels = np.unique(y, return_inverse=True)
        groups = encode_groups(sensitive)
        self.groups_, self._sensitive_names = groups.labels, groups.names
        shape = (len(groups.labels), len(self.classes_))
        cells = np.bincount(
            np.ravel_multi_index((groups.codes, labels), shape), weights, minlength=shape[0] * shape[1]
        ).reshape(shape)
        # The mass that each cell would have if label and group were independent: P(s) P(y) of the total.
        expected = np.outer(cells.sum(1), cells.sum(0)) / cells.sum()
        with np.errstate(divide="ignore", invalid="ignore"):
            self.weights_ = np.where(cells > 0, expected / cells, np.nan)
        empty = [
            f"Group {format_group(groups.labels[group])} has no rows with the label {self.classes_[label]}"
            for group, label in zip(*np.nonzero(cells == 0), strict=True)
        ]
        if empty:
            warn_user(
                f"{list_texts(empty)}: no weights can make the label rates equal. The other cells get their "
                "usual weights; merge small groups of sensitive_features to avoid this."
            )
        return self

    def transform(self, X: Any) -> Any:
        """Return X unchanged.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        array-like
            The same object.
        """
        check_is_fitted(self)
        check_same_features(self, X, reset=False)
        return X

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Return the names of the columns, which are those that came in.

        Parameters
        ----------
        input_features : array-like of str, optional
            The names; by default those seen in ``fit``, or x0, x1, ...

        Returns
        -------
        array of shape (n_features_in_,)
            The names.
        """
        check_is_fitted(self)
        names = input_features if input_features is not None else getattr(self, "feature_names_in_", None)
        if names is None:
            names = [f"x{j}" for j in range(self.n_features_in_)]
        return np.asarray(names, dtype=object)

    def sample_weight(
        self,
        y: ArrayLike,
        sensitive_features: Any,
        sample_weight: ArrayLike | None = None,
    ) -> Floats:
        """Return the weight of each row.

        Parameters
        ----------
        y : array-like of shape (n_samples,)
            Labels.
        sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns)
            The group of each row.
        sample_weight : array-like of shape (n_samples,), optional
            Weights that the rows come with; they are multiplied.

        Returns
        -------
        array of shape (n_samples,)
            The weights.

        Raises
        ------
        ValueError
            If a group, a label, or a label in a group did not occur in ``fit``, or pandas indexes are in
            different orders.
        """
        check_is_fitted(self)
        refuse_shuffled(y=y, sensitive_features=sensitive_features, sample_weight=sample_weight)
        labels = target_column("y", y)
        sensitive = sensitive_columns(None, None, sensitive_features, n_samples=len(labels))
        return self._weigh(labels, sensitive, check_weights(sample_weight, len(labels)))

    def _weigh(
        self, labels: NDArray[Any], sensitive: SensitiveColumns, sample_weight: Floats | None
    ) -> Floats:
        """Return the fair weight of each row, times the weight that it comes with."""
        position = {label: i for i, label in enumerate(self.classes_.tolist())}
        columns = np.array([position.get(label, -1) for label in labels.tolist()], dtype=np.intp)
        sensitive = sensitive.in_order(self._sensitive_names)
        groups = encode_known_groups(sensitive, self.groups_, during="sample_weight")
        new = labels[columns < 0]
        if len(new):
            raise ValueError(
                f"{len(new)} of {len(labels)} rows have labels that did not occur in fit: "
                f"{list_labels(np.unique(new).tolist(), most=6)}. They have no weight; those of fit are "
                f"{list_labels(self.classes_.tolist(), most=6)}."
            )
        weights = self.weights_[groups.codes, columns]
        if sample_weight is not None:
            # A row of weight 0 is as good as absent, also in a cell that has no weight.
            weights = np.where(sample_weight > 0, weights * sample_weight, 0)
        if np.isnan(weights).any():
            group = list_groups([self.groups_[groups.codes[np.isnan(weights)][0]]])
            raise ValueError(f"Group {group} has rows with a label that it did not have in fit.")
        return weights

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.no_validation = True  # X passes through, whatever it holds
        tags.input_tags.sparse = tags.input_tags.string = tags.input_tags.allow_nan = True
        return tags


class ReweightedClassifier(MetaClassifier):
    """Fit a classifier with fair weights: delivered to its last step, through nested pipelines.

    Wraps the *whole* pipeline, so that it sees the raw X. The weights are those of Kamiran and Calders [1]_,
    or of another ``reweigher``. They need no metadata request and arrive with metadata routing off or on. An
    estimator that takes no ``sample_weight`` is fitted on rows drawn with probability proportional to the
    weights.

    Parameters
    ----------
    estimator : classifier
        The classifier or pipeline to fit; it is cloned.
    sensitive_features : str, int, list of these, or callable, optional
        The sensitive column of X; a list makes an intersection; a callable of X returns the values.
        Values passed to ``fit`` override it.
    reweigher : estimator, optional
        What learns the weights: :class:`Reweigher` by default; anything with its ``fit`` and
        ``sample_weight``.
    random_state : int, RandomState instance or None, default=None
        Draws the rows for an estimator that takes no weights.

    Attributes
    ----------
    estimator_ : classifier
        The fitted classifier.
    reweigher_ : Reweigher
        The fitted weights.
    classes_ : array of shape (n_classes,)
        The labels.

    Raises
    ------
    ValueError
        If the sensitive column is missing or has missing values, or the classifier says
        ``set_fit_request(sample_weight=False)``.

    See Also
    --------
    Reweigher : The weights alone.
    FairResampler : Draw rows instead, in pipelines of imbalanced-learn.
    FairClassifier : Train a net under a bound on the disparity.
    GroupThresholdOptimizer : Decide by a threshold per group, under a bound.

    References
    ----------
    .. [1] Kamiran & Calders, Data Preprocessing Techniques for Classification without Discrimination,
       Knowledge and Information Systems 33, 2012.

    Examples
    --------
    >>> from fairsk import ReweightedClassifier
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> X, y = make_classification(random_state=0)
    >>> X[:, 0] = X[:, 0] > 0  # the sensitive column
    >>> pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    >>> model = ReweightedClassifier(pipeline, sensitive_features=0)
    >>> model.fit(X, y).predict(X[:3])
    array([0, 0, 1])
    """

    _parameter_constraints = {
        "estimator": [HasMethods(["fit", "predict"])],
        "sensitive_features": "no_validation",  # fairsk._core.columns.column_keys says what it can be
        "reweigher": [HasMethods(["fit", "sample_weight"]), None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: Any,
        *,
        sensitive_features: Any = None,
        reweigher: Any = None,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.sensitive_features = sensitive_features
        self.reweigher = reweigher
        self.random_state = random_state

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: Any,
        y: ArrayLike,
        sensitive_features: Any = None,
        sample_weight: ArrayLike | None = None,
        **fit_params: Any,
    ) -> Self:
        """Learn the weights and fit the classifier with them.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows, passed on as they are.
        y : array-like of shape (n_samples,)
            Labels.
        sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns), optional
            The group of each row; overrides the column.
        sample_weight : array-like of shape (n_samples,), optional
            Weights that the rows come with; the fair weights multiply them.
        **fit_params
            Passed on to the classifier's ``fit``.

        Returns
        -------
        ReweightedClassifier
            The fitted meta-estimator.
        """
        refuse_regressor(
            self,
            "The weights make rates of labels equal, which amounts have none of: for these there are "
            "ConstrainedRegressor and PredictionRepair.",
        )
        X, labels = check_rows(
            X, y, sensitive_features=sensitive_features, sample_weight=sample_weight, **fit_params
        )
        weights = check_weights(sample_weight, num_samples(X))
        sensitive = sensitive_columns(
            X, self.sensitive_features, sensitive_features, n_samples=num_samples(X)
        )
        encode_groups(sensitive)  # a missing value fails here, under its column's name
        values = sensitive.to_metadata()
        self.reweigher_ = Reweigher() if self.reweigher is None else clone(self.reweigher)
        self.reweigher_.fit(X, labels, sensitive_features=values, sample_weight=weights)
        fair = self.reweigher_.sample_weight(labels, sensitive_features=values, sample_weight=weights)
        if self.reweigher is not None:
            fair = _check_learned(fair, len(labels))
        self.estimator_ = fit_weighted(
            clone(self.estimator),
            X,
            labels,
            fair,
            needs_weights=True,
            random_state=self.random_state,
            sensitive_features=values,
            **fit_params,
        )
        self._copy_feature_record()
        self._remember_columns(sensitive.names, sensitive_features)
        return self


def _check_learned(weights: Any, n_samples: int) -> Floats:
    """Return the weights that a reweigher of the user's learned, as floats."""
    try:
        checked = check_weights(weights, n_samples)
    except ValueError as error:
        raise ValueError(f"reweigher.sample_weight returned weights that cannot be used: {error}") from None
    if checked is None:
        raise ValueError("reweigher.sample_weight returned None: it must return a weight per row.")
    return checked


class FairResampler(BaseEstimator):
    """Draw rows so that label and group are independent: a sampler for imbalanced-learn pipelines.

    Every (group, label) cell gets the number of rows that the weights of Kamiran and Calders ask for
    (uniform sampling [1]_): some rows are left out of cells that are too large, rows of cells that are
    too small are repeated. scikit-learn's own ``Pipeline`` cannot change the number of rows; use
    ``imblearn.pipeline.Pipeline``, or :class:`ReweightedClassifier` with any pipeline.

    A pipeline hands metadata of the old rows to the steps after the sampler, where they match no longer. If a
    later step needs the attribute too, name the column. With metadata the number of rows is never that of
    X (if need be, the largest cell has one row less), so that such a step fails instead of mixing rows up.

    Parameters
    ----------
    sensitive_features : str, int, list of these, or callable, optional
        The sensitive column of X; a list makes an intersection; a callable of X returns the values.
        Values passed to ``fit_resample`` override it.
    random_state : int, RandomState instance or None, default=None
        Draws the rows.

    Attributes
    ----------
    sample_indices_ : array of shape (n_samples_new,)
        Position of each new row among the old ones, sorted.
    groups_ : tuple
        The groups, sorted.

    Raises
    ------
    ValueError
        If the sensitive column is missing or has missing values.

    See Also
    --------
    Reweigher : Weights instead of rows.
    ReweightedClassifier : Deliver the weights to a classifier, in any pipeline.

    References
    ----------
    .. [1] Kamiran & Calders, Data Preprocessing Techniques for Classification without Discrimination,
       Knowledge and Information Systems 33, 2012.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk import FairResampler
    >>> X = np.array([[0.0]] * 4 + [[1.0]] * 4)
    >>> y = np.array([1, 0, 0, 0, 1, 1, 1, 0])
    >>> X_fair, y_fair = FairResampler(sensitive_features=0, random_state=0).fit_resample(X, y)
    >>> [float(y_fair[X_fair[:, 0] == group].mean()) for group in (0, 1)]
    [0.5, 0.5]
    """

    __metadata_request__fit = {"sensitive_features": True}  # imbalanced-learn 0.13 asks for those of fit too
    __metadata_request__fit_resample = {"sensitive_features": True}

    def __init__(self, *, sensitive_features: Any = None, random_state: Any = None) -> None:
        self.sensitive_features = sensitive_features
        self.random_state = random_state

    def fit(self, X: Any, y: ArrayLike, sensitive_features: Any = None) -> Self:
        """Choose the rows; :meth:`fit_resample` returns them too.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows: an array, frame, sparse matrix or list.
        y : array-like of shape (n_samples,)
            Labels; any number of classes.
        sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns), optional
            The group of each row; overrides the column.

        Returns
        -------
        FairResampler
            The fitted sampler.
        """
        X, labels = check_rows(X, y, sensitive_features=sensitive_features)
        check_same_features(self, X, reset=True)
        sensitive = sensitive_columns(
            X, self.sensitive_features, sensitive_features, n_samples=num_samples(X)
        )
        reweigher = Reweigher()._fit(labels, sensitive, None)
        weights = reweigher._weigh(labels, sensitive, None)
        groups = encode_groups(sensitive)
        self.groups_ = groups.labels
        rows = _uniform_sample(groups, labels, weights, check_random_state(self.random_state))
        if sensitive_features is not None and len(rows) == len(labels):
            # Later steps of a pipeline get the values of the old rows: lengths that differ make them fail.
            rows = _without_one(rows, groups, labels)
        self.sample_indices_ = rows
        return self

    def fit_resample(self, X: Any, y: ArrayLike, sensitive_features: Any = None) -> tuple[Any, Any]:
        """Return rows in which label and group are independent.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows: an array, frame, sparse matrix or list.
        y : array-like of shape (n_samples,)
            Labels; any number of classes.
        sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns), optional
            The group of each row; overrides the column.

        Returns
        -------
        tuple
            X and y with the chosen rows, in the order of the old ones, of the types that came in.
        """
        self.fit(X, y, sensitive_features=sensitive_features)
        X, y = indexable(X, y)
        return take_rows(X, self.sample_indices_), take_rows(y, self.sample_indices_)


def _uniform_sample(
    groups: Grouping, labels: NDArray[Any], weights: Floats, rng: np.random.RandomState
) -> Ints:
    """Draw from each (group, label) cell as many rows as its total weight, rounded."""
    chosen = []
    for group in range(len(groups.labels)):
        for label in np.unique(labels):
            rows = np.flatnonzero((groups.codes == group) & (labels == label))
            if len(rows):
                size = int(np.rint(weights[rows].sum()))
                copies, rest = divmod(size, len(rows))  # every row equally often, then some once more
                extra = rng.choice(rows, rest, replace=False)
                chosen.append(np.concatenate([np.repeat(rows, copies), extra]))
    return np.sort(np.concatenate(chosen)).astype(np.intp)


def _without_one(rows: Ints, groups: Grouping, labels: NDArray[Any]) -> Ints:
    """Leave out the last row of the largest (group, label) cell."""
    _, classes = np.unique(labels, return_inverse=True)
    cells = (groups.codes * (classes.max() + 1) + classes)[rows]
    return np.delete(rows, np.flatnonzero(cells == np.bincount(cells).argmax())[-1])
