"""Sensitive scorers: scikit-learn's scorers, with the group of each row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial, wraps
from inspect import signature
from typing import Any

from sklearn.metrics import get_scorer, get_scorer_names
from sklearn.utils.metadata_routing import (
    MetadataRequest,
    get_routing_for_object,
)

from fairsk._core.columns import SensitiveColumns, refuse_shuffled, sensitive_columns
from fairsk._core.messages import did_you_mean, shorten, show
from fairsk._core.strata import strata_columns
from fairsk._sklearn.compat import BaseScorer, cached_call, num_samples, scorer_parts
from fairsk._sklearn.routing import RESPONSES, asks_for, call

__all__ = ["Performance", "SensitiveScorer", "WithMetadata"]

#: scikit-learn's functions of the second of two classes, whichever is meant to be positive. Its other ones
#: without ``pos_label`` are the same for either class.
_OF_SECOND_CLASS = tuple(
    scorer_parts(get_scorer(name)).function
    for name in ("positive_likelihood_ratio", "neg_negative_likelihood_ratio")
)


@dataclass(frozen=True)
class Performance:
    """One of scikit-learn's scorers, taken apart: greater is better after ``sign``."""

    function: Callable[..., float]
    sign: int
    options: Mapping[str, Any]
    response_method: Any

    @classmethod
    def of(cls, scoring: Any) -> Performance:
        """Take apart a scorer, or the one of that name."""
        scorer = scoring
        if isinstance(scoring, str):
            if scoring not in get_scorer_names():
                raise ValueError(
                    f"{show(scoring)} is not a valid scoring value: scikit-learn has no scorer of that name."
                    f"{did_you_mean(scoring, get_scorer_names())} "
                    "sklearn.metrics.get_scorer_names() lists them."
                )
            scorer = get_scorer(scoring)
        if not isinstance(scorer, BaseScorer) or isinstance(scorer, SensitiveScorer):
            raise TypeError(
                "scoring must be the name of a scikit-learn scorer or made by make_scorer, such as "
                f"'accuracy' for the accuracy of the worst group; got {show(scoring)}."
            )
        return cls(*scorer_parts(scorer))

    @property
    def is_of_second_class(self) -> bool:
        """Whether it depends on which label is positive and takes no ``pos_label``: the second of two is."""
        return self.function in _OF_SECOND_CLASS

    def takes(self, name: str) -> bool:
        """Whether the function has a parameter of that name."""
        return name in signature(self.function).parameters

    def default(self, name: str) -> Any:
        """Return the default of one of its parameters."""
        return signature(self.function).parameters[name].default


@dataclass(frozen=True)
class _OnLabels:
    """A measure as a function of labels and predicted labels, as scikit-learn's threshold tuning calls it."""

    measure: Any

    def __call__(
        self,
        y_true: Any,
        y_pred: Any,
        *,
        sensitive_features: Any = None,
        sample_weight: Any = None,
        strata: Any = None,
    ) -> float:
        def respond(method: Any, pos_label: Any = None) -> Any:
            if method != "predict":
                raise ValueError(f"A scorer of {method} does not depend on a threshold: it cannot tune one.")
            return y_pred

        if sensitive_features is None:
            raise ValueError(
                "This scorer was called without X and without groups, as TunedThresholdClassifierCV does. "
                "Pass sensitive_features= to fit as metadata, with metadata routing enabled, or use "
                "GroupThresholdOptimizer, which reads the column."
            )
        refuse_shuffled(
            y_true=y_true,
            y_pred=y_pred,
            sensitive_features=sensitive_features,
            sample_weight=sample_weight,
            strata=strata,
        )
        within = {} if strata is None else {"strata": strata}
        return self.measure(
            y_true, respond, sensitive=sensitive_features, sample_weight=sample_weight, classes=None, **within
        )


class WithMetadata:
    """A fitted estimator whose response methods are handed the sensitive values that they ask for."""

    def __init__(self, estimator: Any, values: Any) -> None:
        self._estimator, self._values = estimator, values

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._estimator, name)
        if name not in RESPONSES:
            return attribute

        @wraps(attribute)
        def respond(X: Any) -> Any:
            return call(self._estimator, name, X, sensitive_features=self._values)

        return respond


