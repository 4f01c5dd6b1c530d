"""OffsetPolicy: decisions among several classes, by the offsets of each row's group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fairsk._core.typing import Floats, Ints
from fairsk._core.uniforms import row_uniforms
from fairsk._sklearn.routing import ScoreMethod
from fairsk.thresholds._classes.problem import OffsetMixture, decide
from fairsk.thresholds._classes.scale import ClassScale, scaled_scores

__all__ = ["OffsetPolicy", "as_classes", "mixed_decisions", "one_hot"]


def mixed_decisions(scores: Floats, mixture: OffsetMixture) -> Floats:
    """Return the probability that each row gets each class, of shape (n_samples, n_classes)."""
    probability = np.zeros_like(scores)
    rows = np.arange(len(scores))
    for offsets, chance in zip(mixture.offsets, mixture.probabilities, strict=True):
        probability[rows, decide(scores, offsets)] += chance
    return probability


def as_classes(decisions: Ints, classes: Sequence[Any], like: NDArray[Any]) -> NDArray[Any]:
    """Return positions among the classes as labels, in an array of the same kind as another one."""
    labels = np.empty(len(classes), dtype=like.dtype)
    labels[:] = classes
    return labels[decisions]


def one_hot(labels: NDArray[Any], classes: Sequence[Any]) -> Floats:
    """Return which class each label is, of shape (n_samples, n_classes)."""
    return np.stack([labels == label for label in classes], axis=1).astype(float)


@dataclass(frozen=True)
class OffsetPolicy:
    """A fitted policy of offsets: the classifier, and the offsets of every group.

    Parameters
    ----------
    estimator : classifier
        Scores the rows.
    mixtures : sequence of OffsetMixture
        One per group.
    overall_offsets : array of shape (n_classes,)
        For rows of unknown groups.
    classes : sequence of labels
        The classes, in the order of the offsets.
    scale : {"probability", "log_probability", "decision"}
        What the offsets are added to.
    """

    is_blind: ClassVar[bool] = False

    estimator: Any
    mixtures: Sequence[OffsetMixture]
    overall_offsets: Floats
    classes: Sequence[Any]
    scale: ClassScale

    def score(self, X: Any, response_method: ScoreMethod, values: Any = None) -> Floats:
        """Return the score of each row and class; ``values`` are the groups, if the classifier asks."""
        return scaled_scores(self.estimator, X, response_method, self.classes, self.scale, values)

    def selection_probability(self, scores: Floats, codes: Ints) -> Floats:
        """Return the probability that each row gets each class; ``codes`` has its group, -1 if unknown."""
        probability = mixed_decisions(scores, OffsetMixture(self.overall_offsets[None]))
        for code, mixture in enumerate(self.mixtures):
            in_group = codes == code
            probability[in_group] = mixed_decisions(scores[in_group], mixture)
        return probability

    @property
    def is_mixed(self) -> bool:
        """Whether some group has more than one vector of offsets."""
        return not all(mixture.is_single for mixture in self.mixtures)

    def certain(self, predicted: NDArray[Any]) -> Floats:
        """Return 1 for the class that is predicted of each row, and 0 for the others."""
        return one_hot(predicted, self.classes)

    def predict(self, scores: Floats, codes: Ints) -> NDArray[Any]:
        """Return the class of each row; mixtures pick offsets by a hash of the row's scores."""
        decisions = decide(scores, self.overall_offsets)
        for code, mixture in enumerate(self.mixtures):
            in_group = np.flatnonzero(codes == code)
            own = scores[in_group]
            if mixture.is_single:
                decisions[in_group] = decide(own, mixture.offsets[0])
                continue
            # The vector at which the added up probabilities pass the row's number.
            steps = np.cumsum(mixture.probabilities)[:-1]
            picked = np.searchsorted(steps, row_uniforms(own), side="right")
            decisions[in_group] = decide(own, mixture.offsets[picked])
        return as_classes(decisions, self.classes, np.asarray(self.estimator.classes_))
