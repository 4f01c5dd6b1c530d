"""Threshold rules: a threshold or a mixture of them per group, and the policy of all groups."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fairsk._core.curves import Curve
from fairsk._core.results import Record
from fairsk._core.typing import Floats, Ints
from fairsk._core.uniforms import row_uniforms
from fairsk._meta.groupwise import as_labels
from fairsk._sklearn.routing import ScoreMethod, positive_scores

__all__ = ["DecidedRows", "GroupPolicy", "Mixture", "ThresholdRule"]


@dataclass(frozen=True)
class Mixture:
    """Positions of thresholds on a group's curve, with the probability of each."""

    positions: Ints
    probabilities: Floats


@dataclass(frozen=True)
class ThresholdRule:
    """How one group is decided: a threshold, or several with a probability each."""

    thresholds: Floats
    probabilities: Floats

    @classmethod
    def single(cls, threshold: float) -> ThresholdRule:
        """Return the rule that selects every score of at least the threshold."""
        return cls(np.array([threshold]), np.ones(1))

    @classmethod
    def on(cls, curve: Curve, mixture: Mixture) -> ThresholdRule:
        """Return a mixture of positions on a curve as a rule for scores."""
        return cls(curve.threshold(mixture.positions), mixture.probabilities)

    @property
    def is_mixed(self) -> bool:
        """Whether there is more than one threshold."""
        return len(self.thresholds) > 1

    @property
    def pairs(self) -> list[tuple[float, float]]:
        """The thresholds with their probabilities."""
        return list(zip(self.thresholds.tolist(), self.probabilities.tolist(), strict=True))

    def selection_probability(self, scores: Floats) -> Floats:
        """Return the probability that each score is selected: 0 or 1 if there is one threshold."""
        return (scores[:, None] >= self.thresholds) @ self.probabilities

    def capped(self, highest: float) -> ThresholdRule:
        """Return the rule with no threshold above the highest one allowed.

        A threshold that leaves out no score above that may be lowered to it: it stays between two scores.
        """
        return ThresholdRule(np.minimum(self.thresholds, highest), self.probabilities)

    def cells(self, curve: Curve) -> dict[str, float]:
        """Return the (expected) cells of a curve's rows under the rule, whose thresholds may be any."""
        positions = curve.positions(self.thresholds)
        return {cell: float(values @ self.probabilities) for cell, values in curve.at(positions).items()}


@dataclass(frozen=True)
class GroupPolicy:
    """A fitted policy of thresholds: the classifier, and the rule of every group.

    Parameters
    ----------
    estimator : classifier, or regressor
        Scores the rows.
    rules : sequence of ThresholdRule
        One per group.
    overall_threshold : float
        For rows of unknown groups.
    pos_label : label
        The positive class.
    classes : array of shape (2,)
        The labels.
    """

    is_blind: ClassVar[bool] = False

    estimator: Any
    rules: Sequence[ThresholdRule]
    overall_threshold: float
    pos_label: Hashable
    classes: NDArray[Any]

    def score(self, X: Any, response_method: ScoreMethod, values: Any = None) -> Floats:
        """Return the score of each row; ``values`` are the groups, for a classifier that asks for them."""
        return positive_scores(self.estimator, X, response_method, self.pos_label, values)

    @property
    def is_mixed(self) -> bool:
        """Whether some group has more than one threshold."""
        return any(rule.is_mixed for rule in self.rules)

    def selection_probability(self, scores: Floats, codes: Ints) -> Floats:
        """Return the probability that each row is selected; ``codes`` has its group, -1 if unknown."""
        probability = ThresholdRule.single(self.overall_threshold).selection_probability(scores)
        for code, rule in enumerate(self.rules):
            in_group = codes == code
            probability[in_group] = rule.selection_probability(scores[in_group])
        return probability

    def certain(self, predicted: NDArray[Any]) -> Floats:
        """Return 1 for rows that are predicted positive, and 0 for the others."""
        return (predicted == self.pos_label).astype(float)

    def predict(self, scores: Floats, codes: Ints) -> NDArray[Any]:
        """Return the class of each row; mixtures decide by a hash of the score."""
        draws = row_uniforms(scores) if self.is_mixed else 0.5
        selected = self.selection_probability(scores, codes) > draws
        return as_labels(selected, self.classes, self.pos_label)


@dataclass(frozen=True, eq=False)
class DecidedRows(Record):
    """Rows as an optimizer decides them.

    Attributes
    ----------
    names : tuple of str
        The names of the sensitive columns.
    codes : integer array of shape (n_samples,)
        The position of each row's group in ``groups_``, -1 if it is unknown.
    scores : array of shape (n_samples,) or (n_samples, n_classes)
        The scores; of several classes those that offsets are added to.
    selection_probability : array of shape (n_samples,) or (n_samples, n_classes)
        The probability that each row is selected, or of several classes that it gets each of them: 0 or 1,
        but for mixtures.
    """

    names: tuple[str, ...]
    codes: Ints
    scores: Floats
    selection_probability: Floats
