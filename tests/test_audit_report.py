"""Audit reports against counting by hand: from rows, frames, counts and models."""

from __future__ import annotations

import json
import math
from collections import Counter
from itertools import product

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.stats import norm
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import matthews_corrcoef, roc_auc_score

from fairsk import Constraint, GroupThresholdOptimizer, Rate
from fairsk._core.sections import Chart
from fairsk.audit import AuditReport, FairnessPolicy, audit_models, audit_predictions, verify
from fairsk.metrics import GroupCounts, ScoreHistograms
from fairsk.rates import CELLS
from fairsk.statistics import verdict

RNG = np.random.default_rng(7)
N = 4000
FRAME = pd.DataFrame(
    {
        "sex": RNG.choice(["man", "woman"], N, p=[0.6, 0.4]),
        "race": RNG.choice(["black", "white", "other"], N, p=[0.3, 0.6, 0.1]),
        "office": RNG.choice(["north", "south"], N),
        "score": RNG.random(N).round(3),
    }
)
FRAME["hired"] = (RNG.random(N) < FRAME["score"]).astype(int)
FRAME["predicted"] = (FRAME["score"] + 0.1 * (FRAME["sex"] == "man") > 0.55).astype(int)
Y, P, SEX = FRAME["hired"], FRAME["predicted"], FRAME["sex"]
BOTH = FRAME[["sex", "race"]]


def wilson(k: float, n: float) -> tuple[float, float]:
    """Return Wilson's interval by the quadratic that defines it."""
    z, p = norm.ppf(0.975), k / n
    ends = np.roots([1 + z**2 / n, -(2 * p + z**2 / n), p**2])
    return float(min(ends)), float(max(ends))


def test_two_groups_by_hand():
    y_pred = np.repeat([1, 0, 1, 0], [300, 200, 150, 350])
    report = audit_predictions(None, y_pred, sensitive_features=np.repeat(["m", "w"], 500), min_ratio=0.8)
    [row] = report.criteria
    assert (row.verdict, row.code, row.value, row.bound, row.n) == ("FAIL", "FSK200", 0.5, 0.8, 1000)
    assert (row.groups, row.group_rates) == (("w", "m"), (0.3, 0.6))
    assert row.low < 0.5 < row.high < 0.8
    assert report.outcome == "FAIL"
    rates = {r.group: (r.n, r.value, r.low, r.high) for r in report.results.rates}
    assert rates["m"] == pytest.approx((500, 0.6, *wilson(300, 500)))
    assert rates[None] == pytest.approx((1000, 0.45, *wilson(450, 1000)))


def test_every_attribute_and_the_intersection():
    report = audit_predictions(Y, P, sensitive_features=BOTH, max_difference=0.05)
    assert [row.attribute for row in report.criteria] == ["sex", "race", "sex & race"]
    counted = Counter(zip(FRAME["sex"], FRAME["race"], Y, P, strict=True))
    for r in report.results.rates:
        keys = {
            "sex": lambda s, _: s,
            "race": lambda _, a: a,
            "sex & race": lambda s, a: (s, a),
        }[r.attribute]
        cells = Counter()
        for (sex, race, actual, predicted), n in counted.items():
            if r.group is None or keys(sex, race) == r.group:
                cells[actual, predicted] += n
        formulas = {
            "selection_rate": ([(0, 1), (1, 1)], [*product((0, 1), (0, 1))]),
            "true_positive_rate": ([(1, 1)], [(1, 0), (1, 1)]),
            "false_positive_rate": ([(0, 1)], [(0, 0), (0, 1)]),
            "accuracy": ([(0, 0), (1, 1)], [*product((0, 1), (0, 1))]),
            "precision": ([(1, 1)], [(0, 1), (1, 1)]),
        }
        part, whole = (sum(cells[c] for c in some) for some in formulas[r.rate])
        assert (r.n, r.value) == (whole, pytest.approx(part / whole))


def test_criteria_are_the_verdicts_of_their_tables():
    report = audit_predictions(Y, P, sensitive_features=SEX, constraint="equalized_odds", min_ratio=0.8)
    expected = verdict(
        GroupCounts.from_predictions(Y, P, sensitive_features=SEX), "equalized_odds", min_ratio=0.8
    )
    [row] = report.criteria
    assert (row.verdict, row.value, row.low, row.high) == (
        expected.outcome,
        expected.value,
        expected.low,
        expected.high,
    )


