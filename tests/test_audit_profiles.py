"""Profiles against numbers counted by hand, published ones, and scipy."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import fisher_exact, hypergeom

import fairsk.audit._profiles
from fairsk.audit import PROFILES, AuditReport, Profile, audit_predictions
from fairsk.audit._evidence import Evidence
from fairsk.metrics import GroupCounts

# Of 100, 100, 50 and 8 applicants 50, 40, 12 and 5 are selected.
SELECTED = {"a": (100, 50), "b": (100, 40), "c": (50, 12), "d": (8, 5)}


def evidence_of(table, names=("group",)):
    n, k = (np.array([cell[i] for cell in table.values()]) for i in (0, 1))
    zero = np.zeros(len(n))
    return Evidence.from_counts(
        GroupCounts(list(table), {"tp": zero, "fp": k, "fn": zero, "tn": n - k}, names=names, labelled=False)
    )


def rows_of(table, by="group"):
    return {row[by]: row for row in table.rows}


def test_four_fifths_by_hand():
    [table] = PROFILES["four_fifths"].compute(evidence_of(SELECTED))
    rows = rows_of(table)
    assert [rows[g]["rate"] for g in "abcd"] == [0.5, 0.4, 0.24, 0.625]
    assert [rows[g]["impact_ratio"] for g in "abcd"] == pytest.approx([0.8, 0.64, 0.384, 1])
    assert rows["a"]["ratio_to_runner_up"] is None
    assert rows["b"]["ratio_to_runner_up"] == 0.8
    # 107 of 258 are selected, so 100 people at the rate of all would have 41.47 selections.
    assert rows["b"]["shortfall"] == pytest.approx(100 * 107 / 258 - 40)
    # One selection from d to c: 4 of 8 and 13 of 50; the highest rate is then .5.
    assert rows["c"]["after_one_more"] == pytest.approx((13 / 50) / 0.5)
    assert rows["d"]["reading"] == "the highest rate"


def test_four_fifths_is_exact_at_its_edge():
    # 40/100 to 50/100 is 0.8 exactly, and so not below.
    for k, below in ((40, False), (39, True)):
        [table] = PROFILES["four_fifths"].compute(evidence_of({"a": (100, 50), "b": (100, k)}))
        assert rows_of(table)["b"]["below_four_fifths"] is below
    for n in range(1, 200):  # k/n against 4/5 of n/n, in whole numbers
        for k in {max(4 * n // 5, 1), min(4 * n // 5 + 1, n)}:
            [table] = PROFILES["four_fifths"].compute(
                evidence_of({"a": (n, n), "b": (n, k)}), {"method": "pooled_z"}
            )
            assert (rows_of(table)["b"]["below_four_fifths"] or False) is (5 * k < 4 * n)


def test_both_exceptions_are_shown():
    # 1 of 5 against 3 of 5: below, and not significant. Of 20,000 a ratio of .9: not below, and significant.
    few = rows_of(PROFILES["four_fifths"].compute(evidence_of({"a": (5, 3), "b": (5, 1)}))[0])
    assert few["b"]["below_four_fifths"]
    assert "not significant" in few["b"]["reading"]
    many = rows_of(PROFILES["four_fifths"].compute(evidence_of({"a": (20000, 10000), "b": (20000, 9000)}))[0])
    assert not many["b"]["below_four_fifths"]
    assert many["b"]["reading"] == "not below, but significant: practical terms?"


def test_p_values_are_those_of_the_hypergeometric_law():
    for method in ("mid_p", "fisher"):
        [table] = PROFILES["four_fifths"].compute(
            evidence_of(SELECTED), {"method": method, "min_share": 0.05}
        )
        rows = rows_of(table)
        assert rows["d"]["impact_ratio"] is None  # 8 of 258 rows
        fisher = fisher_exact([[40, 60], [50, 50]]).pvalue
        law = hypergeom(200, 90, 100)
        ties = [k for k in range(91) if np.isclose(law.pmf(k), law.pmf(40))]
        expected = fisher if method == "fisher" else fisher - sum(law.pmf(k) for k in ties) / 2
        assert rows["b"]["p_value"] == pytest.approx(expected)


def test_nobody_is_selected():
    [table] = PROFILES["four_fifths"].compute(evidence_of({"a": (10, 0), "b": (5, 0)}))
    assert {row["reading"] for row in table.rows} == {"nobody is selected"}


# The example of the rule of New York City: applicants, scores above the median, and the published ratios.
LL144_SEX = {"Male": (92, 50, "1.00"), "Female": (76, 34, "0.82")}
LL144_RACE = {
    "Hispanic or Latino": (28, 18, "1.00"),
    "White": (40, 15, "0.58"),
    "Black or African American": (32, 16, "0.78"),
    "Native Hawaiian or Pacific Islander": (8, 5, "0.97"),
    "Asian": (24, 10, "0.65"),
}


@pytest.mark.parametrize("published", [LL144_SEX, LL144_RACE])
def test_the_published_example(published):
    """Every impact ratio of the example, to two decimals, from its counts."""
    counts = {category: numbers[:2] for category, numbers in published.items()}
    other = {"x": (10, 5), "y": (10, 5)}
    table = {(category, "x"): numbers for category, numbers in counts.items()}
    table |= {(next(iter(counts)), "y"): (0, 0)}
    assert other
    evidence = evidence_of(table, ("sex", "race"))
    tables = PROFILES["ll144"].compute(evidence)
    rows = rows_of(tables[0])
    column = next(c for c in tables[0].columns if c.name == "impact_ratio")
    for category, (n, k, ratio) in published.items():
        assert (rows[category]["n"], rows[category]["selected"]) == (n, k)
        assert column.write(rows[category]["impact_ratio"]) == ratio


def test_three_tables_and_what_is_not_stated():
    rng = np.random.default_rng(0)
    sex = rng.choice(["m", "f"], 600).astype(object)
    race = rng.choice(["x", "y", "z"], 600, p=[0.55, 0.44, 0.01]).astype(object)
    sex[:7] = None
    score = rng.random(600).round(2)
    evidence = Evidence.from_rows(
        None, None, sensitive_features=dict_frame(sex=sex, race=race), y_score=score
    )
    tables = PROFILES["ll144"].compute(evidence, {"leave_out_below": 0.02, "auditor": "Someone"})
    assert [table.name for table in tables] == [
        "Scoring rates by sex",
        "Scoring rates by race/ethnicity",
        "Scoring rates by intersections",
        "To be stated by the employer",
    ]
    above = score > np.median(score)
    rows = rows_of(tables[0])
    assert rows["m"]["selected"] == above[sex == "m"].sum()
    assert "7 applicants of unknown sex are not in this table." in tables[0].notes
    rare = rows_of(tables[1])["z"]
    assert (rare["n"], rare["impact_ratio"]) == ((race == "z").sum(), None)
    stated = rows_of(tables[3], "field")
    assert stated["independent auditor"]["stated"] == "Someone"
    assert stated["historical or test data"]["stated"] == "not stated"
    assert not {"PASS", "FAIL"} & set(re.findall(r"[A-Z]+", str(tables)))


def dict_frame(**columns):
    import pandas as pd

    return pd.DataFrame(columns)


def test_ties_at_the_median_are_said():
    evidence = Evidence.from_rows(
        None,
        None,
        sensitive_features=dict_frame(sex=["m", "f"] * 50, race=["x", "x", "y", "y"] * 25),
        y_score=np.repeat([0.5, 0.9], [80, 20]),
    )
    tables = PROFILES["ll144"].compute(evidence)
    assert any("Only 20% of all scores lie above the median" in note for note in tables[0].notes)


def test_merged_groups_are_refused():
    rng = np.random.default_rng(0)
    frame = dict_frame(
        sex=rng.choice(["m", "f"], 200), race=rng.choice(["x", "y", "z"], 200, p=[0.5, 0.48, 0.02])
    )
    y_pred = rng.integers(0, 2, 200)
    with pytest.raises(ValueError, match="needs every category by itself"):
        audit_predictions(None, y_pred, sensitive_features=frame, profiles="ll144", min_cell=20)
    with pytest.raises(ValueError, match="finds no single column for race"):
        audit_predictions(None, y_pred, sensitive_features=frame[["sex"]], profiles="ll144")
    with pytest.raises(ValueError, match=r"at most 0\.02"):
        audit_predictions(
            None, y_pred, sensitive_features=frame, profiles={"ll144": {"leave_out_below": 0.1}}
        )


def test_ratios_to_a_fixed_group():
    table = PROFILES["air_smd"].compute(evidence_of(SELECTED), {"reference": "a"})[0]
    rows = rows_of(table)
    assert rows["b"]["air"] == pytest.approx(0.8)
    assert rows["d"]["air"] == pytest.approx(1.25)
    assert rows["b"]["marginal_effect"] == pytest.approx(-10)
    assert [rows[g]["band"] for g in "abcd"] == ["reference", "0.8 to 0.9", "below 0.8", "0.9 or more"]
    assert rows["b"]["air_low"] < 0.8 < rows["b"]["air_high"]
    assert rows["c"]["practically_significant"]
    with pytest.raises(ValueError, match="give the option reference"):
        PROFILES["air_smd"].compute(evidence_of(SELECTED))
    with pytest.raises(ValueError, match="none of a, b, c, d"):
        PROFILES["air_smd"].compute(evidence_of(SELECTED), {"reference": "e"})


def test_mean_differences_and_shares_approved():
    rng = np.random.default_rng(3)
    group = rng.choice(["a", "b"], 3000)
    score = np.clip(rng.normal(0.5, 0.1, 3000) - 0.05 * (group == "b"), 0, 1)
    y = (rng.random(3000) < score).astype(int)
    evidence = Evidence.from_rows(
        y, (score > 0.5).astype(int), sensitive_features=dict_frame(g=group), y_score=score
    )
    mean = {g: score[group == g].mean() for g in "ab"}
    spread = {
        "total": score.std(),
        "reference": score[group == "a"].std(),
        "pooled": np.sqrt(sum(score[group == g].var() * (group == g).mean() for g in "ab")),
    }
    for denominator, sd in spread.items():
        for lower in (False, True):
            options = {"reference": "a", "denominator": denominator, "lower_is_better": lower}
            tables = PROFILES["air_smd"].compute(evidence, options)
            smd = rows_of(tables[1])["b"]["smd"]
            assert smd == pytest.approx((mean["b"] - mean["a"]) / sd * (-1 if lower else 1))
    for row in tables[2].rows:
        above = score >= row["edge"]
        assert row["approved"] == pytest.approx(above.mean())
        assert row["air"] == pytest.approx(above[group == "b"].mean() / above[group == "a"].mean())


def test_options_are_checked_by_name():
    with pytest.raises(ValueError, match=r"has no option 'min_shar'.*Did you mean 'min_share'"):
        PROFILES["four_fifths"].compute(evidence_of(SELECTED), {"min_shar": 0.1})


def test_profiles_in_a_report_are_recomputed():
    rng = np.random.default_rng(5)
    frame = dict_frame(sex=rng.choice(["m", "f"], 500), race=rng.choice(["x", "y"], 500))
    score = rng.random(500)
    report = audit_predictions(
        rng.integers(0, 2, 500),
        (score > 0.4).astype(int),
        sensitive_features=frame,
        y_score=score,
        profiles={
            "four_fifths": {"min_share": 0.02},
            "ll144": {},
            "air_smd": {"reference": {"sex": "m", "race": "x"}},
        },
    )
    assert {table.profile for table in report.results.profiles} == set(PROFILES)
    assert AuditReport.from_json(report.to_json()).to_json() == report.to_json()
    page = report.to_html()
    for profile in PROFILES.values():
        assert profile.as_of in page


def test_no_profile_claims_more_than_numbers():
    room = Path(fairsk.audit._profiles.__file__).parent
    for path in room.glob("*.py"):
        assert not re.search("complian|comply", path.read_text(), re.IGNORECASE), path.name
    for profile in PROFILES.values():
        assert isinstance(profile, Profile)
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", profile.as_of)
        assert profile.status
        assert profile.source
