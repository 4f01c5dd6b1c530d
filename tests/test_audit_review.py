"""Audit reports of input that is unusual, or wrong."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier

from fairsk.audit import AuditReport, FairnessCheckError, audit_models, audit_predictions, verify

RNG = np.random.default_rng(3)
N = 240
SEX = np.repeat(["man", "woman"], N // 2)
Y = RNG.integers(0, 2, N)
P = np.where(RNG.random(N) < 0.8, Y, 1 - Y)
SCORE = RNG.random(N)


def share_of_true_predictions(y_true: Any, y_pred: Any) -> float:
    return float(np.mean(y_pred))


@pytest.mark.parametrize(
    "bound",
    [
        {"min_ratio": 80},
        {"min_ratio": 0},
        {"min_ratio": -1},
        {"min_ratio": np.nan},
        {"max_difference": -0.1},
        {"max_difference": np.nan},
        {"max_difference": 5},
    ],
)
def test_a_bound_that_no_rates_can_keep_or_break_is_refused(bound: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(bound))):
        audit_predictions(Y, P, sensitive_features=SEX, **bound)


@pytest.mark.parametrize(
    ("wrong", "error", "said"),
    [
        ({"min_ratio": "x"}, TypeError, "min_ratio is a number, .* got 'x'"),
        ({"constraint": [], "min_ratio": 0.8}, ValueError, "constraint is empty"),
        ({"constraint": "", "min_ratio": 0.8}, ValueError, "Unknown constraint ''"),
        ({"min_group_size": "x"}, ValueError, "min_group_size .* got 'x'"),
        ({"min_group_size": -1}, ValueError, "min_group_size .* got -1"),
        ({"min_group_size": 2.5}, ValueError, "min_group_size .* got 2.5"),
        ({"title": None}, TypeError, "title .* got None"),
        ({"sample_weight": np.full(N, 1e200)}, ValueError, "sample_weight .* 1e\\+200.* scale"),
        ({"sample_weight": np.full(N, 1e-200)}, ValueError, "sample_weight .* 1e-200.* scale"),
        ({"provenance": "credit"}, TypeError, "provenance .* got 'credit'"),
    ],
)
def test_what_is_wrong_is_named(wrong: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        audit_predictions(Y, P, sensitive_features=SEX, **wrong)


def test_the_same_is_not_asked_twice() -> None:
    with pytest.raises(
        ValueError, match="'demographic_parity' is asked twice of 'sensitive_features', by min_ratio"
    ):
        audit_predictions(
            Y, P, sensitive_features=SEX, constraint=["demographic_parity"] * 2, min_ratio=[0.8, 0.9]
        )
    both = audit_predictions(
        Y,
        P,
        sensitive_features=SEX,
        constraint=["demographic_parity"] * 2,
        min_ratio=[0.8, None],
        max_difference=[None, 0.1],
    )
    assert len({row.id for row in both.criteria}) == 2


def test_names_of_columns_without_a_table_are_refused() -> None:
    with pytest.raises(ValueError, match=r"y_true='hired' names a column: .* frame="):
        audit_predictions("hired", "predicted", sensitive_features=["sex"])


def test_outcomes_not_to_accept_are_outcomes() -> None:
    strata = np.tile(["north", "south"], N // 2)  # the rows of all strata together have no verdict
    unequal = np.where(SEX == "man", 1, 0)
    report = audit_predictions(Y, unequal, sensitive_features=SEX, strata=strata, min_ratio=0.8)
    for wrong in ("FAILED", ("FAIL", "fail"), ()):
        with pytest.raises(ValueError, match=r"fail_on names the outcomes .*INCONCLUSIVE.* got"):
            report.assert_passes(wrong)  # type: ignore[arg-type]
    report.assert_passes("INCONCLUSIVE")  # type: ignore[arg-type]
    with pytest.raises(FairnessCheckError, match="FAIL"):
        report.assert_passes("FAIL")  # type: ignore[arg-type]


def test_functions_stand_beside_their_group_whatever_it_is_called() -> None:
    code = np.array([1, "1", "a & b", None], dtype=object)[np.arange(N) % 4]
    code[::9] = None
    groups = pd.DataFrame({"code": code, "sex": SEX})
    predicted = np.where(code == "1", 1, P)  # all of "1" are selected, and not all of 1
    report = audit_predictions(Y, predicted, sensitive_features=groups, metrics=share_of_true_predictions)
    stated = "share_of_true_predictions (stated)"
    for table in report._tables()[1:]:
        values = table.columns[stated]
        assert len(values) > 2
        np.testing.assert_allclose(values, table.columns["selection_rate"])


@pytest.mark.parametrize("scores", [SCORE, None])
def test_a_report_of_rows_that_are_all_unknown(scores: Any) -> None:
    report = audit_predictions(Y, P, sensitive_features=[None] * N, y_score=scores, min_ratio=0.8)
    assert report.outcome == "NOT APPLICABLE"
    assert report.results.scores == report.results.calibration == ()
    assert verify(report.to_html())


def test_a_group_of_rows_without_weight_has_no_calibration() -> None:
    weight = (SEX == "man").astype(float)
    report = audit_predictions(
        Y, P, sensitive_features=SEX, y_score=SCORE, sample_weight=weight, min_ratio=0.8
    )
    assert {row.group for row in report.results.calibration} == {"man"}
    assert report.outcome == "NOT APPLICABLE"
    assert verify(report.to_json())


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("settings", "criteria", 0, "attributes"), 3),
        (("settings", "rates", 0, "denominator"), None),
        (("evidence", "", "counts"), []),
        (("stated",), 1),
        (("title",), None),
    ],
)
def test_json_that_is_no_whole_report_is_refused(place: tuple[Any, ...], value: Any) -> None:
    document = json.loads(audit_predictions(Y, P, sensitive_features=SEX, min_ratio=0.8).to_json())
    part = document
    for step in place[:-1]:
        part = part[step]
    part[place[-1]] = value
    with pytest.raises(ValueError, match=r"no whole audit report .*verify"):
        AuditReport.from_json(json.dumps(document))
    del part[place[-1]]
    with pytest.raises(ValueError, match=r"no whole audit report .*verify"):
        AuditReport.from_json(json.dumps(document))


def test_a_column_is_not_named_twice() -> None:
    frame = pd.DataFrame({"sex": SEX, "predicted": P})
    with pytest.raises(ValueError, match="sensitive_features names 'sex' twice"):
        audit_predictions(y_pred="predicted", frame=frame, sensitive_features=["sex", "sex"])


def test_the_positive_class_of_a_model_is_its_second() -> None:
    X = SCORE[:, None]
    words = np.where(Y == 1, "yes", "no")
    models = {"same": DummyClassifier(strategy="constant", constant="yes").fit(X, words)}
    report = audit_models(models, X, words, sensitive_features=SEX, max_difference=0.1)
    assert report.settings.pos_label == "yes"
    assert report.criteria[0].group_rates == (1, 1)


def test_a_policy_names_the_columns_of_a_frame() -> None:
    policy = """
    name = "Loans"
    sensitive_features = ["sex"]
    [[criteria]]
    constraint = "demographic_parity"
    min_ratio = 0.8
    """
    frame = pd.DataFrame({"sex": SEX, "hired": Y, "predicted": P})
    named = audit_predictions("hired", "predicted", frame=frame, sensitive_features="sex", policy=policy)
    assert audit_predictions("hired", "predicted", frame=frame, policy=policy).to_json() == named.to_json()
    with pytest.raises(ValueError, match="Give sensitive_features"):
        audit_predictions(Y, P, policy=policy)


def test_single_weights_may_be_as_good_as_none() -> None:
    weight = np.where(np.arange(N) % 2, 1.0, 1e-200)
    odd = np.arange(N) % 2 == 1
    report = audit_predictions(Y, P, sensitive_features=SEX, sample_weight=weight, min_ratio=0.8)
    alone = audit_predictions(Y[odd], P[odd], sensitive_features=SEX[odd], min_ratio=0.8)
    assert report.criteria[0].group_rates == pytest.approx(alone.criteria[0].group_rates)
    assert report.outcome == alone.outcome