def test_without_a_bound_nothing_is_judged():
    report = audit_predictions(Y, P, sensitive_features=SEX)
    assert report.outcome is None
    assert {row.verdict for row in report.criteria} == {None}
    assert {row.comparison for row in report.criteria} == {"difference", "ratio"}
    with pytest.raises(ValueError, match="No criterion has a bound"):
        report.assert_passes()


def test_labels_that_are_not_there():
    report = audit_predictions(
        None, P, sensitive_features=SEX, constraint=["demographic_parity", "equal_opportunity"], min_ratio=0.5
    )
    assert [row.verdict for row in report.criteria] == ["PASS", "NOT APPLICABLE"]
    assert report.criteria[1].code == "FSK400"
    assert {r.rate for r in report.results.rates} == {"selection_rate"}


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_missing_groups_are_counted_and_not_compared(missing):
    sex = SEX.astype(object).to_numpy().copy()
    sex[:100] = missing
    report = audit_predictions(Y, P, sensitive_features=sex, max_difference=0.05)
    [row] = report.criteria
    known = verdict(
        GroupCounts.from_predictions(Y[100:], P[100:], sensitive_features=SEX[100:]),
        "demographic_parity",
        max_difference=0.05,
    )
    assert (row.n, row.value, row.low, row.high) == (N - 100, known.value, known.low, known.high)
    unknown = {r.group: r for r in report.results.rates if r.rate == "selection_rate"}["(unknown)"]
    assert (unknown.n, unknown.value) == (100, pytest.approx(P[:100].mean()))
    assert "sex" not in str(report) or "100" in str(report)


def test_frames_arrays_and_counts_say_the_same():
    columns = {"y_true": "hired", "y_pred": "predicted", "sensitive_features": ["sex", "race"]}
    of_rows = audit_predictions(Y, P, sensitive_features=BOTH, min_ratio=0.8)
    of_polars = audit_predictions(frame=pl.from_pandas(FRAME).lazy(), min_ratio=0.8, **columns)
    counts = GroupCounts.from_predictions(Y, P, sensitive_features=BOTH)
    of_counts = audit_predictions(counts=counts, min_ratio=0.8)
    results = [report.to_document()["results"] for report in (of_rows, of_polars, of_counts)]
    assert results[0] == results[1] == results[2]


def test_strata_are_judged_each():
    report = audit_predictions(Y, P, sensitive_features=SEX, strata=FRAME["office"], max_difference=0.3)
    assert [(row.stratum, row.verdict, row.code) for row in report.criteria] == [
        (None, None, "FSK501"),
        ("north", "PASS", "FSK100"),
        ("south", "PASS", "FSK100"),
    ]
    north = FRAME["office"] == "north"
    expected = verdict(
        GroupCounts.from_predictions(Y[north], P[north], sensitive_features=SEX[north]),
        "demographic_parity",
        max_difference=0.3,
        confidence=0.975,
    )
    row = report.criteria[1]
    assert (row.value, row.low, row.high) == pytest.approx((expected.value, expected.low, expected.high))


def test_scores_per_group():
    report = audit_predictions(Y, P, sensitive_features=SEX, y_score=FRAME["score"])
    found = {(row.group, row.measure): row for row in report.results.scores}
    for group in ("man", "woman"):
        rows = group == SEX
        exact = roc_auc_score(Y[rows], FRAME["score"][rows])
        row = found[group, "auc"]
        assert abs(row.value - exact) <= row.error_bound < 0.01
        assert found[group, "mean_score"].value == pytest.approx(FRAME["score"][rows].mean())
        assert found[group, "calibration_error"].by_chance > 0
    difference = found["man", "auc"].value - found["woman", "auc"].value
    assert found[None, "auc"].value == pytest.approx(abs(difference))
    bins = [row for row in report.results.calibration if row.group == "woman"]
    assert sum(row.n for row in bins) == (SEX == "woman").sum()
    assert sum(row.n * row.label_rate for row in bins) == pytest.approx(Y[SEX == "woman"].sum())


