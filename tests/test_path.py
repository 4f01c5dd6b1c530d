"""The Pareto path: each point is what a fit at that bound finds, and nothing is changed by asking for it."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.frozen import FrozenEstimator
from toy_data import logistic, people

from fairsk import GroupThresholdOptimizer


def optimizer(**params):
    return GroupThresholdOptimizer(logistic(), sensitive_features="sex", **params)


@pytest.mark.parametrize("constraint", ["demographic_parity", "equalized_odds"])
def test_every_point_is_a_fit_at_its_bound(constraint, library):
    X, y = people(library, n=700)
    model = optimizer(constraint=constraint, cv=3)
    path = model.pareto_path(X, y, n_points=6)
    assert not hasattr(model, "estimator_")
    assert path.bounds[0] == 0
    assert (np.diff(path.bounds) > 0).all()
    assert (np.diff(path.value) >= -1e-12).all()
    assert (path.best_mixture >= path.value - 1e-9).all()
    for i in (1, 3, 5):
        fitted = optimizer(
            constraint=constraint, cv=3, policy="threshold", max_difference=float(path.bounds[i])
        ).fit(X, y)
        assert fitted.report_.value == pytest.approx(path.value[i])
        assert fitted.report_.disparity == pytest.approx(path.disparity[i])
        assert fitted.report_.optimality_gap == pytest.approx(path.best_mixture[i] - path.value[i], abs=1e-7)
        assert fitted.thresholds_ == {group: t[i] for group, t in path.thresholds.items()}


def test_ratios_run_down_from_parity_and_the_end_is_free():
    X, y = people(n=700)
    path = optimizer(min_ratio=0.8).pareto_path(X, y, n_points=5)
    assert str(path).startswith("accuracy under bounds on demographic_parity\nmin_ratio  ratio  accuracy")
    assert path.to_dict()["bounds"] == path.bounds.tolist()
    assert path.comparison == "ratio"
    assert path.bounds[0] == 1
    assert (np.diff(path.bounds) < 0).all()
    free = optimizer(min_ratio=0.0, policy="threshold").fit(X, y).report_
    assert path.value[-1] == pytest.approx(free.value)
    assert path.disparity[-1] == pytest.approx(free.disparity)


def test_prefit_metadata_weights_and_requirements(routing):
    X, y = people(n=900)
    frozen = FrozenEstimator(logistic().fit(X[:400], y[:400]))
    model = GroupThresholdOptimizer(frozen, capacity=0.3)
    weights = np.random.default_rng(0).integers(1, 3, 500).astype(float)
    path = model.pareto_path(
        X[400:], y[400:], sensitive_features=X["sex"][400:], sample_weight=weights, n_points=3
    )
    fitted = GroupThresholdOptimizer(
        frozen, capacity=0.3, max_difference=float(path.bounds[1]), policy="threshold"
    ).fit(X[400:], y[400:], sensitive_features=X["sex"][400:], sample_weight=weights)
    assert path.value[1] == pytest.approx(fitted.report_.value)


def test_points_that_nothing_meets_are_not_numbers():
    """Exact parity of precision, where two groups never have the same."""
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.random(301), np.arange(301) % 2])
    y = (rng.random(301) < 0.3 + 0.3 * X[:, 1]).astype(int)
    from toy_data import ScoreColumn

    model = GroupThresholdOptimizer(
        FrozenEstimator(ScoreColumn().fit(X, y)), sensitive_features=1, constraint="predictive_parity"
    )
    path = model.pareto_path(X, y, n_points=4)
    assert np.isnan(path.value[0]) == np.isnan(path.disparity[0])
    assert np.isfinite(path.value[-1])


def test_what_a_path_cannot_do_is_said():
    X, y = people(n=300)
    with pytest.raises(ValueError, match="one constraint"):
        optimizer(constraint=["demographic_parity", "equal_opportunity"]).pareto_path(X, y)
    with pytest.raises(ValueError, match="n_points must be at least 2"):
        optimizer().pareto_path(X, y, n_points=1)
    with (
        pytest.warns(UserWarning, match="Fewer than two groups"),
        pytest.raises(ValueError, match="no trade-off to follow"),
    ):
        optimizer().pareto_path(X.assign(sex="F"), y)
