"""Results of other parts of fairsk that enter an audit report."""

import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from fairsk._core.canonical import plain_numbers
from fairsk.audit import AuditReport, audit_models, audit_predictions, verify
from fairsk.metrics import group_metrics
from fairsk.statistics import two_group_test
from fairsk.text import TermSwapper, counterfactual_audit

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def decisions():
    return np.repeat([1, 0, 1, 0], [300, 200, 250, 250]), np.repeat(["a", "b"], 500)


@pytest.fixture(scope="module")
def rates(decisions):
    y_pred, group = decisions
    return group_metrics(None, y_pred, sensitive_features=np.where(group == "a", HOSTILE, "b"))


@pytest.fixture(scope="module")
def report(decisions, rates):
    y_pred, group = decisions
    return audit_predictions(None, y_pred, sensitive_features=group, attached={"By name": rates})


def test_what_is_attached_is_stated_in_every_form(report, rates):
    [stated] = json.loads(report.to_json())["stated"]["attached"]
    assert stated["title"] == "By name"
    assert stated["values"] == plain_numbers(rates.to_dict())  # to the digits of reports
    assert stated["blocks"][0]["body"][1][:2] == ["b", "500"]
    page = report.to_html()
    assert "By name (stated)" in page
    assert "cannot be recomputed" in page
    assert HOSTILE not in page
    assert "&lt;script&gt;" in page
    assert "By name (stated)" in report.to_markdown()


def test_a_page_with_what_is_attached_verifies_and_a_changed_one_does_not(report):
    page = report.to_html()
    assert verify(page).ok
    assert verify(report.to_json()).ok
    assert AuditReport.from_json(report.to_json()).to_html() == page
    assert "attached" in verify(page).stated
    changed = page.replace("By name (stated)", "By nobody (stated)")
    assert not verify(changed).ok


def test_titles_without_a_mapping_say_what_results_are(decisions, rates):
    y_pred, group = decisions
    test = two_group_test(rates.counts, "selection_rate")
    model = LogisticRegression().fit(y_pred[:, None], y_pred)
    report = audit_models(
        {"m": model}, y_pred[:, None], y_pred, sensitive_features=group, attached=[rates, test]
    )
    assert [one["title"] for one in report.stated["attached"]] == ["Group metrics", "Two group test"]
    assert report.to_html().count("(stated)</h2>") == 2
    assert verify(report.to_html()).ok


@pytest.mark.parametrize(
    ("attached", "error", "message"),
    [
        ({"a": 3}, TypeError, "attached= takes results of fairsk, .* got 3"),
        ("text", TypeError, "attached= takes results"),
        ([{}], TypeError, "attached= takes results"),
        (None, TypeError, "attached= takes results"),
    ],
    ids=["number", "text", "dict", "none"],
)
def test_what_is_no_result(decisions, attached, error, message):
    y_pred, group = decisions
    with pytest.raises(error, match=message):
        audit_predictions(None, y_pred, sensitive_features=group, attached=attached)


def test_one_title_for_two_results_and_small_groups(decisions, rates):
    y_pred, group = decisions
    with pytest.raises(ValueError, match="Two attached results have the title 'Group metrics'"):
        audit_predictions(None, y_pred, sensitive_features=group, attached=[rates, rates])
    with pytest.raises(ValueError, match="attached results could show them"):
        audit_predictions(None, y_pred, sensitive_features=group, attached=rates, min_cell=10)


def test_texts_that_people_wrote_stay_out_of_reports(decisions):
    y_pred, group = decisions
    swapper = TermSwapper({"f": ["aunt", "niece"], "m": ["uncle", "nephew"]})
    audit = counterfactual_audit(
        lambda texts: ["aunt" in text for text in texts], ["My aunt Gwendolyn sued."], swapper
    )
    assert audit.worst[0].control == "My niece Gwendolyn sued."
    assert "Gwendolyn" in str(audit)
    report = audit_predictions(None, y_pred, sensitive_features=group, attached=audit)
    [stated] = report.stated["attached"]
    assert stated["values"]["worst"][0]["row"] == 0
    assert "Gwendolyn" not in report.to_json() + report.to_html() + report.to_markdown()