def test_scores_alone_are_judged_by_the_median():
    report = audit_predictions(None, sensitive_features=SEX, y_score=FRAME["score"], min_ratio=0.8)
    above = FRAME["score"] > FRAME["score"].median()
    rates = {r.group: r.value for r in report.results.rates}
    assert rates["man"] == pytest.approx(above[SEX == "man"].mean())


def test_functions_of_rows_are_stated():
    report = audit_predictions(Y, P, sensitive_features=SEX, metrics=["f1", matthews_corrcoef])
    rows = SEX == "woman"
    values = report.stated["metrics"][""]["sex"]
    place = values["groups"].index("woman")
    assert values["values"]["matthews_corrcoef"][place] == pytest.approx(matthews_corrcoef(Y[rows], P[rows]))
    assert "f1" in {r.rate for r in report.results.rates}
    with pytest.raises(ValueError, match="min_cell=10 keeps small groups out"):
        audit_predictions(Y, P, sensitive_features=SEX, metrics=matthews_corrcoef, min_cell=10)


def test_a_criterion_of_ones_own():
    fdr = Constraint("fdr_parity", [Rate("false_discovery_rate", "fp", "tp+fp", lower_is_better=True)])
    report = audit_predictions(Y, P, sensitive_features=SEX, constraint=fdr, max_difference=0.5)
    assert report.criteria[0].verdict == "PASS"
    assert AuditReport.from_json(report.to_json()).to_json() == report.to_json()


def test_models_side_by_side():
    X, train = FRAME[["sex", "score"]], slice(0, 2000)
    plain = LogisticRegression().fit(X[["score"]][train], Y[train])

    class OnScore(LogisticRegression):
        """A model of one column of the frame."""

        def fit(self, X, y):
            return super().fit(X[["score"]], y)

        def predict_proba(self, X):
            return super().predict_proba(X[["score"]])

        def predict(self, X):
            return super().predict(X[["score"]])

    base = OnScore().fit(X[train], Y[train])
    bounded = GroupThresholdOptimizer(OnScore(), sensitive_features="sex", max_difference=0.02)
    models = {"plain": base, "bounded": bounded.fit(X[train], Y[train])}
    report = audit_models(models, X[2000:], Y[2000:], sensitive_features="sex", max_difference=0.1)
    assert [row.model for row in report.criteria] == ["plain", "bounded"]
    rates = {(r.model, r.group): r.value for r in report.results.rates if r.rate == "selection_rate"}
    for group in ("man", "woman"):
        rows = SEX[2000:] == group
        assert rates["plain", group] == pytest.approx(plain.predict(X[["score"]][2000:])[rows].mean())
        assert rates["bounded", group] == pytest.approx(bounded.predict(X[2000:])[rows].mean())
    assert {row.model for row in report.results.scores} >= {"plain"}
    with pytest.raises(TypeError, match="models must be a dict"):
        audit_models([base], X, Y, sensitive_features="sex")


def test_the_report_survives_its_json():
    report = audit_predictions(
        Y, P, sensitive_features=BOTH, y_score=FRAME["score"], strata=FRAME["office"], min_ratio=0.8
    )
    text = report.to_json()
    again = AuditReport.from_json(text)
    assert again.to_json() == text
    assert again.digest == report.digest == json.loads(text)["digest"]
    with pytest.raises(ValueError, match="not the JSON of an audit report"):
        AuditReport.from_json("{}")


def test_the_report_grows_with_groups_and_not_with_rows():
    small = audit_predictions(Y, P, sensitive_features=BOTH)
    rows = np.tile(np.arange(N), 20)
    large = audit_predictions(
        Y.to_numpy()[rows], P.to_numpy()[rows], sensitive_features=BOTH.iloc[rows].reset_index(drop=True)
    )
    assert len(large.to_json()) < 1.1 * len(small.to_json())


def test_passing_is_asserted():
    report = audit_predictions(Y, P, sensitive_features=SEX, max_difference=0.02)
    with pytest.raises(AssertionError, match="FAIL: sex/demographic_parity/max_difference is 0"):
        report.assert_passes()
    audit_predictions(Y, P, sensitive_features=SEX, max_difference=0.5).assert_passes()
    unsure = audit_predictions(Y[:60], P[:60], sensitive_features=SEX[:60], max_difference=0.1)
    unsure.assert_passes()
    with pytest.raises(AssertionError, match="INCONCLUSIVE"):
        unsure.assert_passes(fail_on=("FAIL", "INCONCLUSIVE"))


