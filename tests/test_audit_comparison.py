"""Two audits compared: what became of disparities and rates, and what cannot be compared."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from fairsk import Constraint, Rate
from fairsk.audit import AuditReport, audit_predictions, compare
from fairsk.audit._report.changes import AuditComparison
from fairsk.metrics import GroupCounts


def selections(groups: dict[Any, tuple[float, float]], name: str = "race") -> GroupCounts:
    """Return counts, without labels, of groups of whom (selected, n) were selected."""
    selected, n = np.array(list(groups.values()), dtype=float).T
    nobody = np.zeros_like(n)
    cells = {"tp": nobody, "fp": selected, "fn": nobody, "tn": n - selected}
    return GroupCounts(list(groups), cells, names=(name,), labelled=False)


def audit(groups: dict[Any, tuple[float, float]], **settings: Any) -> AuditReport:
    return audit_predictions(
        counts=selections(groups), **{"constraint": "demographic_parity", "max_difference": 0.1} | settings
    )


FAIR = {"a": (500, 1000), "b": (490, 1000)}
UNFAIR = {"a": (500, 1000), "b": (250, 1000)}


def newcombe(now: tuple[float, float], then: tuple[float, float], z: float) -> tuple[float, float, float]:
    ends = []
    for k, n in (now, then):
        p = k / n
        center, half = p + z**2 / (2 * n), z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
        ends.append((p, (center - half) / (1 + z**2 / n), (center + half) / (1 + z**2 / n)))
    (p, lp, up), (q, lq, uq) = ends
    return p - q, p - q - math.hypot(p - lp, uq - q), p - q + math.hypot(up - p, q - lq)


# --- what changed -------------------------------------------------------------------------------------


@pytest.mark.parametrize("bound", [{"max_difference": 0.1}, {"max_difference": None, "min_ratio": 0.8}])
def test_disparities_are_worse_better_or_not_told_apart(bound: Any) -> None:
    fair, unfair = audit(FAIR, **bound), audit(UNFAIR, **bound)
    directions = {
        "worse": compare(unfair, fair), "better": compare(fair, unfair), "not told apart": compare(fair, fair)
    }  # fmt: skip
    for direction, found in directions.items():
        (row,) = found.criteria
        assert row.direction == direction
        assert row.low <= row.change <= row.high
        assert row.change == pytest.approx(row.value - row.earlier_value)
        assert {"worse": found.worse, "better": found.better}.get(direction, ()) == (
            () if direction == "not told apart" else found.criteria
        )
        assert f"1 {direction}" in found.sentences[0]
    worse = directions["worse"]
    (row,) = worse.criteria
    assert (row.verdict, row.earlier_verdict) == ("FAIL", "PASS")
    assert worse.newly_failing == worse.criteria
    assert f"FAIL now, and not before: {row.id}." in str(worse)
    assert directions["better"].newly_failing == ()
    assert (row.value, row.earlier_value) == pytest.approx(
        (0.25, 0.01) if "min_ratio" not in bound else (0.5, 0.98)
    )


def test_the_change_of_a_group_has_newcombes_interval_for_all_groups_at_once() -> None:
    found = compare(audit(UNFAIR, confidence=0.9), audit(FAIR, confidence=0.9))
    z = norm.ppf(1 - 0.1 / 2 / 2)  # two groups, one rate
    rows = {row.group: row for row in found.rates}
    assert set(rows) == {None, "a", "b"}
    for group in ("a", "b"):
        row = rows[group]
        assert (row.change, row.low, row.high) == pytest.approx(newcombe(UNFAIR[group], FAIR[group], z))
        assert (row.n, row.earlier_n) == (1000, 1000)
        assert (row.value, row.earlier_value) == (UNFAIR[group][0] / 1000, FAIR[group][0] / 1000)
    assert rows["a"].direction == "not told apart"
    assert rows["b"].direction == "lower"
    overall = rows[None]
    expected = newcombe((750, 2000), (990, 2000), norm.ppf(0.95))
    assert (overall.change, overall.low, overall.high) == pytest.approx(expected)
    assert len(found.rate_frame("polars")) == 3
    assert found.frame("polars")["direction"].to_list() == ["worse"]


def test_equal_audits_differ_in_nothing() -> None:
    rng = np.random.default_rng(0)
    people = pd.DataFrame({"sex": rng.choice(["f", "m"], 500), "race": rng.choice(["b", "w"], 500)})
    y, p = rng.integers(0, 2, (2, 500))
    report = audit_predictions(y, p, sensitive_features=people)
    found = compare(report, report)
    assert {row.change for row in found.criteria} == {0.0}
    assert {row.change for row in found.rates} == {0.0}
    assert {row.direction for row in (*found.criteria, *found.rates)} == {"not told apart"}
    assert len(found.criteria) == len(report.criteria)
    assert (found.new_groups, found.lost_groups, found.not_compared) == ({}, {}, ())
    assert found.digest == found.earlier_digest


def test_a_false_alarm_is_as_rare_as_it_says() -> None:
    rng, told = np.random.default_rng(1), []
    for _ in range(60):
        reports = [audit({g: (rng.binomial(300, 0.4), 300) for g in "abc"}, profiles=()) for _ in range(2)]
        found = compare(*reports)
        told.append(any(row.direction != "not told apart" for row in found.rates if row.group is not None))
    assert np.mean(told) <= 0.15  # 5% of 60, and three standard errors


# --- texts, files, pages ------------------------------------------------------------------------------


def test_texts_and_files_are_as_good_as_reports(tmp_path: Path) -> None:
    now, then = audit(UNFAIR, title="June"), audit(FAIR, title="May")
    expected = compare(now, then).to_dict()
    file = tmp_path / "may.json"
    file.write_text(then.to_json(), encoding="utf-8")
    page = tmp_path / "may.html"
    page.write_text(then.to_html(charts=False), encoding="utf-8")
    for earlier in (then.to_json(), then.to_json().encode(), file, str(file), page, page.read_bytes()):
        assert compare(now.to_json(), earlier).to_dict() == expected
    assert "June, compared with May" in str(compare(now, file))


#: The JSON of a report whose counts are none.
_GARBLED = re.sub(r'"fp": \[[^]]*\]', '"fp": "many"', audit(FAIR).to_json())
_NO_REPORTS = ["{}", "{", '{"schema_version": "other/9"}', "nowhere.json", b"\xff", "x" * 10**5, "<html>"]


@pytest.mark.parametrize("given", [*_NO_REPORTS, _GARBLED], ids=range(8))
def test_what_is_no_report_is_refused_in_few_words(given: Any) -> None:
    with pytest.raises(ValueError, match=r"^earlier=") as caught:
        compare(audit(FAIR), given)
    assert len(str(caught.value)) < 500
    with pytest.raises(TypeError, match="report must be an AuditReport"):
        compare(3, audit(FAIR))  # type: ignore[arg-type]


def test_it_prints_renders_and_says_all_as_json() -> None:
    hostile = "<script>alert(1)</script>\u202e" + "x" * 10_000
    found = compare(audit({**UNFAIR, hostile: (1, 50)}), audit({**FAIR, "old": (3, 9)}))
    record = found.to_dict()
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert len(str(found)) < 6_000
    assert "<script" not in found._repr_html_()
    assert found.new_groups == {"race": (hostile,)}
    assert found.lost_groups == {"race": ("old",)}
    assert "The groups are not the same as before." in found.criteria[0].caveat
    headings = [section.heading for section in found._sections()]
    assert headings[0] == "Changes since Audit of predictions"
    assert headings[-1] == "How to read changes"
    for text in (found.to_html(), found.to_markdown()):
        assert "<script" not in text
        assert "Changes of disparities" in text
        assert "worse" in text
        assert len(text) < 60_000
    words = str(found).lower()
    assert "independent" in words
    assert "complian" not in words


# --- what is not compared -----------------------------------------------------------------------------


def said(now: AuditReport, then: AuditReport) -> AuditComparison:
    """Compare both ways, so that nothing depends on which is the later one; return the first."""
    back = compare(then, now)
    found = compare(now, then)
    assert len(back.criteria) == len(found.criteria)
    assert len(back.not_compared) == len(found.not_compared)
    return found


def test_another_bound_leaves_the_values_comparable_and_not_the_verdicts() -> None:
    found = said(audit(UNFAIR, max_difference=0.1), audit(FAIR, max_difference=0.3))
    (row,) = found.criteria
    assert (row.direction, row.bound, row.earlier_bound) == ("worse", 0.1, 0.3)
    assert row.caveat == "The bound was 0.3."
    assert found.newly_failing == ()
    without = compare(audit(UNFAIR), audit(FAIR, max_difference=None)).criteria
    assert "There was no bound." in [row.caveat for row in without]
    assert {row.earlier_verdict for row in without} == {None}


def test_criteria_and_references_of_one_report_are_named() -> None:
    found = said(audit(FAIR, max_difference=None, min_ratio=0.8), audit(FAIR))
    assert found.criteria == ()
    assert found.sentences[0] == "No criterion is in both reports."
    assert found.not_compared == (
        "The criterion race/demographic_parity/min_ratio is in the later report only.",
        "The criterion race/demographic_parity/max_difference is in the earlier report only.",
    )
    found = said(audit(FAIR, reference="a"), audit(FAIR))
    assert found.criteria == ()
    assert found.not_compared == (
        "race/demographic_parity/max_difference: it compares the reference a, and compared all pairs of "
        "groups.",
    )
    assert len(found.rates) == 3


def test_a_rate_that_is_defined_in_another_way_is_not_compared() -> None:
    counts = GroupCounts(
        "ab", {"tp": [50, 60], "fp": [10, 20], "fn": [10, 10], "tn": [30, 40]}, names=("race",)
    )
    reports = [
        audit_predictions(
            counts=counts, constraint=Constraint("mine", Rate("mine", part, "n")), max_difference=0.2
        )
        for part in ("tp", "tp+fp")
    ]
    found = said(*reports)
    assert found.criteria == ()
    assert "The rate 'mine' is defined in another way than in the earlier report." in found.not_compared
    assert any("its rates are defined in another way" in line for line in found.not_compared)
    assert "mine" not in {row.rate for row in found.rates}
    assert "selection_rate" in {row.rate for row in found.rates}


def test_attributes_models_and_confidence_that_differ_are_named() -> None:
    other = audit_predictions(
        counts=selections(FAIR, "sex"), constraint="demographic_parity", max_difference=0.1, confidence=0.9
    )
    found = said(audit(FAIR), other)
    assert (found.criteria, {row.group for row in found.rates}) == ((), {None})
    assert found.not_compared == (
        "The confidence was 90%: changes have intervals of 95%, and the verdicts of both are by their own.",
        "The attribute race is in the later report only.",
        "The attribute sex is in the earlier report only.",
    )
    assert (found.new_groups, found.lost_groups) == ({}, {})


def test_another_positive_label_makes_all_rates_others() -> None:
    def labelled(pos_label: str) -> AuditReport:
        y = np.array(["yes", "no", "yes", "no"] * 10)
        return audit_predictions(y, y, sensitive_features=np.repeat(["a", "b"], 20), pos_label=pos_label)

    found = said(labelled("yes"), labelled("no"))
    assert (found.criteria, found.rates) == ((), ())
    assert found.not_compared[0].startswith("The positive label is 'yes' now, and was 'no'")
    assert compare(labelled("yes"), labelled("yes")).criteria


def test_labels_in_one_report_leave_selection_to_compare() -> None:
    y = np.array([1, 0] * 50)
    group = np.repeat(["a", "b"], 50)
    now = audit_predictions(y, y, sensitive_features=group)
    then = audit_predictions(None, y, sensitive_features=group)
    found = said(now, then)
    assert {row.rate for row in found.rates} == {"selection_rate"}
    assert any("has no labels" in line for line in found.not_compared)
    assert {row.constraint for row in found.criteria if row.direction != "not known"} == {
        "demographic_parity"
    }


def test_strata_are_compared_each_and_all_together() -> None:
    rng = np.random.default_rng(3)

    def stratified(low: float) -> AuditReport:
        group, stratum = rng.choice(list("ab"), 4000), rng.choice(["x", "y"], 4000)
        p = rng.random(4000) < np.where((group == "b") & (stratum == "y"), low, 0.5)
        return audit_predictions(
            y_pred=p,
            sensitive_features=group,
            strata=stratum,
            constraint="demographic_parity",
            max_difference=0.1,
        )

    found = compare(stratified(0.1), stratified(0.5))
    assert {row.stratum: row.direction for row in found.criteria} == {
        None: "worse", "x": "not told apart", "y": "worse"
    }  # fmt: skip
    assert [row.stratum for row in found.newly_failing] == ["y"]
    assert "within y" in str(found)
    widths = {row.stratum: row.high - row.low for row in found.criteria}
    assert widths["y"] > widths[None] * 1.3  # fewer rows, and two strata at once


def scored(shift: float, seed: int, **settings: Any) -> AuditReport:
    """Audit scores of which group b has less and less certain ones by a shift."""
    rng = np.random.default_rng(seed)
    group, y = rng.choice(list("ab"), 3000), rng.integers(0, 2, 3000)
    logit = 2 * y - 1 + rng.normal(size=3000) * np.where(group == "b", 1 + shift, 1) - shift * (group == "b")
    score = 1 / (1 + np.exp(-logit))
    decision = None if settings.pop("by_median", False) else score > 0.5
    return audit_predictions(y, decision, y_score=score, sensitive_features=group, **settings)


def test_scores_are_compared_group_by_group() -> None:
    found = compare(scored(2.0, 0), scored(0.0, 1))
    moved = {(row.group, row.rate): row.direction for row in found.scores}
    assert moved == {
        ("a", "auc"): "not told apart",
        ("b", "auc"): "lower",
        ("a", "mean_score"): "not told apart",
        ("b", "mean_score"): "lower",
    }
    for row in found.scores:
        assert row.low <= row.change == row.value - row.earlier_value <= row.high
    now = scored(2.0, 0)
    row = next(r for r in found.scores if (r.group, r.rate) == ("b", "auc"))
    alone = next(r for r in now.results.scores if (r.group, r.measure) == ("b", "auc"))
    assert row.value == alone.value
    assert row.high - row.low > alone.high - alone.low  # two audits, and four intervals at once
    assert "auc" in str(found)
    assert "auc" in found.rate_frame("polars")["rate"].to_list()
    assert compare(scored(0, 0), audit(FAIR)).scores == ()


def test_decisions_by_the_median_are_another_question() -> None:
    reports = [scored(0.5, seed, by_median=True) for seed in (0, 1)]
    both = said(*reports)
    assert any("Selected means in both reports that a score lies above" in line for line in both.not_compared)
    assert both.criteria
    one = said(reports[0], scored(0.5, 1))
    assert any("Selected means in the later report that a score lies above" in x for x in one.not_compared)
    assert (one.criteria, one.rates) == ((), ())
    assert one.scores


def test_merged_groups_are_named() -> None:
    small = {**FAIR, "c": (2, 5), "d": (3, 6)}
    found = said(audit(small, min_cell=10), audit(small))
    assert "Small groups are merged in the later report: they may be others than in the other one." in (
        found.not_compared
    )
    assert found.lost_groups == {"race": ("c", "d")}


def test_models_are_compared_by_name_and_single_ones_whatever_their_name() -> None:
    from sklearn.linear_model import LogisticRegression

    from fairsk.audit import audit_models

    rng = np.random.default_rng(5)
    X, group = rng.normal(size=(600, 2)), rng.choice(list("ab"), 600)
    y = (X[:, 0] + rng.normal(size=600) > 0).astype(int)
    models = {name: LogisticRegression(C=c).fit(X, y) for name, c in {"one": 1.0, "two": 1e-4}.items()}

    def audited(*names: str) -> AuditReport:
        return audit_models({name: models[name] for name in names}, X, y, sensitive_features=group)

    found = said(audited("one", "two"), audited("one"))
    assert {row.model for row in found.criteria} == {"one"}
    assert found.not_compared == ("The model 'two' is in the later report only.",)
    assert {row.model for row in compare(audited("two"), audited("one")).criteria} == {"two"}


def test_what_nobody_can_measure_is_not_known() -> None:
    found = compare(audit({"a": (1, 2)}), audit(FAIR))
    (row,) = found.criteria
    assert (row.direction, row.verdict, row.earlier_verdict) == ("not known", "NOT APPLICABLE", "PASS")
    assert found.sentences[0] == "Of 1 disparity: 0 worse, 0 better, 0 not told apart, 1 not known."
    assert found.lost_groups == {"race": ("b",)}


def test_hundreds_of_groups_are_compared() -> None:
    rng = np.random.default_rng(4)
    groups = [f"g{i}" for i in range(200)]
    reports = [audit({g: (int(rng.binomial(200, 0.4)), 200) for g in groups}) for _ in range(2)]
    found = compare(*reports)
    assert len(found.rates) == 201
    assert found.rates[-1].low < newcombe((80, 200), (80, 200), norm.ppf(0.975))[1]  # all 200 hold together
    assert len(str(found)) < 3_000
