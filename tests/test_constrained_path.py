"""The path over bounds: a model per bound from loose to tight, each starting from the one before."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from fairsk.rates import get_constraint
from fairsk.reductions._path import path_bounds, trace_path
from fairsk.reductions._problem import Start

DP = get_constraint("demographic_parity")


class Fits:
    """Fits models that reach their bound but for .25 of a difference (a ratio of .5), and cost accuracy."""

    def __init__(self, mixture=None):
        self.calls = []
        self.mixture = mixture

    def __call__(self, bound, start):
        self.calls.append((bound.value, start))
        if bound.comparison == "difference":
            reached = min(bound.value, 0.25)
            interval, value = (max(0.0, reached - 0.01), reached + 0.02), 0.8 + reached / 10
        else:
            reached = max(bound.value, 0.5)
            interval, value = (reached - 0.05, min(1.0, reached + 0.05)), 0.9 - reached / 10
        report = SimpleNamespace(
            disparity=reached,
            value=value,
            interval=interval,
            objective="accuracy",
            best_mixture=self.mixture,
        )
        model = SimpleNamespace(report_=report, bound=bound)
        return model, Start(np.array([[bound.value]]), seen=model)


def path_of(fits, comparison="difference", bounds=None, n_points=5):
    return trace_path(fits, DP, comparison, bounds=bounds, n_points=n_points)


def test_steps_lead_from_no_bound_to_near_parity_each_from_the_one_before():
    fits = Fits()
    path = path_of(fits)
    assert [value for value, _ in fits.calls] == pytest.approx([np.inf, 0.2, 0.15, 0.1, 0.05])
    assert fits.calls[0][1] is None
    for (before, _), (_, start) in zip(fits.calls, fits.calls[1:], strict=False):
        assert start.multipliers == [[before]]
        assert start.seen.bound.value == before
    assert path.bounds == pytest.approx([0.05, 0.1, 0.15, 0.2, 0.25])
    assert path.disparity == pytest.approx(path.bounds)
    assert path.value == pytest.approx(0.8 + path.bounds / 10)
    assert path.low == pytest.approx(path.bounds - 0.01)
    assert path.high == pytest.approx(path.bounds + 0.02)
    assert np.isnan(path.best_mixture).all()
    assert [model.report_.disparity for model in path.models] == path.disparity.tolist()
    assert str(path).splitlines()[:2] == [
        "accuracy under bounds on demographic_parity",
        "max_difference  difference  accuracy  best_mixture    low   high",
    ]
    assert path.frame("pandas").shape == (5, 6)
    assert "models" not in path.to_dict()


def test_ratios_fall_from_near_parity():
    fits = Fits(mixture=0.9)
    path = path_of(fits, "ratio")
    assert [value for value, _ in fits.calls] == pytest.approx([0.0, 0.6, 0.7, 0.8, 0.9])
    assert path.bounds == pytest.approx([0.9, 0.8, 0.7, 0.6, 0.5])
    assert path.comparison == "ratio"
    assert (path.best_mixture == 0.9).all()
    assert str(path).splitlines()[1].startswith("min_ratio  ratio  accuracy")


def test_bounds_that_are_asked_for_are_the_only_ones():
    fits = Fits()
    asked = path_bounds("demographic_parity", "difference", (0.1, 0.02, 0.1), 5)
    path = path_of(fits, bounds=asked)
    assert [value for value, _ in fits.calls] == [0.1, 0.02]
    assert path.bounds.tolist() == [0.02, 0.1]
    ratios = path_bounds("demographic_parity", "ratio", np.array([0.8, 0.9]), 5)
    assert path_of(Fits(), "ratio", bounds=ratios).bounds.tolist() == [0.9, 0.8]
    assert path_bounds("demographic_parity", "ratio", 0.8, 5) == [0.8]
    assert path_bounds("demographic_parity", "ratio", None, 5) is None


def test_where_groups_agree_already_there_is_one_point():
    def fit(bound, start):
        model, start = Fits()(bound, start)
        model.report_.disparity = 0.0
        return model, start

    assert path_of(fit).bounds.tolist() == [0.0]


def test_the_best_model_within_a_limit_is_chosen():
    path = path_of(Fits())
    assert path.model_within(0.21) is path.models[3]
    assert path.model_within(0.21, surely=True) is path.models[2]
    assert path.model_within(1.0) is path.models[4]
    with pytest.raises(ValueError, match=r"within 0\.01; the nearest has 0\.0500\. Trace"):
        path.model_within(0.01)
    with pytest.raises(ValueError, match=r"nearest has 0\.0700 at the end of its interval"):
        path.model_within(0.06, surely=True)
    ratios = path_of(Fits(), "ratio")
    assert ratios.model_within(0.75) is ratios.models[1]
    assert ratios.model_within(0.75, surely=True) is ratios.models[1]
    assert ratios.model_within(0.8, surely=True) is ratios.models[0]
    better = path_of(_better_if_tight)
    assert better.model_within(0.21) is better.models[0]  # a tighter bound may err less by chance


def _better_if_tight(bound, start):
    model, start = Fits()(bound, start)
    model.report_.value = 1 - model.report_.value
    return model, start


def test_what_no_path_can_be_traced_over_is_refused():
    for bounds in ([], [[0.1]], [0.1, np.nan]):
        with pytest.raises(ValueError, match=r"bounds must be some numbers, such as \(0\.02, 0\.05, 0\.1\)"):
            path_bounds("demographic_parity", "difference", bounds, 5)
    with pytest.raises(ValueError, match="max_difference must lie between 0 and inf"):
        path_bounds("demographic_parity", "difference", [-0.1], 5)
    with pytest.raises(ValueError, match="min_ratio must lie between 0 and 1"):
        path_bounds("demographic_parity", "ratio", [1.5], 5)
    with pytest.raises(ValueError, match="n_points must be at least 2, got 1"):
        path_bounds("demographic_parity", "ratio", None, 1)