def test_references_by_attribute():
    report = audit_predictions(
        Y, P, sensitive_features=BOTH, reference={"sex": "man", "race": "white"}, min_ratio=0.8
    )
    assert [row.reference for row in report.criteria] == ["man", "white", ("man", "white")]
    expected = verdict(
        GroupCounts.from_predictions(Y, P, sensitive_features=FRAME["race"]),
        "demographic_parity",
        min_ratio=0.8,
        reference="white",
    )
    assert (report.criteria[1].value, report.criteria[1].low) == (expected.value, expected.low)
    with pytest.raises(ValueError, match=r"none of the groups of sex: man, woman\. Did you mean 'man'"):
        audit_predictions(Y, P, sensitive_features=SEX, reference="mann", min_ratio=0.8)
    with pytest.raises(ValueError, match="of which attribute"):
        audit_predictions(Y, P, sensitive_features=BOTH, reference="man", min_ratio=0.8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y_pred": None}, "Give y_pred, the predicted labels, or y_score"),
        ({"sensitive_features": None}, "Whose predictions"),
        ({"counts": GroupCounts(["a"], {key: [1] for key in CELLS})}, "leave out y_true"),
        ({"max_difference": 0.1, "min_ratio": 0.8}, "not both"),
        ({"confidence": 2}, "confidence must lie between 0 and 1"),
        ({"constraint": "parity", "min_ratio": 0.8}, "Unknown constraint"),
        ({"profiles": "ll145"}, "ll144"),
    ],
)
def test_bad_arguments_are_told_apart(arguments, message):
    good = {"y_true": Y, "y_pred": P, "sensitive_features": SEX}
    with pytest.raises(ValueError, match=message):
        audit_predictions(**(good | arguments))


def test_rows_in_another_order_are_refused():
    with pytest.raises(ValueError, match="order"):
        audit_predictions(Y, P[::-1], sensitive_features=SEX)


def test_histograms_beside_counts():
    counts = GroupCounts.from_predictions(Y, P, sensitive_features=SEX)
    histograms = ScoreHistograms.from_scores(Y, FRAME["score"], sensitive_features=SEX, bins=64)
    of_tables = audit_predictions(counts=counts, histograms=histograms)
    of_rows = audit_predictions(Y, P, sensitive_features=SEX, y_score=FRAME["score"])
    assert of_tables.to_document()["results"]["scores"] == of_rows.to_document()["results"]["scores"]


def test_a_profile_of_ones_own_is_stated():
    def spread(evidence):
        rates = evidence.by("sex").counts.rate("selection_rate")
        return [{"spread": float(np.ptp(rates))}]

    report = audit_predictions(Y, P, sensitive_features=SEX, profiles=spread)
    rates = P.groupby(SEX).mean()
    assert report.stated["profiles"][0]["rows"][0]["spread"] == pytest.approx(rates.max() - rates.min())
    assert "spread" in report.to_html()
    assert math.isclose(report.to_document()["stated"]["profiles"][0]["rows"][0]["spread"], np.ptp(rates))


def merged_report(**options):
    """Return an audit of two large groups, alike, and two small ones in which nobody is selected."""
    sizes = {("m", "x"): (200, 400), ("w", "x"): (100, 200), ("m", "y"): (0, 6), ("w", "y"): (0, 7)}
    rows = [(*group, int(i < k)) for group, (k, n) in sizes.items() for i in range(n)]
    frame = pd.DataFrame(rows, columns=["sex", "race", "selected"])
    return audit_predictions(frame=frame, sensitive_features=["sex", "race"], y_pred="selected", **options)


def test_merged_groups_are_compared_with_nobody():
    report = merged_report(min_cell=10, max_difference=0.1, profiles={"air_smd": {"reference": {"sex": "m"}}})
    by_attribute = {row.attribute: row for row in report.criteria}
    assert {name: (row.value, row.groups) for name, row in by_attribute.items() if row.groups} == {
        "sex": (0, ("m", "w")),
        "sex & race": (0, (("m", "x"), ("w", "x"))),
    }
    assert (by_attribute["race"].code, by_attribute["race"].n) == ("FSK401", 600)
    # They are shown all the same, so that the rows add up; and named once, though merged in both attributes.
    text = report.to_markdown()
    assert "(small groups together) & (small groups together)" not in text
    assert "2 small groups with 13 rows are merged into one" in text
    assert "it is compared with no group" in text
    rates = {(r.attribute, r.group): (r.n, r.value) for r in report.results.rates}
    assert rates["sex", "(small groups together)"] == (13, 0)
    profile = {row["group"]: row for row in report.results.profiles[0].rows}
    assert profile["(small groups together)"]["band"] == "several groups: not compared"
    assert profile["(small groups together)"]["air"] is None
    assert profile["w"]["air"] == 1
    assert verify(report.to_html()).ok