class SensitiveScorer(BaseScorer):
    """A scorer with the group of each row: from metadata, else from X.

    scikit-learn's own scorers never pass metadata to ``predict``; this one does if the estimator asks for
    it. It requests ``sensitive_features`` by default, without ``set_score_request``. Being one of
    scikit-learn's scorers, it shares predictions with the others in multimetric scoring.

    Parameters
    ----------
    measure : callable
        Called as ``measure(y_true, respond, sensitive=, sample_weight=, classes=)``, where
        ``respond(method, pos_label)`` returns predictions. Greater is better. Has the attributes
        ``pos_label`` and ``response_method``, ``takes_strata`` if it is also called with ``strata=``, and a
        method ``check_estimator`` that refuses what it cannot score.
    sensitive_features : selector
        Names the column of X.
    text : str
        The scorer's repr.
    strata : selector, optional
        Names the column of X within whose values groups are compared.

    See Also
    --------
    make_fair_scorer, make_group_scorer, make_tradeoff_scorer : What makes it.
    """

    def __init__(self, measure: Any, sensitive_features: Any, text: str, strata: Any = None) -> None:
        super().__init__(_OnLabels(measure), 1, {}, response_method=measure.response_method)
        self._measure = measure
        self._sensitive_features = sensitive_features
        self._text = text
        self._strata = strata

    def __repr__(self) -> str:
        return self._text

    @property
    def measure(self) -> Any:
        """What is measured."""
        return self._measure

    @property
    def sensitive_features(self) -> Any:
        """What names the column of X; None if the values are metadata."""
        return self._sensitive_features

    @property
    def strata(self) -> Any:
        """What names the column of X within whose values groups are compared; None if nothing does."""
        return self._strata

    @property
    def _takes_strata(self) -> bool:
        return getattr(self._measure, "takes_strata", False)

    def _get_pos_label(self) -> Any:
        label = self._measure.pos_label  # one, which scikit-learn asks for to tune a threshold
        return None if isinstance(label, list | tuple) else label

    def _get_metadata_request(self) -> MetadataRequest:
        request = getattr(self, "_metadata_request", None)
        request = MetadataRequest(owner=self) if request is None else get_routing_for_object(request)
        requests: dict[str, bool | None] = {"sensitive_features": True, "sample_weight": None}
        if self._takes_strata:
            requests["strata"] = True
        for name, default in requests.items():
            if name not in request.score.requests:
                request.score.add_request(param=name, alias=default)
        return request

    def __call__(
        self,
        estimator: Any,
        X: Any,
        y_true: Any = None,
        *,
        sensitive_features: Any = None,
        sample_weight: Any = None,
        strata: Any = None,
    ) -> float:
        """Score a fitted estimator: greater is better.

        Parameters
        ----------
        estimator : fitted classifier or regressor
            What to score.
        X : array-like of shape (n_samples, n_features)
            Rows to predict.
        y_true : array-like of shape (n_samples,), optional
            Their labels, or amounts; a scorer of the selection rate needs none.
        sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns), optional
            The group of each row; overrides the column.
        sample_weight : array-like of shape (n_samples,), optional
            Weight of each row.
        strata : array-like of shape (n_samples,) or (n_samples, n_columns), optional
            Values to hold constant; override the column. Scorers of a disparity compare within them.

        Returns
        -------
        float
            The score.
        """
        metadata = {
            "sensitive_features": sensitive_features,
            "sample_weight": sample_weight,
            "strata": strata,
        }
        return self._score(partial(cached_call, None), estimator, X, y_true, **metadata)

    def _score(
        self,
        method_caller: Callable[..., Any],
        estimator: Any,
        X: Any,
        y_true: Any,
        sensitive_features: Any = None,
        sample_weight: Any = None,
        strata: Any = None,
    ) -> float:
        refuse_shuffled(
            X=X,
            y_true=y_true,
            sensitive_features=sensitive_features,
            sample_weight=sample_weight,
            strata=strata,
        )
        if sensitive_features is None and self._sensitive_features is None:
            raise ValueError(
                f"{shorten(repr(self), 200)} was given no groups. Name the column in the scorer, "
                "sensitive_features='sex'; or pass the values as metadata with routing enabled "
                "(sklearn.set_config(enable_metadata_routing=True)): without it, scikit-learn hands metadata "
                "to fit, but not to scorers."
            )
        self._measure.check_estimator(estimator)
        sensitive = sensitive_columns(
            X, self._sensitive_features, sensitive_features, n_samples=num_samples(X)
        )
        if sensitive_features is not None and any(
            asks_for(estimator, method, "sensitive_features") for method in RESPONSES
        ):
            # Predictions that other scorers share were made without the values.
            method_caller = partial(cached_call, None)
            estimator = WithMetadata(estimator, sensitive_features)

        def respond(method: Any, pos_label: Any = None) -> Any:
            return method_caller(estimator, method, X, pos_label=pos_label)

        return self._measure(
            y_true,
            respond,
            sensitive=sensitive,
            sample_weight=sample_weight,
            classes=getattr(estimator, "classes_", None),
            **self._within(X, strata),
        )

    def _within(self, X: Any, strata: Any) -> dict[str, SensitiveColumns]:
        """Return the strata, from metadata, else from X, as an argument of the measure, if there are any."""
        columns = strata_columns(X, self._strata, strata, n_samples=num_samples(X))
        if columns is None:
            return {}
        if not self._takes_strata:
            raise ValueError(
                f"{shorten(repr(self), 200)} compares scores, which strata= does not break down."
            )
        return {"strata": columns}
