"""The base class of transformers that read the group of each row: what comes in, goes out, is requested."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Self, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags, check_consistent_length
from sklearn.utils.metadata_routing import MetadataRequest
from sklearn.utils.validation import check_is_fitted

from fairsk._core.columns import (
    SensitiveColumns,
    advising,
    are_features,
    drop_columns,
    drop_present,
    has_functions,
    has_named,
    refuse_shuffled,
    replace_features,
    selects_by_position,
    sensitive_columns,
)
from fairsk._core.groups import list_groups
from fairsk._core.policy import UnknownGroup
from fairsk._core.typing import Bools
from fairsk._core.validation import check_weights
from fairsk._core.warnings import warn_user
from fairsk._meta.groupwise import group_codes
from fairsk._sklearn.compat import StrOptions, fit_context, num_samples
from fairsk._sklearn.rows import check_same_features
from fairsk.repair._inputs import (
    TrainingRows,
    advice_of_placement,
    read_labels,
    read_numbers,
    read_table,
    refuse_nothing_to_keep,
    refuse_scale,
    refuse_without_group,
    warn_of_nothing_kept,
)

__all__ = ["REPAIRED_AS_ALL", "GroupTransformer"]


#: What becomes of groups without weight where each group has a map of its own.
REPAIRED_AS_ALL = (
    "The features of these groups of sensitive_features are repaired as those of all rows together."
)


class GroupTransformer(TransformerMixin, BaseEstimator, ABC):
    """A transformer of numbers that reads the group of each row in ``fit``, and maybe in ``transform``.

    The group comes from the method's argument, else from a column of X, which is no feature: it is left out
    of the output unless ``keep_sensitive`` says otherwise.

    Subclasses have the parameters ``sensitive_features``, ``keep_sensitive`` and ``unknown_group``. They
    write ``_learn`` and ``_repair``, and may say that they need labels (``_needs_labels``) or no group in
    ``transform`` (``_needs_groups``).
    """

    sensitive_features: Any
    keep_sensitive: bool
    unknown_group: UnknownGroup
    groups_: tuple[Any, ...]
    n_features_in_: int
    feature_names_in_: NDArray[Any]
    _is_feature: Bools
    _n_rest: int
    #: Whether ``fit`` saw X, and not moments of its features only.
    _saw_columns: bool
    _sensitive_names: tuple[str, ...]
    _sensitive_by_position: bool

    __metadata_request__fit = {"sensitive_features": True}
    __metadata_request__transform = {"sensitive_features": True}

    #: The parameters that all of them have; subclasses add their own.
    _parameter_constraints: dict[str, Any] = {
        "sensitive_features": "no_validation",  # fairsk._core.columns.column_keys says what it can be
        "unknown_group": [StrOptions(set(get_args(UnknownGroup)))],
        "keep_sensitive": ["boolean"],
    }

    @abstractmethod
    def _learn(self, rows: TrainingRows) -> None:
        """Learn from rows; ``groups_`` is set here."""

    @abstractmethod
    def _repair(self, features: NDArray[Any], attribute: Any) -> NDArray[Any]:
        """Return new features of the same type.

        ``attribute`` is what ``_attribute`` returned, or None if no group is needed.
        """

    @property
    def _needs_labels(self) -> bool:
        return False

    @property
    def _needs_groups(self) -> bool:
        return True

    def _attribute(self, sensitive: SensitiveColumns) -> Any:
        """Return what ``_repair`` gets of the attribute: codes of groups, -1 for unknown ones."""
        return group_codes(sensitive, self.groups_, self.unknown_group)

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: ArrayLike | None = None,
        sensitive_features: Any = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Learn what is to be repaired.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Numbers, and possibly the sensitive column, of any type.
        y : array-like of shape (n_samples,), optional
            Labels; looked at only where a parameter asks for them.
        sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns), optional
            The group of each row; overrides the column.
        sample_weight : array-like of shape (n_samples,), optional
            How many rows each row counts as.

        Returns
        -------
        object
            The transformer itself, fitted.

        Warns
        -----
        UserWarning
            If ``keep_sensitive`` is true, and ``sensitive_features`` names no column that could be kept.
        """
        self._learn(self._read_rows(X, y, sensitive_features, sample_weight, first=True))
        return self

    def transform(self, X: Any, sensitive_features: Any = None) -> Any:
        """Return repaired features.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows. Where no group is needed, and it is not kept, the sensitive column may be absent.
        sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns), optional
            The group of each row; overrides the column. Not looked at where no group is needed.

        Returns
        -------
        array of shape (n_samples, n_features_out)
            New numbers: in single precision if X is, else in double (also of half precision and of whole
            numbers); a frame if ``set_output`` asks for one, or if sensitive columns of a frame are kept.

        Raises
        ------
        ValueError
            If X has other columns than in ``fit``, or values that are no finite numbers; or a group is
            needed, and it is missing or unknown.
        """
        check_is_fitted(self)
        X = read_table(self, X)
        features = self._features(X, first=False)
        attribute = None
        if self._needs_groups:
            if sensitive_features is None:
                lacking = X.shape[1] == self._n_rest
                refuse_without_group(self, lacking=lacking, otherwise=self._without_groups)
            attribute = self._attribute(self._sensitive(X, sensitive_features, first=False))
        else:
            refuse_shuffled(X=X, sensitive_features=sensitive_features)
        repaired = self._repair(features, attribute)
        return replace_features(X, self.sensitive_features, repaired) if self._passes_on else repaired

    def fit_transform(
        self,
        X: Any,
        y: ArrayLike | None = None,
        sensitive_features: Any = None,
        sample_weight: ArrayLike | None = None,
    ) -> Any:
        """Learn what is to be repaired, and repair the same rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Numbers, and possibly the sensitive column, of any type.
        y : array-like of shape (n_samples,), optional
            Labels; looked at only where a parameter asks for them.
        sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns), optional
            The group of each row; overrides the column.
        sample_weight : array-like of shape (n_samples,), optional
            How many rows each row counts as.

        Returns
        -------
        array of shape (n_samples, n_features_out)
            New numbers, as :meth:`transform` returns them.
        """
        fitted = self.fit(X, y, sensitive_features=sensitive_features, sample_weight=sample_weight)
        return fitted.transform(X, sensitive_features=sensitive_features)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Return the names of the columns that come out: those of X, sensitive ones excepted.

        Parameters
        ----------
        input_features : array-like of str, optional
            The names; by default those seen in ``fit``, or x0, x1, ...

        Returns
        -------
        array of shape (n_features_out,)
            The names.

        Raises
        ------
        ValueError
            If there are not as many names as columns in ``fit``, or others than there.
        """
        check_is_fitted(self)
        seen = getattr(self, "feature_names_in_", None)
        if input_features is None:
            input_features = [f"x{j}" for j in range(self.n_features_in_)] if seen is None else seen
        names = np.asarray(input_features, dtype=object)
        if len(names) != self.n_features_in_:
            raise ValueError(
                f"input_features has {len(names)} names, and X had {self.n_features_in_} columns in fit: "
                "input_features should have length equal to number of features."
            )
        if seen is not None and not np.array_equal(names, seen):
            raise ValueError("input_features is not equal to feature_names_in_: give the names of fit.")
        return names if self.keep_sensitive else names[self._is_feature]

    # --- what comes in ----------------------------------------------------------------------------------

    def _read_rows(
        self, X: Any, y: Any, sensitive_features: Any, sample_weight: Any, *, first: bool
    ) -> TrainingRows:
        """Return the arguments of ``fit``, validated; ``first`` unless rows were learned from before."""
        X = read_table(self, X)
        if first:
            warn_of_nothing_kept(self)
        labels = None
        if self._needs_labels:
            labels = read_labels(
                self, X, y, sensitive_features=sensitive_features, sample_weight=sample_weight
            )
        else:
            refuse_shuffled(X=X, y=y, sensitive_features=sensitive_features, sample_weight=sample_weight)
            check_consistent_length(X, y)
        with advising(advice_of_placement(self)):
            if sensitive_features is None and has_functions(self.sensitive_features):
                features = self._features(X, first=first)  # first, for a function expects an X in order
                sensitive = self._sensitive(X, None, first=first)
            else:  # first, for a column that is named wrongly would be taken for a feature
                sensitive = self._sensitive(X, sensitive_features, first=first)
                features = self._features(X, first=first)
        refuse_scale("The features", features)
        weights = check_weights(sample_weight, len(features))
        return TrainingRows(features, sensitive, weights, labels)

    def _sensitive(self, X: Any, values: Any, *, first: bool) -> SensitiveColumns:
        """Return the attribute of rows, its columns in the order of the first ``fit``."""
        by_position = selects_by_position(self.sensitive_features, values)
        sensitive = sensitive_columns(X, self.sensitive_features, values, n_samples=num_samples(X))
        if first:
            self._sensitive_names, self._sensitive_by_position = sensitive.names, by_position
            return sensitive
        # A position means another column where the columns of X stand in another order than in fit.
        return sensitive.in_order(
            self._sensitive_names, strict=self._sensitive_by_position and values is None
        )

    def _features(self, X: Any, *, first: bool) -> NDArray[Any]:
        """Return the features as finite numbers, in single or double precision."""
        return read_numbers(self, X, self._without_sensitive(X, first=first))

    def _without_sensitive(self, X: Any, *, first: bool) -> Any:
        """Return X without its sensitive columns; after ``fit`` it may have come without them."""
        if first:
            check_same_features(self, X, reset=True)
            self._saw_columns = True
            rest = drop_columns(X, self.sensitive_features)
            if len(X.shape) == 2:  # of anything else scikit-learn's check says what it should be
                self._is_feature = are_features(X, self.sensitive_features)
                self._n_rest = int(self._is_feature.sum())
            return rest
        if len(X.shape) == 2 and X.shape[1] > self._n_rest and not self._saw_columns:
            X = drop_present(X, self.sensitive_features)
        has_sensitive = self._n_rest < self.n_features_in_ and has_named(X, self.sensitive_features)
        if len(X.shape) == 2 and X.shape[1] == self._n_rest and not has_sensitive:
            rest = self._checked_rest(X)
            if self._passes_on:
                refuse_nothing_to_keep(self)
            return rest
        check_same_features(self, X, reset=False)
        return drop_columns(X, self.sensitive_features)

    def _checked_rest(self, X: Any) -> Any:
        """Return X that came without its sensitive columns, if it has the features of ``fit``."""
        remaining = copy.copy(self)  # as if it had been fitted on X without them
        remaining.n_features_in_ = self._n_rest
        if hasattr(self, "feature_names_in_"):
            remaining.feature_names_in_ = self.feature_names_in_[self._is_feature]
        check_same_features(remaining, X, reset=False)
        return X

    @property
    def _passes_on(self) -> bool:
        """Whether columns of X beside the features come out too."""
        return bool(self.keep_sensitive) and not self._is_feature.all()

    @property
    def _without_groups(self) -> str:
        """What to do where the group of new rows is not known, a sentence."""
        return "Where it is not known for new rows, take ConceptEraser, which needs it in fit only."

    def _warn_of_groups(self, shares: Mapping[Any, float], of_absent: str) -> None:
        """Warn if all rows are of one group, or groups have no weight; say what becomes of these."""
        if len(shares) == 1:
            warn_user(
                f"There is only one group, {list_groups(shares)}: the features stay as they are. Check that "
                "sensitive_features names the right column."
            )
        if absent := [label for label, share in shares.items() if share == 0]:
            warn_user(f"No row with a weight belongs to: {list_groups(absent)}. {of_absent}")

    # --- the contract -----------------------------------------------------------------------------------

    def get_metadata_routing(self) -> MetadataRequest:
        """Return the metadata requests: ``transform`` asks for groups only if it needs them.

        Returns
        -------
        MetadataRequest
            The requests.
        """
        request = super().get_metadata_routing()
        if not self._needs_groups:
            request.transform.requests.pop("sensitive_features", None)
        return request

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        tags.target_tags.required = self._needs_labels
        return tags