def test_scores_of_merged_groups_are_compared_with_nobody():
    score = np.r_[np.tile([0.2, 0.8], 200), np.full(8, 0.9)]
    groups = np.repeat(["a", "b", "c", "d"], [200, 200, 4, 4])
    report = audit_predictions(
        score > 0.5, sensitive_features=groups, y_score=score, y_pred=score > 0.5, min_cell=5
    )
    assert {row.group for row in report.results.scores} == {"a", "b", None}
    with pytest.raises(ValueError, match="none of the groups"):
        audit_predictions(
            None,
            score > 0.5,
            sensitive_features=groups,
            min_cell=5,
            reference="(small groups together)",
            min_ratio=0.8,
        )


def test_a_small_group_that_lies_furthest_apart_stands_beside_the_large_ones():
    y_pred = np.repeat([1, 0, 1, 0, 1, 0], [200, 200, 180, 220, 0, 8])
    race = np.repeat(["a", "b", "tiny"], [400, 400, 8])
    report = audit_predictions(None, y_pred, sensitive_features=race, min_ratio=0.8)
    [row] = report.criteria
    assert (row.value, row.groups) == (0, ("tiny", "a"))
    assert row.among_large is not None
    assert (row.among_large.value, row.among_large.groups) == (0.9, ("b", "a"))
    two = verdict(
        GroupCounts.from_predictions(y_pred[:800], y_pred[:800], sensitive_features=race[:800]),
        "demographic_parity",
        min_ratio=0.8,
    )
    assert (row.among_large.low, row.among_large.high) == (two.low, two.high)
    said = "Among groups of at least 30 rows: 0.900 "
    assert said in row.caveat
    assert said in report.to_markdown()
    assert verify(report.to_html()).ok
    forged = report.to_json().replace('"value": 0.9,', '"value": 0.7,')
    assert not verify(forged).ok
    [without] = audit_predictions(None, y_pred[:800], sensitive_features=race[:800], min_ratio=0.8).criteria
    assert without.among_large is None


def test_the_error_of_a_difference_of_auc_is_that_of_measured_groups():
    y_true = np.r_[np.tile([0, 1], 100), np.ones(40, dtype=int)]
    score = np.linspace(0, 1, 240)
    groups = np.repeat(["a", "b", "only positive"], [100, 100, 40])
    report = audit_predictions(y_true, score > 0.5, sensitive_features=groups, y_score=score)
    found = {row.group: row.error_bound for row in report.results.scores if row.measure == "auc"}
    assert found["only positive"] is None
    assert found[None] == pytest.approx(found["a"] + found["b"])
    assert "±nan" not in report.to_markdown()


def test_what_does_not_pass_is_listed_with_bound_and_groups():
    y_pred = np.repeat([1, 0, 1, 0], [300, 200, 150, 350])
    report = audit_predictions(None, y_pred, sensitive_features=np.repeat(["m", "w"], 500), min_ratio=0.8)
    with pytest.raises(AssertionError) as caught:
        report.assert_passes()
    line = str(caught.value).splitlines()[1]
    assert line.startswith("FAIL: sensitive_features/demographic_parity/min_ratio is 0.500 [0.4")
    assert line.endswith("], at least 0.8 is asked; w 0.300 / m 0.600 in selection_rate")
    assert "assert_passes" not in [entry.name for entry in caught.traceback if not entry.ishidden(caught)]
    long = np.array([f"{i} " + "x" * 500 for i in range(30)])
    many = audit_predictions(
        None,
        np.arange(600) % 30 < 12,
        sensitive_features=pd.DataFrame({"a" * 900: long[np.arange(600) % 30]}),
        min_ratio=0.8,
    )
    with pytest.raises(AssertionError) as caught:
        many.assert_passes(["FAIL", "INCONCLUSIVE"])
    assert len(str(caught.value)) < 2000


POLICY = """
schema_version = "fairsk.policy/1"
name = "Hiring"
owner = "People team"
reviewed = 2026-10-01
sensitive_features = ["sex"]
pos_label = 1

[[criteria]]
constraint = "demographic_parity"
min_ratio = 0.8
reference = { sex = "man" }
why = "Of old."
owner = "Ann"
on_breach = "We stop."
"""


def section_of(report, heading):
    """Return the Markdown of a section."""
    text = report.to_markdown()
    start = text.index(f"## {heading}\n")
    end = text.find("\n## ", start + 1)
    return text[start:end]


def test_what_was_audited_stands_on_the_page():
    sex = SEX.where(np.arange(N) >= 400)
    frame = FRAME.assign(gender=sex)
    report = audit_predictions(
        frame=frame,
        y_true="hired",
        y_pred="predicted",
        sensitive_features=["gender", "race"],
        pos_label=1,
        reference={"gender": "man"},
        confidence=0.9,
        min_group_size=25,
        min_cell=10,
        constraint="demographic_parity",
        max_difference=0.125,
    )
    said = section_of(report, "What was audited")
    for line in (
        "**Rows**: 4,000",
        "**Rows of unknown group**: gender: 400",
        "**Positive label**: 1",
        "**Column of y_true**: hired",
        "**Columns of sensitive_features**: gender, race",
        "**Reference of gender**: man",
        "**Confidence**: 90%",
        "fewer than 25 rows",
        "groups below 10 rows",
        "at most 0.125",
        "gender: man; otherwise every other group",
    ):
        assert line in said.replace("\\", ""), line
    reading = section_of(report, "How to read this report")
    assert "each group against the reference (all pairs of groups where there is none)" in reading


def test_the_policy_stands_on_the_page():
    report = audit_predictions(Y, P, sensitive_features=SEX, policy=FairnessPolicy.from_toml(POLICY))
    said = section_of(report, "What was audited")
    for text in ("Hiring", "People team", "2026-10-01", "Of old.", "Ann", "We stop."):
        assert text in said
    reading = section_of(report, "How to read this report")
    assert "hold for each group against the reference and all rates" in reading
    assert "all pairs of groups" not in reading


def test_pages_say_what_their_codes_and_rates_mean():
    judged = audit_predictions(Y, P, sensitive_features=SEX, max_difference=0.5)
    assert "FSK100" in section_of(judged, "How to read this report")
    assert "FSK200" not in section_of(judged, "How to read this report")
    assert "## Verdicts\n" in judged.to_markdown()
    plain = audit_predictions(Y, P, sensitive_features=SEX)
    text = plain.to_markdown()
    assert "## Disparities\n" in text
    assert "FSK" not in text
    assert text.count("would be told from parity") == 1
    formulas = section_of(judged, "Formulas")
    for rate, formula in {"accuracy": "(tp+tn) / (n)", "precision": "(tp) / (tp+fp)"}.items():
        assert rate in formulas
        assert formula in formulas.replace("\\", "")


def test_profiles_are_printed_too():
    report = audit_predictions(Y, P, sensitive_features=SEX, min_ratio=0.8, profiles="four_fifths")
    assert "Four fifths by sex" in str(report)
    assert "Four fifths by sex" in report._repr_html_()


def test_models_of_a_group_stand_together():
    X = FRAME[["sex", "score"]]
    models = {name: FromScore(cut) for name, cut in {"low": 0.4, "high": 0.6}.items()}
    report = audit_models(models, X, Y, sensitive_features="sex", max_difference=0.1)
    [table] = [t for t in report._tables() if t.caption == "Rates by sex"]
    assert list(zip(table.columns["group"], table.columns["model"], strict=True)) == [
        (group, model) for group in ("man", "woman", "overall") for model in ("low", "high")
    ]
    selected = [(score >= cut)[SEX == "man"].mean() for score in [FRAME["score"]] for cut in (0.4, 0.6)]
    assert table.columns["selection_rate"][:2] == pytest.approx(selected)
    assert "The numbers as a table" not in report.to_html()  # there is no chart above
    assert "<summary>Calibration by sex</summary>" in report.to_html()
    assert "**Rows, each model**: 4,000" in section_of(report, "What was audited")


class FromScore(ClassifierMixin, BaseEstimator):
    """A model that selects from a score on."""

    classes_ = np.array([0, 1])

    def __init__(self, cut):
        self.cut = cut

    def fit(self, X, y):
        return self

    def __sklearn_is_fitted__(self):
        return True

    def predict_proba(self, X):
        return np.column_stack([1 - X["score"], X["score"]])

    def predict(self, X):
        return (X["score"] >= self.cut).to_numpy().astype(int)


def of_many_groups(n_groups: int) -> AuditReport:
    """A report of groups whose selection rates fall from 1 to 0, of 200 rows each."""
    selected = np.linspace(200, 0, n_groups).round()
    cells = {"tp": 0 * selected, "fp": selected, "fn": 0 * selected, "tn": 200 - selected}
    counts = GroupCounts(list(range(n_groups)), cells, names=["group"], labelled=False)
    return audit_predictions(counts=counts, max_difference=0.01)


def test_ten_pairs_of_a_criterion_are_listed_the_surest_first():
    pairs = of_many_groups(12).results.pairs
    assert len(pairs) == 10
    assert pairs[0].groups == (11, 0)
    assert [pair.low for pair in pairs] == sorted((pair.low for pair in pairs), reverse=True)


@pytest.mark.parametrize(("n_groups", "n_charts"), [(20, 1), (21, 0)])
def test_more_than_twenty_groups_are_no_picture(n_groups, n_charts):
    assert of_many_groups(n_groups).to_html().count("<svg") == n_charts


def test_three_rates_at_most_are_drawn_side_by_side():
    [section] = [
        s for s in audit_predictions(Y, P, sensitive_features=SEX)._sections() if s.heading == "By sex"
    ]
    [chart] = [block for block in section.blocks if isinstance(block, Chart)]
    assert len(chart.rates) == 3


def by_sex(X):
    """Return the column of a frame, as an array without a name."""
    return X["sex"].to_numpy()


def rates_of(report):
    """Return the groups of a report and their rates, whatever attributes are called."""
    return [(row.group, row.rate, row.value) for row in report.results.rates]


@pytest.mark.parametrize("audit_data", [False, True])
def test_models_are_audited_by_columns_and_callables(audit_data):
    X = FRAME[["race", "sex", "score"]]
    found = audit_models(
        {"cut": FromScore(0.5)}, X, Y, sensitive_features=["race", by_sex], pos_label=1, audit_data=audit_data
    )
    stated = audit_models({"cut": FromScore(0.5)}, X, Y, sensitive_features=["race", "sex"], pos_label=1)
    assert [(r.group, r.value) for r in found.results.rates] == [
        (r.group, r.value) for r in stated.results.rates
    ]
    assert {row.attribute for row in found.results.rates} == {"race", "by_sex", "race & by_sex"}
    assert ("data" in found.stated) == audit_data


@pytest.mark.parametrize("function", [by_sex, ["race", by_sex]])
def test_predictions_are_audited_by_a_callable_of_their_x(function):
    columns = SEX if callable(function) else FRAME[["race", "sex"]]
    found = audit_predictions(Y, P, sensitive_features=function, X=FRAME[["race", "sex"]])
    stated = audit_predictions(Y, P, sensitive_features=columns)
    assert [(r.group, r.value) for r in found.results.rates] == [
        (r.group, r.value) for r in stated.results.rates
    ]
    with pytest.raises(TypeError, match="there is no X here to call it with"):
        audit_predictions(Y, P, sensitive_features=function)
    with pytest.raises(TypeError, match="Add what a callable returns to the frame as a column"):
        audit_predictions("hired", "predicted", sensitive_features=function, frame=FRAME)


def test_strata_may_be_a_callable_of_x():
    X = FRAME[["sex", "office"]]
    asked = {"constraint": "demographic_parity", "max_difference": 0.1}
    found = audit_predictions(Y, P, sensitive_features=SEX, strata=lambda X: X["office"], X=X, **asked)
    stated = audit_predictions(Y, P, sensitive_features=SEX, strata=FRAME["office"], **asked)
    assert [row.value for row in found.criteria] == [row.value for row in stated.criteria]
    assert len({row.stratum for row in found.criteria}) > 1
